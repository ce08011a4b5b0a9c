// Package segments says what a customer is to the store: new, a VIP, returning, at
// risk of being lost, or lost.
//
// It is decided by what the customer did before, which a hash in Redis keeps for 400
// days after the last time:
//
//	customer:42  last_activity              2026-06-01T12:00:00Z
//	             activity_browse_catalogue  7
//	             activity_checkout          1
//	             total_spend                99900          US cents
//	             order_count                1
//	             recent_orders              +0b9f6f1c-...  that they are counted once
//
// What is asked for is read before what happens is written, or nobody would ever be
// new, nor come back after a long time:
//
//	before, err := segments.Act(ctx, client, user, telemetry.ActionBrowse, time.Now())
//	if err != nil {
//		return telemetry.SegmentUnknown // Redis is away
//	}
//	segment := before.Segment(time.Now())
//
// Each function is one round trip and atomic: of two first requests at once, one is
// from somebody new. Who is anonymous, or cannot be looked up, is for the caller to
// say.
package segments

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Kept is how long a customer is remembered after their last activity: long enough
// that one can be churned, which takes 90 days.
const Kept = 400 * 24 * time.Hour

// Above which a customer is a VIP, and after which they are no longer what they were.
const (
	vipSpend  = 500_00 // US cents
	vipOrders = 5

	atRiskAfter  = 30 * 24 * time.Hour
	churnedAfter = 90 * 24 * time.Hour
)

// Customer is what is known of one. The zero value is somebody new.
type Customer struct {
	LastActivity time.Time                          // zero if there was none
	Activity     map[telemetry.CustomerAction]int64 // how often each was done; nil if none ever was
	Spend        int64                              // US cents, of orders that were paid and not refunded
	Orders       int64                              // such orders
}

// Segment is what the customer is at a time.
func (c Customer) Segment(now time.Time) telemetry.Segment {
	away := now.Sub(c.LastActivity)
	switch {
	case c.LastActivity.IsZero():
		return telemetry.SegmentNew
	case c.Spend > vipSpend || c.Orders > vipOrders:
		return telemetry.SegmentVIP
	case away <= atRiskAfter:
		return telemetry.SegmentReturning
	case away <= churnedAfter:
		return telemetry.SegmentAtRisk
	}
	return telemetry.SegmentChurned
}

// The fields of the hash.
const (
	lastActivity = "last_activity"
	activity     = "activity_" // and the action
	spend        = "total_spend"
	orders       = "order_count"
)

func key(user int64) string { return "customer:" + strconv.FormatInt(user, 10) }

// Act notes what a customer does at a time, and returns what was known before.
func Act(ctx context.Context, client redis.Cmdable, user int64, action telemetry.CustomerAction, at time.Time) (before Customer, err error) {
	var known *redis.MapStringStringCmd
	_, err = client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		known = tx.HGetAll(ctx, key(user))
		tx.HSet(ctx, key(user), lastActivity, stamp(at))
		tx.HIncrBy(ctx, key(user), activity+string(action), 1)
		tx.Expire(ctx, key(user), Kept)
		return nil
	})
	if err != nil {
		return Customer{}, fmt.Errorf("segments: noting what user %d does: %w", user, err)
	}
	return parse(known.Val())
}

// Read returns what is known of a customer.
func Read(ctx context.Context, client redis.Cmdable, user int64) (Customer, error) {
	fields, err := client.HGetAll(ctx, key(user)).Result()
	if err != nil {
		return Customer{}, fmt.Errorf("segments: reading user %d: %w", user, err)
	}
	return parse(fields)
}

var (
	//go:embed buy.lua
	buySource string
	//go:embed refund.lua
	refundSource string

	buy    = redis.NewScript(buySource)
	refund = redis.NewScript(refundSource)
)

// Buy notes that a customer paid so many US cents for an order. An order counts once,
// however often it is told, as long as the customer has paid for fewer than eight others
// since: a call whose answer was lost may be repeated.
func Buy(ctx context.Context, client redis.Cmdable, user int64, order string, cents int64, at time.Time) error {
	if err := buy.Run(ctx, client, []string{key(user)}, order, cents, stamp(at), int64(Kept.Seconds())).Err(); err != nil {
		return fmt.Errorf("segments: noting order %s of user %d: %w", order, user, err)
	}
	return nil
}

// Refund takes back what Buy noted of an order, with the same amount. It changes nothing
// if Buy did not note it, or if it was taken back before.
func Refund(ctx context.Context, client redis.Cmdable, user int64, order string, cents int64) error {
	if err := refund.Run(ctx, client, []string{key(user)}, order, cents).Err(); err != nil {
		return fmt.Errorf("segments: noting the refund of order %s of user %d: %w", order, user, err)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// parse reads the fields of a hash; none are somebody new.
func parse(fields map[string]string) (Customer, error) {
	if len(fields) == 0 {
		return Customer{}, nil
	}
	c := Customer{Activity: map[telemetry.CustomerAction]int64{}}
	var wrong []error
	number := func(field string) int64 {
		text, ok := fields[field]
		if !ok {
			return 0
		}
		n, err := strconv.ParseInt(text, 10, 64)
		wrong = append(wrong, err)
		return n
	}
	c.Spend, c.Orders = number(spend), number(orders)
	for _, action := range telemetry.CustomerAction("").Values() {
		c.Activity[action] = number(activity + string(action))
	}
	last, err := time.Parse(time.RFC3339, fields[lastActivity])
	c.LastActivity = last
	if err := errors.Join(append(wrong, err)...); err != nil {
		return Customer{}, fmt.Errorf("segments: what Redis has of a customer cannot be read: %w", err)
	}
	return c, nil
}
