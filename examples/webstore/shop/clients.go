package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/health"
	"github.com/otelkit/kit/otelkit/httpclient"
)

// paymentsTimeout is how long payments may take. It takes at most 10 s itself.
const paymentsTimeout = 12 * time.Second

// errDeclined says that a payment was refused: no money was taken, and none
// will be.
var errDeclined = errors.New("the payment was declined")

// paymentsClient calls the payments service. It is safe for concurrent use.
type paymentsClient struct {
	url    string
	client *http.Client
	ping   func(context.Context) error // whether the service is there
}

func newPaymentsClient(address string, kit telemetryKit) (*paymentsClient, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("shop: %q is no URL of the payments service, such as http://127.0.0.1:8081", address)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	client := &http.Client{
		Transport: httpclient.Transport(transport, httpclient.Config{Kit: kit}),
		Timeout:   paymentsTimeout,
	}
	return &paymentsClient{
		url:    base.JoinPath("/payments").String(),
		client: client,
		ping:   health.HTTP(client, base.JoinPath("/healthz/live").String()),
	}, nil
}

func (c *paymentsClient) close() { c.client.CloseIdleConnections() }

// pay pays for an order and returns the charge's id, or errDeclined. Any other
// error means that the order may be paid or not, and may be paid for again: the
// order's id is the key.
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
	request, err := http.NewRequestWithContext(httpclient.WithTemplate(ctx, "/payments"), http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	jsonhttp.SetIdempotencyKey(request, order.ID)
	response, err := c.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", err
	}
	var answer struct {
		ChargeID string `json:"charge_id"`
		Problem  string `json:"type"`
	}
	err = json.Unmarshal(text, &answer)
	switch {
	case response.StatusCode == http.StatusPaymentRequired:
		return "", errDeclined
	case response.StatusCode != http.StatusOK:
		return "", fmt.Errorf("payments answered %d %s", response.StatusCode, answer.Problem)
	case err != nil:
		return "", fmt.Errorf("payments answered what is not JSON: %w", err)
	case answer.ChargeID == "":
		return "", errors.New("payments answered without a charge")
	}
	return answer.ChargeID, nil
}
