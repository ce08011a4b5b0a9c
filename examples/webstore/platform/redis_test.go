//go:build unix

package platform_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/otelkit/kit/examples/webstore/platform"
	"github.com/otelkit/kit/internal/reserved"
)

func startRedis(t *testing.T, cfg platform.RedisConfig) *platform.Redis {
	t.Helper()
	r, err := platform.StartRedis(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Stop(context.Background()) })
	return r
}

// client is one for database 0 of the server.
func client(t *testing.T, address string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(options)
	t.Cleanup(func() { c.Close() })
	return c
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("not so: %s", what)
		}
	}
}

func TestAPrivateRedisAsksForThePasswordOfTheRun(t *testing.T) {
	r := startRedis(t, platform.RedisConfig{Dir: openDir(t, tempDir(t))})
	if err := client(t, r.URL).Ping(t.Context()).Err(); err != nil || !r.Private() {
		t.Fatal(err)
	}
	address, err := url.Parse(r.URL)
	if err != nil || address.Hostname() != "127.0.0.1" {
		t.Errorf("the address is %v (%v)", address, err)
	}
	address.User = nil
	if err := client(t, address.String()).Ping(t.Context()).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOAUTH") {
		t.Errorf("without the password the answer is %v", err)
	}
}

// miniredis has no clock: keys would never expire.
func TestKeysExpire(t *testing.T) {
	c := client(t, startRedis(t, platform.RedisConfig{Dir: openDir(t, tempDir(t))}).URL)
	ctx := t.Context()
	c.Set(ctx, "short", "1", 150*time.Millisecond)
	c.Set(ctx, "long", "1", time.Hour)
	eventually(t, "the short key is gone", func() bool { return c.Exists(ctx, "short").Val() == 0 })
	if left := c.TTL(ctx, "long").Val(); left <= 0 || left > time.Hour {
		t.Errorf("the long key has %v left", left)
	}
}

func TestKeysOfEveryTypeSurviveARestart(t *testing.T) {
	cfg := platform.RedisConfig{Dir: openDir(t, tempDir(t))}
	ctx := t.Context()
	first := startRedis(t, cfg)
	c := client(t, first.URL)
	binary := "\x00\xff not text"
	c.Set(ctx, "string", binary, 0)
	c.Set(ctx, binary, "", 0)
	c.HSet(ctx, "hash", "a", "1", binary, binary)
	c.RPush(ctx, "list", "b", "a", "b")
	c.SAdd(ctx, "set", "x", "y")
	c.ZAdd(ctx, "zset", redis.Z{Score: 1.5, Member: "m"}, redis.Z{Score: math.Inf(1), Member: "inf"})
	c.Set(ctx, "expiring", "1", time.Hour)
	c.Set(ctx, "expired by then", "1", time.Millisecond)
	if err := inDatabase3(t, first.URL).Set(ctx, "elsewhere", "3", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(ctx); err != nil {
		t.Fatalf("the second Stop: %v", err)
	}

	second := startRedis(t, cfg)
	if first.URL == second.URL {
		t.Error("two runs have one password")
	}
	c = client(t, second.URL)
	for _, check := range []struct{ got, want any }{
		{c.Get(ctx, "string").Val(), binary},
		{c.Exists(ctx, binary).Val(), int64(1)},
		{c.HGetAll(ctx, "hash").Val(), map[string]string{"a": "1", binary: binary}},
		{c.LRange(ctx, "list", 0, -1).Val(), []string{"b", "a", "b"}},
		{c.SMembers(ctx, "set").Val(), []string{"x", "y"}},
		{c.ZRangeWithScores(ctx, "zset", 0, -1).Val(), []redis.Z{{Score: 1.5, Member: "m"}, {Score: math.Inf(1), Member: "inf"}}},
		{inDatabase3(t, second.URL).Get(ctx, "elsewhere").Val(), "3"},
	} {
		if !reflect.DeepEqual(check.got, check.want) {
			t.Errorf("got %v, want %v", check.got, check.want)
		}
	}
	eventually(t, "only what had expired is gone", func() bool { return c.DBSize(ctx).Val() == 7 })
	if left := c.TTL(ctx, "expiring").Val(); left <= 59*time.Minute || left > time.Hour {
		t.Errorf("the expiring key has %v left, want almost an hour", left)
	}
}

func inDatabase3(t *testing.T, address string) *redis.Client {
	return client(t, strings.TrimSuffix(address, "/0")+"/3")
}

func TestASnapshotIsWrittenWhileTheServerRunsButOnlyIfSomethingChanged(t *testing.T) {
	dir := openDir(t, tempDir(t))
	path := filepath.Join(dir.Path, "redis.json")
	r := startRedis(t, platform.RedisConfig{Dir: dir, SaveInterval: 10 * time.Millisecond})
	c := client(t, r.URL)
	ctx := t.Context()
	c.Set(ctx, "first", "1", time.Hour)
	eventually(t, "the first key is in the snapshot", func() bool { return keysIn(path) == 1 })

	// What a run's end writes is the last snapshot again if nothing changed,
	// also though the time to live went down meanwhile.
	c.Set(ctx, "second", "2", time.Hour)
	eventually(t, "the second key is in the snapshot", func() bool { return keysIn(path) == 2 })
	ttl := c.PTTL(ctx, "second").Val()
	eventually(t, "the clock goes on", func() bool { return c.PTTL(ctx, "second").Val() < ttl-200*time.Millisecond })
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the snapshot was written though nothing changed")
	}
	if left, _ := filepath.Glob(path + ".new-*"); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
}

