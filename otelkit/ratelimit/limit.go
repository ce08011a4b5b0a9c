package ratelimit

import (
	"fmt"
	"regexp"
	"time"
)

// Limit says how many units may pass, per how long. What a unit is, a request or
// a byte, is up to whoever takes them.
type Limit struct {
	// Name stands in metrics, in Redis' keys and in HTTP fields. Required: a lower
	// case letter, then up to 49 lower case letters, digits, "-" and "_".
	Name string
	// Rate units come back per Per. Both are required; Per is in whole
	// microseconds.
	Rate int
	Per  time.Duration
	// Burst is the most units that can pass at once, after a rest. 0 means Rate.
	Burst int
	// Lease lets an instance take up to so many units of a busy key from Redis at
	// once, and decide on them without a round trip. 0 means none. Who asks while they
	// are being fetched waits for them. In any time t at most
	// Burst + Rate*t/Per + Lease*instances units pass, so keep Lease*instances small
	// beside Burst; it is at most half of Burst.
	Lease int
	// Shadow has the limit counted and reported, and never denied. It shows what a
	// new limit would do.
	Shadow bool
}

// The bounds within which the arithmetic is exact: in int64 here, and in the
// doubles of Redis' Lua, which hold integers up to 2^53.
const (
	maxDepth     = 1 << 50 // microseconds of a rate of 1: 35 years
	maxRate      = 1_000_000_000
	maxInstances = 1024
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,49}$`)

// validate says what is wrong with a limit, and what would be right.
func (l Limit) validate() error {
	burst := l.burst()
	switch {
	case !namePattern.MatchString(l.Name):
		return fmt.Errorf(`ratelimit: limit %q: the name has to be a lower case letter, then up to 49 lower case letters, digits, "-" and "_"`, l.Name)
	case l.Rate < 1 || l.Rate > maxRate:
		return fmt.Errorf("ratelimit: limit %q: Rate is %d; it has to be 1 to %d (to let nothing through, answer so without a limit)", l.Name, l.Rate, maxRate)
	case l.Per < time.Microsecond || l.Per%time.Microsecond != 0:
		return fmt.Errorf("ratelimit: limit %q: Per is %v; it has to be a whole number of microseconds, 1 or more", l.Name, l.Per)
	case burst < 1 || burst > maxRate:
		return fmt.Errorf("ratelimit: limit %q: Burst is %d; it has to be 1 to %d, or 0 for Rate", l.Name, burst, maxRate)
	case l.Lease < 0 || l.Lease > burst/2:
		return fmt.Errorf("ratelimit: limit %q: Lease is %d; it has to be 0 to %d, half of Burst", l.Name, l.Lease, burst/2)
	case int64(burst) > maxDepth/ceilDiv(l.Per.Microseconds(), int64(l.Rate)):
		return fmt.Errorf("ratelimit: limit %q: a Burst of %d takes more than 35 years to come back at %d per %v; lower it", l.Name, burst, l.Rate, l.Per)
	default:
		return nil
	}
}

func (l Limit) burst() int {
	if l.Burst == 0 {
		return l.Rate
	}
	return l.Burst
}

// bucket returns the limit in the numbers that are counted with, for one of so
// many instances that share it.
func (l Limit) bucket(instances int) bucket {
	rate, per := int64(l.Rate), l.Per.Microseconds()
	divisor := gcd(rate, per)
	rate, per = rate/divisor, per/divisor
	if int64(l.burst()) > maxDepth/per {
		// Such as 1,234,567 per 30 days. To the microsecond, then, and never faster
		// than was asked.
		rate, per = 1, ceilDiv(per, rate)
	}
	return bucket{rate: rate, unit: per * int64(instances), depth: int64(l.burst()) * per}
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
