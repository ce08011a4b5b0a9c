package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/metrics"
)

// message is what somebody has to be told. Those of an order are written in the
// transaction that makes them necessary, so that there is none without the other,
// and delivered when the shopper has the answer. A message is delivered at least
// once: whoever gets it knows by its key that it is the same.
type message struct {
	Kind    telemetry.OutboxKind `json:"kind"`
	Key     string               `json:"key"`
	Payload string               `json:"payload"` // JSON

	id          int64
	traceparent string
	attempts    int // this one included
	age         time.Duration
}

// messages is a list without those that are not needed.
func messages(all ...message) []message {
	needed := []message{} // nil would be no list in JSON
	for _, m := range all {
		if m.Kind != "" {
			needed = append(needed, m)
		}
	}
	return needed
}

// couponRelease gives an order's use of a coupon back; it is not needed without one.
func couponRelease(o Order) message {
	if o.Coupon == "" {
		return message{}
	}
	return message{Kind: telemetry.OutboxPromotionRelease, Key: o.ID, Payload: `{}`}
}

func paymentCancel(o Order) message {
	return message{Kind: telemetry.OutboxPaymentCancel, Key: o.ID, Payload: `{}`}
}

// crmOrder tells the CRM how a paid order has ended.
func crmOrder(o Order, status Status) message {
	payload, _ := json.Marshal(struct { // cannot fail: texts and a number
		Customer string           `json:"customer_id"`
		Order    string           `json:"order_id"`
		Amount   int64            `json:"amount"`
		Currency string           `json:"currency"`
		Market   telemetry.Market `json:"country"`
		Status   Status           `json:"status"`
	}{strconv.FormatInt(o.userID, 10), o.ID, o.Total.Amount, o.Total.Currency, o.Market, status})
	return message{Kind: telemetry.OutboxCRMOrder, Key: o.ID, Payload: string(payload)}
}

// crmUpdate tells the CRM that there is a customer.
func crmUpdate(user int64) message {
	id := strconv.FormatInt(user, 10)
	return message{Kind: telemetry.OutboxCRMUpdate, Key: id, Payload: fmt.Sprintf(`{"customer_id": %q}`, id)}
}

// ending is who has to be told that a paid order has ended. Each line that was asked
// for is either reserved, and the order says so, or released: whether an attempt was
// heeded whose answer is missing, nobody needs to know.
func ending(o Order, status Status, reserved []reservedLine) []message {
	told := []message{crmOrder(o, status)}
	if status == StatusCancelled {
		told = append(told, paymentCancel(o), couponRelease(o))
	}
	kept := map[int64]bool{}
	for _, r := range reserved {
		kept[r.ProductID] = true
	}
	for _, line := range o.Lines {
		if line.taken && !kept[line.ProductID] {
			told = append(told, message{Kind: telemetry.OutboxInventoryRelease, Key: reservationKey(o.ID, line.ProductID), Payload: `{}`})
		}
	}
	return told
}

// delivery is what became of a message.
type delivery struct {
	message
	done   bool
	pause  time.Duration // until the next attempt, if it is not done
	refund string        // the charge that was given back, of a payment.cancel
}

// The pace of deliveries, beside that of Config.
const (
	deliveryBatch = 32               // messages that are claimed and delivered at once
	deliveryLease = 20 * time.Second // longer than that takes, so that no two instances deliver one at a time
	crmPatience   = 24 * time.Hour   // after which news are old, and dropped
)

// queues are delivered independently: a CRM that hangs keeps no refund waiting.
var queues = [][]telemetry.OutboxKind{
	{telemetry.OutboxCRMOrder, telemetry.OutboxCRMUpdate},
	{telemetry.OutboxPaymentCancel},
	{telemetry.OutboxPromotionRelease},
	{telemetry.OutboxInventoryRelease},
}

// deliverOutbox delivers messages until ctx is done, and ends when those in hand are
// delivered or have failed.
func (s *shop) deliverOutbox(ctx context.Context) {
	ctx = metrics.NewContext(ctx, s.recorder)
	var loops sync.WaitGroup
	for _, kinds := range queues {
		loops.Go(func() {
			every(ctx, s.pace.outboxInterval, func() {
				for ctx.Err() == nil {
					more, err := s.deliverSome(ctx, kinds)
					if err != nil && ctx.Err() == nil {
						s.log.WarnContext(ctx, "the outbox cannot be worked on", "webstore.outbox.kind", string(kinds[0]), "exception.message", err.Error())
					}
					if err != nil || !more {
						return
					}
				}
			})
		})
	}
	loops.Wait()
}

