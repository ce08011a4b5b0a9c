package suspicion

import (
	"container/list"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// local counts in this instance's memory, as count.lua does in Redis. It keeps
// the addresses that were seen last. Only Run uses it.
type local struct {
	most   int
	seen   *list.List // of *client, the one that was seen last in front
	places map[string]*list.Element
}

// client is the newest answers to one, by rule, the oldest first.
type client struct {
	key     string
	answers map[telemetry.SuspicionRule][]time.Time
}

func newLocal(most int) *local {
	return &local{most: most, seen: list.New(), places: map[string]*list.Element{}}
}

// count counts an answer for each rule, and returns for each how many there were
// within the window, but no more than makes the rule's number full. forgotten is
// how many answers to another client had to be forgotten for it.
func (l *local) count(key string, at time.Time, matching []rule) (counts []int, forgotten int) {
	place, ok := l.places[key]
	if !ok {
		if l.seen.Len() >= l.most {
			forgotten = l.forgetOne(at)
		}
		place = l.seen.PushFront(&client{key, map[telemetry.SuspicionRule][]time.Time{}})
		l.places[key] = place
	}
	l.seen.MoveToFront(place)
	c := place.Value.(*client)
	for _, r := range matching {
		answers := append(within(c.answers[r.name], at), at)
		answers = answers[max(0, len(answers)-r.most):]
		c.answers[r.name] = answers
		counts = append(counts, len(answers))
	}
	return counts, forgotten
}

// forgetOne forgets the client that was not seen for longest, and returns how
// many answers still counted.
func (l *local) forgetOne(now time.Time) (answers int) {
	place := l.seen.Back()
	c := place.Value.(*client)
	for _, times := range c.answers {
		answers = max(answers, len(within(times, now)))
	}
	l.seen.Remove(place)
	delete(l.places, c.key)
	return answers
}

// within returns those of the times that a window ending now still holds.
func within(times []time.Time, now time.Time) []time.Time {
	for len(times) > 0 && now.Sub(times[0]) >= window {
		times = times[1:]
	}
	return times
}
