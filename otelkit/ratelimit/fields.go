package ratelimit

import (
	"fmt"
	"math/bits"
	"net/http"
	"strconv"
	"time"
)

// The fields are those of draft-ietf-httpapi-ratelimit-headers-11 (May 2026):
//
//	RateLimit-Policy: "api";q=100;w=60
//	RateLimit: "api";r=42;t=26

// policyItem is a limit as an item of RateLimit-Policy. w is in whole seconds, so q is
// what passes in that many. A burst that is not q is told by a parameter of our own, as
// the draft has it.
func policyItem(l Limit) string {
	window := ceilDiv(int64(l.Per), int64(time.Second))
	hi, lo := bits.Mul64(uint64(l.Rate), uint64(window)*uint64(time.Second))
	quota, _ := bits.Div64(hi, lo, uint64(l.Per))
	item := fmt.Sprintf("%q;q=%d;w=%d", l.Name, min(quota, maxInteger), window)
	if burst := uint64(l.burst()); burst != quota {
		item += fmt.Sprintf(";otelkit-burst=%d", burst)
	}
	return item
}

// maxInteger is the largest Integer of a structured field (RFC 9651).
const maxInteger = 999_999_999_999_999

// limitItem is a result as an item of RateLimit. Of what remains, t says over how long
// to spread it so as never to be denied: r units in t seconds are no more than the
// limit's rate, as the draft demands for the sake of clients that divide the one by the
// other. If nothing remains, t says when something will; in a denial that is what
// Retry-After says too.
func limitItem(res *Result) string {
	remaining, over := res.Remaining, time.Duration(0)
	switch {
	case !res.Allowed:
		remaining, over = 0, res.RetryAfter
	case remaining == 0:
		over = res.Limit.spread(1)
	default:
		over = res.Limit.spread(remaining)
	}
	item := make([]byte, 0, 80)
	item = append(append(append(item, '"'), res.Limit.Name...), `";r=`...)
	item = append(strconv.AppendInt(item, int64(remaining), 10), ";t="...)
	return string(strconv.AppendInt(item, seconds(over), 10))
}

// spread is how long units take to come back.
func (l Limit) spread(units int) time.Duration {
	return time.Duration(float64(units) * float64(l.Per) / float64(l.Rate))
}

// seconds is a time as HTTP has it: whole, and never too short.
func seconds(d time.Duration) int64 { return max(1, ceilDiv(int64(d), int64(time.Second))) }

// setFields tells the client where it stands. Limits in shadow mode are not its
// business, nor is what nobody counted. A denial tells of what denied, so that
// Retry-After is not before the end of any window told.
func (m *middleware) setFields(h http.Header, d Decision) {
	tightest := -1
	for i := range d.Results {
		res := &d.Results[i]
		if res.Limit.Shadow || res.Source == "" || res.Source == FromPolicy || res.Allowed != d.Allowed {
			continue
		}
		h.Add("RateLimit-Policy", m.policies[res.Limit.Name])
		h.Add("RateLimit", limitItem(res))
		if tightest < 0 || res.Remaining < d.Results[tightest].Remaining {
			tightest = i
		}
	}
	if m.cfg.XRateLimit && tightest >= 0 {
		res := &d.Results[tightest]
		h.Set("X-RateLimit-Limit", strconv.Itoa(res.Limit.Burst))
		h.Set("X-RateLimit-Remaining", strconv.Itoa(res.Remaining))
		h.Set("X-RateLimit-Reset", strconv.FormatInt(seconds(res.ResetAfter), 10))
	}
}