// every calls do, and again after each interval, until ctx is done.
func every(ctx context.Context, interval time.Duration, do func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// deliverSome delivers messages that are due, and reports whether it is worth going
// on at once: more may be due, and most of these were taken. No connection to the
// database is held meanwhile.
func (s *shop) deliverSome(ctx context.Context, kinds []telemetry.OutboxKind) (more bool, err error) {
	claimed, err := s.store.claim(ctx, kinds, deliveryBatch, deliveryLease)
	if err != nil || len(claimed) == 0 {
		return false, err
	}
	// What is in hand is finished, even if the service ends.
	ctx = context.WithoutCancel(ctx)
	deliveries := make([]delivery, len(claimed))
	atOnce(deliveryBatch, len(claimed), func(i int) { deliveries[i] = s.deliverOne(ctx, claimed[i]) })
	bounded, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := s.store.settle(bounded, deliveries); err != nil {
		return false, fmt.Errorf("writing down what was delivered, which will be delivered again: %w", err)
	}
	done := 0
	for _, d := range deliveries {
		if d.done {
			done++
		}
	}
	return len(claimed) == deliveryBatch && done > deliveryBatch/2, nil
}

// writeTimeout is how long the database may take to write down what has happened.
const writeTimeout = 5 * time.Second

// atOnce calls do with 0 to n-1, so many at once, and returns when all have.
func atOnce(limit, n int, do func(i int)) {
	free := make(chan struct{}, limit)
	var calls sync.WaitGroup
	for i := range n {
		free <- struct{}{}
		calls.Go(func() {
			defer func() { <-free }()
			do(i)
		})
	}
	calls.Wait()
}

// deliverOne makes one attempt to deliver a message. It is a trace of its own: the
// checkout that wrote the message, to which it has a link, has ended.
func (s *shop) deliverOne(ctx context.Context, m message) delivery {
	ctx, span := s.tracer.Start(ctx, "deliver "+string(m.Kind), trace.WithNewRoot(), trace.WithLinks(linkTo(m.traceparent)...),
		trace.WithAttributes(
			attribute.String("webstore.outbox.kind", string(m.Kind)),
			attribute.String("webstore.outbox.key", m.Key),
			attribute.Int("webstore.outbox.attempt", m.attempts),
		))
	defer span.End()
	d := delivery{message: m, done: true}
	outcome := telemetry.DeliveryDone
	refund, err := s.send(ctx, m)
	switch {
	case err == nil:
		d.refund = refund
	case m.crm() && refused(err, "bad_request"):
		outcome = telemetry.DeliveryRejected
	case m.crm() && m.age > crmPatience:
		outcome = telemetry.DeliveryGivenUp
	default:
		outcome, d.done, d.pause = telemetry.DeliveryFailed, false, s.pauseAfter(m.attempts)
	}
	telemetry.OutboxDeliveries.Add(ctx, 1, telemetry.OutboxDeliveryAttrs{Kind: m.Kind, Outcome: outcome})
	log := s.log.With("webstore.outbox.kind", string(m.Kind), "webstore.outbox.key", m.Key, "webstore.outbox.attempt", m.attempts)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		level := slog.LevelInfo
		if d.done {
			level = slog.LevelError // nobody will be told
		}
		log.Log(ctx, level, "outbox message "+string(outcome), "exception.message", err.Error())
	}
	if refund != "" {
		log.InfoContext(ctx, "Payment refunded", "webstore.payment.charge_id", refund)
	}
	return d
}

func (m message) crm() bool {
	return m.Kind == telemetry.OutboxCRMOrder || m.Kind == telemetry.OutboxCRMUpdate
}

// pauseAfter doubles with each attempt, up to the longest pause, and varies by half.
func (s *shop) pauseAfter(attempts int) time.Duration {
	pause := s.pace.outboxInterval << min(attempts, 20)
	pause = min(pause, s.pace.outboxMaxPause)
	return pause/2 + rand.N(pause)
}

// send tells whom it concerns. For money that was given back it returns the charge.
func (s *shop) send(ctx context.Context, m message) (refund string, err error) {
	switch m.Kind {
	case telemetry.OutboxCRMOrder:
		return "", s.crm.order(ctx, []byte(m.Payload))
	case telemetry.OutboxCRMUpdate:
		return "", s.crm.update(ctx, []byte(m.Payload))
	case telemetry.OutboxPromotionRelease:
		return "", s.promotions.release(ctx, m.Key)
	case telemetry.OutboxInventoryRelease:
		return "", s.inventory.release(ctx, m.Key)
	case telemetry.OutboxPaymentCancel:
		p, err := s.payments.cancel(ctx, m.Key)
		switch {
		case err != nil:
			return "", err
		case p.State == paymentRefunded:
			return p.ChargeID, nil
		case p.State == paymentAuthorised:
			return "", errors.New("payments answered that the money is still taken")
		}
		return "", nil
	}
	return "", fmt.Errorf("there is nobody to tell of %q", m.Kind)
}

// traceparent is the span in ctx, as W3C Trace Context writes it.
func traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}

// linkTo is a link to the span of a traceparent; none if there was no span.
func linkTo(traceparent string) []trace.Link {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return nil
	}
	return []trace.Link{{SpanContext: span}}
}

// observeMessages tells how many messages wait.
func (s *shop) observeMessages(ctx context.Context, observe func(float64, telemetry.OutboxAttrs)) error {
	return s.observeBacklogs(ctx, func(b backlog) { observe(b.messages, telemetry.OutboxAttrs{Kind: b.kind}) })
}

// observeLag tells how long the oldest has waited.
func (s *shop) observeLag(ctx context.Context, observe func(float64, telemetry.OutboxAttrs)) error {
	return s.observeBacklogs(ctx, func(b backlog) { observe(b.oldest, telemetry.OutboxAttrs{Kind: b.kind}) })
}

func (s *shop) observeBacklogs(ctx context.Context, observe func(backlog)) error {
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	waiting, err := s.store.backlogs(ctx)
	if err != nil {
		return err
	}
	of := map[telemetry.OutboxKind]backlog{}
	for _, b := range waiting {
		of[b.kind] = b
	}
	for _, kind := range telemetry.OutboxKind("").Values() {
		b := of[kind]
		b.kind = kind
		observe(b)
	}
	return nil
}

// observeTimeout is how long a measurement may ask the database.
const observeTimeout = time.Second
