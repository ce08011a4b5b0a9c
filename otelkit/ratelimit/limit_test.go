package ratelimit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/otelkit/ratelimit"
	"github.com/redis/go-redis/v9"
)

func TestAWrongConfigIsRefusedAndSaysWhatWouldBeRight(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	defer client.Close()
	with := func(l ratelimit.Limit) ratelimit.Config {
		return ratelimit.Config{Limits: []ratelimit.Limit{l}}
	}
	good := ratelimit.Limit{Name: "api", Rate: 1, Per: time.Second}
	for name, tt := range map[string]struct {
		cfg  ratelimit.Config
		want string
	}{
		"no limits": {ratelimit.Config{}, "Limits is empty"},
		// redis_rate v10.0.1 answers a limit of zero with: strconv.ParseFloat: parsing "-nan".
		"a rate of zero":            {with(ratelimit.Limit{Name: "api", Per: time.Second}), "Rate is 0; it has to be 1 to 1000000000"},
		"the zero limit":            {with(ratelimit.Limit{}), `limit ""`},
		"a negative rate":           {with(ratelimit.Limit{Name: "api", Rate: -1, Per: time.Second}), "Rate is -1"},
		"no period":                 {with(ratelimit.Limit{Name: "api", Rate: 1}), "Per is 0s"},
		"a negative period":         {with(ratelimit.Limit{Name: "api", Rate: 1, Per: -time.Second}), "Per is -1s"},
		"part of a microsecond":     {with(ratelimit.Limit{Name: "api", Rate: 1, Per: 1500}), "whole number of microseconds"},
		"a negative burst":          {with(ratelimit.Limit{Name: "api", Rate: 1, Per: time.Second, Burst: -1}), "Burst is -1"},
		"a burst of ages":           {with(ratelimit.Limit{Name: "api", Rate: 1, Per: 24 * time.Hour, Burst: 20_000}), "more than 35 years"},
		"a lease of the burst":      {with(ratelimit.Limit{Name: "api", Rate: 10, Per: time.Second, Lease: 6}), "Lease is 6; it has to be 0 to 5, half of Burst"},
		"a name for nobody":         {with(ratelimit.Limit{Name: "API \"x\"", Rate: 1, Per: time.Second}), "lower case letter"},
		"a name twice":              {ratelimit.Config{Limits: []ratelimit.Limit{good, good}}, `limit "api" stands twice`},
		"unknown instances":         {ratelimit.Config{Limits: []ratelimit.Limit{good}, Redis: client}, "Config.Instances is missing"},
		"too many instances":        {ratelimit.Config{Limits: []ratelimit.Limit{good}, Instances: 1025}, "Config.Instances is 1025"},
		"a negative wait":           {ratelimit.Config{Limits: []ratelimit.Limit{good}, Wait: -1}, "Config.Wait is -1ns"},
		"a negative number of keys": {ratelimit.Config{Limits: []ratelimit.Limit{good}, MaxKeys: -1}, "Config.MaxKeys is -1"},
		"an unknown policy":         {ratelimit.Config{Limits: []ratelimit.Limit{good}, OnError: 3}, "Config.OnError is 3"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ratelimit.New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "ratelimit: ") {
				t.Errorf("error %v, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestAWrongAskIsAnErrorAndTakesNothing(t *testing.T) {
	backends(t, func(t *testing.T, b backend) {
		l := b.limiter(t, ratelimit.Config{Limits: []ratelimit.Limit{{Name: "api", Rate: 10, Per: time.Hour}, {Name: "login", Rate: 10, Per: time.Hour}}})
		good := ratelimit.Ask{Limit: "api", Key: "k"}
		for name, tt := range map[string]struct {
			wrong ratelimit.Ask
			want  string
		}{
			"unknown limit": {ratelimit.Ask{Limit: "apis", Key: "k"}, `no limit "apis"; Config.Limits has "api", "login"`},
			"no key":        {ratelimit.Ask{Limit: "login"}, "without a Key"},
			"negative cost": {ratelimit.Ask{Limit: "login", Key: "k", Cost: -1}, "-1 units"},
			"twice":         {good, "asked twice"},
			// redis_rate v10.0.1 says to come back in a second, for ever.
			"cost above the burst": {ratelimit.Ask{Limit: "login", Key: "k", Cost: 11}, "lets at most 10 units pass at once; 11 costs more"},
		} {
			d, err := l.Take(t.Context(), good, tt.wrong)
			if err == nil || !strings.Contains(err.Error(), tt.want) || d.Allowed {
				t.Errorf("%s: %+v, error %v, want it to say %q", name, d, err, tt.want)
			}
			if got, want := errors.Is(err, ratelimit.ErrTooCostly), tt.wrong.Cost > 10; got != want {
				t.Errorf("%s: ErrTooCostly is %v, want %v", name, got, want)
			}
		}
		if r := allow(t, l, "api", "k"); r.Remaining != 9 {
			t.Errorf("%d remain, want 9", r.Remaining)
		}
	})
}

// throttled v2.13 divides durations in whole numbers, so that a rate that does not divide
// the second is another.
func TestALimitIsCountedExactlyHoweverOddItsNumbers(t *testing.T) {
	for _, limit := range []ratelimit.Limit{
		{Rate: 300_007, Per: time.Second},
		{Rate: 1_000_000_000, Per: time.Second, Burst: 1},
		{Rate: 999_983, Per: 24 * time.Hour},
		{Rate: 1, Per: 365 * 24 * time.Hour},
		{Rate: 3, Per: 7 * time.Microsecond, Burst: 1000},
	} {
		limit.Name = "api"
		clock := newClock()
		l := newLimiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{limit}})
		burst := max(limit.Burst, limit.Rate)
		if limit.Burst > 0 {
			burst = limit.Burst
		}
		ask := ratelimit.Ask{Limit: "api", Key: "k", Cost: burst}
		take(t, l, ask)
		d := take(t, l, ask)
		exact := float64(burst) * float64(limit.Per) / float64(limit.Rate)
		if off := float64(d.RetryAfter) - exact; d.Allowed || off < -1 || off > max(1000, exact*1e-5) {
			t.Errorf("%+v: %+v, want %v, never less and hardly more", limit, d, time.Duration(exact))
		}
	}
	// Too many figures for the arithmetic: to the microsecond, and never faster.
	clock := newClock()
	l := newLimiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{{Name: "api", Rate: 1_234_567, Per: 30 * 24 * time.Hour}}})
	take(t, l, ratelimit.Ask{Limit: "api", Key: "k", Cost: 1_234_567})
	if r := allow(t, l, "api", "k"); r.RetryAfter != 2_099_522*time.Microsecond { // 2.0995215 s
		t.Errorf("%+v, want a denial for 2.099522s", r)
	}
}
