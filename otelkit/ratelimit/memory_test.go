package ratelimit_test

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/ratelimit"
)

func TestStrangersFillNeitherMemoryNorMetrics(t *testing.T) {
	kit, clock := newKit(), newClock()
	l := newLimiter(t, ratelimit.Config{Kit: kit, Now: clock.Now, MaxKeys: 1000, Limits: []ratelimit.Limit{{Name: "api", Rate: 10, Per: time.Hour}}})
	for range 10 {
		allow(t, l, "api", "busy")
	}
	for i := range 999 {
		allow(t, l, "api", strconv.Itoa(i))
	}
	before := heap()
	for i := range 100_000 {
		allow(t, l, "api", "stranger "+strconv.Itoa(i))
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("100,000 keys took %d bytes more, want hardly any: MaxKeys is 1,000", grown)
	}
	// A key that has more to lose stays: else a flood would be a way to begin anew.
	if r := allow(t, l, "api", "busy"); r.Allowed {
		t.Errorf("%+v, want a key over its limit to stay over it", r)
	}
	if got := kit.series(t, "otelkit.ratelimit.evictions"); got[""] != 100_000 {
		t.Errorf("evictions %v, want 100,000", got)
	}
	if got := kit.series(t, "otelkit.ratelimit.decisions"); len(got) != 2 || got["limit=api outcome=allowed source=local"] != 10+999+100_000 || got["limit=api outcome=denied source=local"] != 1 {
		t.Errorf("decisions %v, want two series", got)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestAKeyAtRestMakesRoomWithoutBeingCountedAsForgotten(t *testing.T) {
	kit, clock := newKit(), newClock()
	l := newLimiter(t, ratelimit.Config{Kit: kit, Now: clock.Now, MaxKeys: 8, Limits: []ratelimit.Limit{{Name: "api", Rate: 1, Per: time.Minute}}})
	for minute := range 100 {
		for i := range 8 {
			allow(t, l, "api", strconv.Itoa(minute*8+i))
		}
		clock.advance(time.Minute)
	}
	if got := kit.series(t, "otelkit.ratelimit.evictions"); len(got) != 0 {
		t.Errorf("evictions %v, want none", got)
	}
}
