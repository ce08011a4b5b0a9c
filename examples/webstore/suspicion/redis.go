package suspicion

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/otelkit/kit/otelkit/metrics"
)

//go:embed count.lua
var source string

var script = redis.NewScript(source)

var errNoRedis = errors.New("there is no Redis")

// newInstance returns what no other instance has.
func newInstance() string { return rand.Text() }

// countInRedis counts an answer for each rule, and returns for each how many
// there were within the window, but no more than makes the rule's number full.
// That belongs to no request any more: neither to its trace nor to its time.
func (w *Watch) countInRedis(client string, at time.Time, matching []rule) ([]int, error) {
	if w.ask == nil {
		return nil, errNoRedis
	}
	// In braces is what decides on which server of a cluster a key is: one for all of
	// an address, so that one script can count them.
	keys := make([]string, len(matching))
	member := w.instance + strconv.FormatUint(w.member.Add(1), 36)
	args := []any{at.UnixMicro(), window.Microseconds(), member}
	for i, r := range matching {
		keys[i] = "suspicion:{" + client + "}" + string(r.name)
		args = append(args, r.most)
	}
	var counts []int
	err := w.ask(metrics.NewContext(context.Background(), w.recorder), func(ctx context.Context, client *redis.Client) error {
		answers, err := script.Run(ctx, client, keys, args...).Int64Slice()
		for _, n := range answers {
			counts = append(counts, int(n))
		}
		return err
	})
	return counts, err
}
