package shop

import (
	"context"
	"net/http"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// crmClient calls the CRM, a third party. What it is told comes from the outbox,
// which tries again. It is safe for concurrent use.
type crmClient struct {
	*client
	orderOp, updateOp *operation
}

func newCRMClient(address string, rests rests, kit telemetryKit) (*crmClient, error) {
	c, err := newClient(telemetry.DependsOnCRM, address, "/health", rests, kit)
	if err != nil {
		return nil, err
	}
	once := patience{attempts: 1, attempt: 2 * time.Second, total: 2 * time.Second}
	return &crmClient{
		client:   c,
		orderOp:  c.operation(http.MethodPost, "/api/customer/order", once),
		updateOp: c.operation(http.MethodPost, "/api/customer/update", once),
	}, nil
}

// order tells of an order that has ended.
func (c *crmClient) order(ctx context.Context, payload []byte) error {
	return c.orderOp.succeed(ctx, "", payload)
}

// update tells of a customer who has changed.
func (c *crmClient) update(ctx context.Context, payload []byte) error {
	return c.updateOp.succeed(ctx, "", payload)
}
