package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// paymentsClient calls the payments service. It is safe for concurrent use.
type paymentsClient struct {
	*client
	payOp, stateOp, cancelOp *operation
}

func newPaymentsClient(address string, rests rests, kit telemetryKit) (*paymentsClient, error) {
	c, err := newClient(telemetry.DependsOnPayments, address, "/healthz/live", rests, kit)
	if err != nil {
		return nil, err
	}
	// Payments takes at most 10 s itself, all its attempts at the provider included.
	return &paymentsClient{
		client:   c,
		payOp:    c.operation(http.MethodPost, "/payments", patience{attempts: 2, attempt: 11 * time.Second, total: 12 * time.Second, unansweredOnly: true}),
		stateOp:  c.operation(http.MethodGet, "/payments/{key}", patience{attempts: 2, attempt: 2 * time.Second, total: 3 * time.Second}),
		cancelOp: c.operation(http.MethodPost, "/payments/{key}/cancel", patience{attempts: 1, attempt: 11 * time.Second, total: 11 * time.Second}),
	}, nil
}

// Why an order is not paid: no money was taken, and none will be.
var (
	errDeclined         = errors.New("the payment was declined")
	errPaymentCancelled = errors.New("the payment was cancelled")
)

// payment is what payments knows of one.
type payment struct {
	State    string `json:"state"`
	ChargeID string `json:"charge_id"`
}

// The states of a payment that matter here.
const (
	paymentAuthorised = "authorised"
	paymentDeclined   = "declined"
	paymentRefunded   = "refunded"
)

// pay pays for an order and returns the charge's id, errDeclined or
// errPaymentCancelled. Any other error means that the order may be paid or not, and
// may be paid for again: the order's id is the key.
func (c *paymentsClient) pay(ctx context.Context, order Order) (chargeID string, err error) {
	body, err := json.Marshal(struct {
		Amount   int64                   `json:"amount"`
		Currency string                  `json:"currency"`
		Market   telemetry.Market        `json:"country"`
		Method   telemetry.PaymentMethod `json:"payment_method"`
	}{order.Total.Amount, order.Total.Currency, order.Market, order.Method})
	if err != nil {
		return "", err
	}
	answer, err := c.payOp.call(ctx, order.ID, body)
	if err != nil {
		return "", err
	}
	var paid payment
	switch err := answer.into(&paid); {
	case refused(err, "payment_declined"):
		return "", errDeclined
	case refused(err, "payment_cancelled"):
		return "", errPaymentCancelled
	case err != nil:
		return "", fmt.Errorf("payments: %w", err)
	case paid.ChargeID == "":
		return "", errors.New("payments answered without a charge")
	}
	return paid.ChargeID, nil
}

// state returns what is known of an order's payment. One that was never asked for
// is the zero payment.
func (c *paymentsClient) state(ctx context.Context, orderID string) (payment, error) {
	answer, err := c.stateOp.call(ctx, orderID, nil)
	if err != nil || answer.status == http.StatusNotFound {
		return payment{}, err
	}
	var p payment
	err = answer.into(&p)
	return p, err
}

// cancel sees to it that no money is kept for an order: what was taken is given
// back, and none will be taken.
func (c *paymentsClient) cancel(ctx context.Context, orderID string) (payment, error) {
	answer, err := c.cancelOp.call(ctx, orderID, []byte(`{}`))
	if err != nil {
		return payment{}, err
	}
	var p payment
	err = answer.into(&p)
	return p, err
}
