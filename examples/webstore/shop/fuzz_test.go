package shop

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/otelkit/metrics"
)

// silent is a kit that keeps nothing, however long it is used.
type silent struct{}

func (silent) Logger() *slog.Logger                      { return slog.New(slog.DiscardHandler) }
func (silent) TracerProvider() trace.TracerProvider      { return tracenoop.NewTracerProvider() }
func (silent) Propagator() propagation.TextMapPropagator { return propagation.TraceContext{} }
func (silent) Recorder() *metrics.Recorder {
	return metrics.NewRecorder(metricnoop.NewMeterProvider())
}

// fuzzed is the endpoints that read a body, in an order.
var fuzzed = slices.Sorted(maps.Keys(bodies))

// endsAnOrder is the refusals that come after an order was written, and say so in it.
var endsAnOrder = []string{"payment_declined", "unknown_coupon", "coupon_used_up", "below_minimum", "order_cancelled"}

// Whatever is sent, and wherever, it is done or refused in a way that is documented; what
// is refused changes nothing, and nothing of it is a failure of ours.
func FuzzBody(f *testing.F) {
	for endpoint, name := range fuzzed {
		good := bodies[name]
		for _, body := range []string{
			good, strings.ToUpper(good), good[:len(good)-1], good + good, good + "\x00", strings.ReplaceAll(good, `"`, `'`), strings.ReplaceAll(good, "1", "-1"),
			strings.ReplaceAll(good, "1", "1e400"), strings.ReplaceAll(good, "DE", `\u0000`), strings.ReplaceAll(good, "DE", "XX"), strings.ReplaceAll(good, "DE", "de"),
			strings.Replace(good, ":", ": null, \"x\":", 1), strings.Replace(good, `: "`, `: ["`, 1), strings.Replace(good, `""`, `"SAVE20"`, 1), strings.Replace(good, `""`, `"'; --"`, 1),
			"{}", "[]", "null", "0", `"`, "", "\xff", "\ufeff{}", strings.Repeat("[", 20_000), `{"quantity": 9223372036854775808}`, `{"quantity": 1, "quantity": 99}`,
		} {
			f.Add(byte(endpoint), body, "k")
		}
		for _, key := range []string{"", "a b", "\x00", "\xff", "'; --", strings.Repeat("k", 129)} {
			f.Add(byte(endpoint), good, key)
		}
	}

	w := newWorld(f)
	cfg := w.config(pgtest.URL(f))
	withFaults(&cfg)
	s, closeAll, err := open(f.Context(), cfg, silent{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(closeAll)
	documented, err := contracts[true]()
	if err != nil {
		f.Fatal(err)
	}
	fuzzing := fixture{f, nil, s, s.handler(silent{}, nil), w, openDatabase(f, cfg.DatabaseURL), documented}
	anew := func(shop *fixture) {
		shop.exec(`TRUNCATE cart_lines, orders, order_lines, outbox`)
		shop.exec(`DELETE FROM sessions WHERE expires_at < '9999-01-01'`)
		shop.exec(`DELETE FROM users WHERE NOT demo`)
		shop.exec(`INSERT INTO cart_lines (id, user_id, market, product_id, quantity) OVERRIDING SYSTEM VALUE
			SELECT 1, id, 'DE', 1, 2 FROM users WHERE name = 'user123'`)
		shop.exec(`ALTER TABLE cart_lines ALTER id RESTART 2`)
		shop.exec(`UPDATE products SET stock = 50 WHERE id = 1`)
		shop.stopFault("main-latency")
	}
	anew(&fuzzing)
	f.Fuzz(func(t *testing.T, endpoint byte, body, key string) {
		shop := fuzzing
		shop.t = t
		name := fuzzed[int(endpoint)%len(fuzzed)]
		method, path, _ := strings.Cut(name, " ")
		// A fault that changes nothing before it is stopped.
		request := httptest.NewRequestWithContext(t.Context(), method, strings.NewReplacer("{id}", "1", "{name}", "main-latency").Replace(path), strings.NewReader(body))
		request.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + alice}, "Idempotency-Key": {key}}
		if doors[name] == "admin" {
			request.Header.Set("Authorization", "Bearer "+admin)
		}
		before := shop.books()
		answer := shop.contract.Exchange(t, &shop, request)
		if answer.Code >= 500 || answer.Code < 200 || answer.Code >= 300 && answer.Code < 400 {
			t.Errorf("%s %q with key %q: %d %s", name, body, key, answer.Code, answer.Body)
		}
		var problem struct{ Type string }
		if err := json.Unmarshal(answer.Body.Bytes(), &problem); err != nil {
			t.Errorf("%s %q: %d with %q: %v", name, body, answer.Code, answer.Body, err)
		}
		if answer.Code < 300 || slices.Contains(endsAnOrder, strings.TrimPrefix(problem.Type, "urn:webstore:problem:")) {
			anew(&shop)
			return
		}
		if after := shop.books(); !maps.Equal(before, after) {
			t.Errorf("%s %q was refused with %d %s, and changed %v to %v", name, body, answer.Code, answer.Body, before, after)
			anew(&shop)
		}
	})
}
