package shop

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/segments"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// stages is where in the funnel somebody is who does something.
var stages = map[telemetry.CustomerAction]telemetry.FunnelStage{
	telemetry.ActionBrowse:   telemetry.FunnelBrowse,
	telemetry.ActionView:     telemetry.FunnelView,
	telemetry.ActionAdd:      telemetry.FunnelAdd,
	telemetry.ActionCheckout: telemetry.FunnelCheckoutStart,
}

// did notes what somebody has done: in the funnel, by the segment that they were in
// before, and on the span. A user without an id is somebody who did not say who they
// are.
func (s *shop) did(ctx context.Context, user int64, action telemetry.CustomerAction, m telemetry.Market) {
	segment := s.segmentBefore(ctx, user, action)
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("webstore.customer.segment", string(segment)))
	telemetry.CustomerActions.Add(ctx, 1, telemetry.CustomerAttrs{Segment: segment, Action: action, Market: m})
	telemetry.FunnelEvents.Add(ctx, 1, telemetry.FunnelAttrs{Stage: stages[action], Market: m})
	if user != 0 {
		s.users.saw(user, m, time.Now())
	}
}

// segmentBefore keeps in mind what a user does, and returns the segment that they were
// in before.
func (s *shop) segmentBefore(ctx context.Context, user int64, action telemetry.CustomerAction) telemetry.Segment {
	if user == 0 {
		return telemetry.SegmentAnonymous
	}
	now := time.Now()
	var before segments.Customer
	err := s.cache.ask(ctx, func(ctx context.Context, client *redis.Client) (err error) {
		before, err = segments.Act(ctx, client, user, action, now)
		return err
	})
	if err != nil {
		return telemetry.SegmentUnknown
	}
	return before.Segment(now)
}

// sold notes that an order was paid, in the funnel and for its customer's segment. It is
// called once for an order, by whoever brought it so far. Without Redis at that moment
// the order does not count for the segment.
func (s *shop) sold(ctx context.Context, order Order) {
	telemetry.FunnelEvents.Add(ctx, 1, telemetry.FunnelAttrs{Stage: telemetry.FunnelCheckoutComplete, Market: order.Market})
	_ = s.cache.ask(ctx, func(ctx context.Context, client *redis.Client) error {
		return segments.Buy(ctx, client, order.userID, order.ID, cents(order), time.Now())
	})
}

// unsold notes that an order was cancelled: if it was paid, the money is given back.
func (s *shop) unsold(ctx context.Context, order Order) {
	if order.cancelReason != cancelledOutOfStock {
		return
	}
	_ = s.cache.ask(ctx, func(ctx context.Context, client *redis.Client) error {
		return segments.Refund(ctx, client, order.userID, order.ID, cents(order))
	})
}

// cents is what an order is worth in US cents.
func cents(o Order) int64 { return int64(math.Round(100 * money.Dollars(o.Market, o.Total.Amount))) }

// Stats is what the store knows of a user beside orders and cart. The segment alone is
// told when the rest cannot be read.
type Stats struct {
	Segment telemetry.Segment `json:"segment"`
	*History
}

// History is what a user has done.
type History struct {
	Spend        money.Money                        `json:"spend"` // US dollars, of what was paid and not refunded
	Orders       int64                              `json:"orders"`
	LastActivity time.Time                          `json:"last_activity,omitzero"`
	Activity     map[telemetry.CustomerAction]int64 `json:"activity"`
}

func (s *shop) stats(ctx context.Context, user int64) Stats {
	var known segments.Customer
	err := s.cache.ask(ctx, func(ctx context.Context, client *redis.Client) (err error) {
		known, err = segments.Read(ctx, client, user)
		return err
	})
	if err != nil {
		return Stats{Segment: telemetry.SegmentUnknown}
	}
	history := History{
		Spend:        money.Price(telemetry.UnitedStates, known.Spend),
		Orders:       known.Orders,
		LastActivity: known.LastActivity,
		Activity:     map[telemetry.CustomerAction]int64{},
	}
	for action := range stages {
		history.Activity[action] = known.Activity[action]
	}
	return Stats{known.Segment(time.Now()), &history}
}

func (s *shop) getStats(w http.ResponseWriter, r *http.Request, user User) error {
	return jsonhttp.Encode(w, http.StatusOK, s.stats(r.Context(), user.ID))
}