func keysIn(path string) int {
	text, _ := os.ReadFile(path)
	return bytes.Count(text, []byte(`"Type":"string"`))
}

func TestASnapshotThatCannotBeUsedIsRefusedAndLeftAlone(t *testing.T) {
	for name, text := range map[string]string{
		"cut off":          `{"Version":1,"Keys":[{"Database":0`,
		"empty":            ``,
		"of the future":    `{"Version":2,"Keys":[]}`,
		"something else":   `{"name":"webstore"}`,
		"an unknown type":  `{"Version":1,"Keys":[{"Name":"YQ==","Type":"stream","Values":["YQ=="]}]}`,
		"a key of nothing": `{"Version":1,"Keys":[{"Name":"YQ==","Type":"string"}]}`,
		"half a hash":      `{"Version":1,"Keys":[{"Name":"YQ==","Type":"hash","Values":["YQ=="]}]}`,
		"no scores":        `{"Version":1,"Keys":[{"Name":"YQ==","Type":"zset","Values":["YQ=="]}]}`,
		"a bad score":      `{"Version":1,"Keys":[{"Name":"YQ==","Type":"zset","Values":["YQ=="],"Scores":["x"]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := openDir(t, tempDir(t))
			path := filepath.Join(dir.Path, "redis.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := platform.StartRedis(t.Context(), platform.RedisConfig{Dir: dir})
			wantError(t, err, path, "move it away")
			if after, _ := os.ReadFile(path); string(after) != text {
				t.Errorf("the file is now %q", after)
			}
		})
	}
}

func TestAKeyThatIsNotKeptIsSaidOnce(t *testing.T) {
	var log bytes.Buffer
	r := startRedis(t, platform.RedisConfig{Dir: openDir(t, tempDir(t)), Log: &log})
	c := client(t, r.URL)
	for i := range 2 {
		c.XAdd(t.Context(), &redis.XAddArgs{Stream: fmt.Sprint("events", i), Values: []string{"a", "1"}})
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "a stream is not kept") {
		t.Errorf("logged %q", got)
	}
}

func TestASnapshotThatCannotBeWrittenIsAnErrorOfStop(t *testing.T) {
	path := tempDir(t)
	r := startRedis(t, platform.RedisConfig{Dir: openDir(t, path)})
	client(t, r.URL).Set(t.Context(), "key", "1", 0)
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	wantError(t, r.Stop(t.Context()), "snapshot", path)
}

func TestRedisURLRulesOutAServerOfOurOwn(t *testing.T) {
	theirs := startRedis(t, platform.RedisConfig{Dir: openDir(t, tempDir(t))})
	ours := startRedis(t, platform.RedisConfig{URL: theirs.URL})
	if err := ours.Stop(t.Context()); err != nil || ours.Private() || ours.URL != theirs.URL {
		t.Errorf("got %+v (%v)", ours, err)
	}
	if err := client(t, theirs.URL).Ping(t.Context()).Err(); err != nil {
		t.Errorf("a server that is somebody else's was stopped: %v", err)
	}
}

func TestARedisURLThatDoesNotWorkIsExplainedWithoutItsPassword(t *testing.T) {
	theirs := startRedis(t, platform.RedisConfig{Dir: openDir(t, tempDir(t))})
	host := strings.SplitN(theirs.URL, "@", 2)[1]
	closed, _ := reserved.Port(t)
	for name, test := range map[string]struct {
		url  string
		want []string
	}{
		"nobody listens":   {"redis://:s3cret@" + closed, []string{"Redis at " + closed, "connection refused", "unset it"}},
		"not an address":   {"redis://:s3cret#@" + closed, []string{"percent-encoded"}},
		"another protocol": {"redis://:s3cret@" + hangUp(t), []string{"refuses or does not answer"}},
		"a wrong password": {"redis://:s3cret@" + host, []string{"WRONGPASS"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := platform.StartRedis(t.Context(), platform.RedisConfig{URL: test.url})
			wantError(t, err, append(test.want, "REDIS_URL")...)
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}
