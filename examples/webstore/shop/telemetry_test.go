package shop

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/otelkit/otelkittest"
)

// registry is what the service defines of its telemetry, besides what OpenTelemetry
// does.
var registry = otelkittest.Registry{
	Catalogs: catalogs,
	Attributes: []attribute.Key{
		"webstore.cart.lines", "webstore.coupon.entered", "webstore.fault.name", "webstore.inventory.warehouse",
		"webstore.order.id", "webstore.order.total", "webstore.order.discount", "webstore.order.currency",
		"webstore.order.missing_lines", "webstore.order.reserved_lines",
		"webstore.outbox.key", "webstore.outbox.attempt", "webstore.payment.charge_id", "webstore.product.quantity",
		"webstore.promotion.code", "webstore.security.answers", "webstore.security.window",
		"otelkit.health.previous_state", "otelkit.health.output", "otelkit.health.check.caused_by",
		"webstore.limit.per_minute", "otelkit.redisdb.complaints", "otelkit.resilience.attempt", "otelkit.resilience.cause",
		"otelkit.db.connection_wait", // where a connection was waited for
	},
}

// A session that uses every endpoint and has checkouts end in each way, and more go
// wrong than that.
func TestARunsTelemetryIsAsItShouldBe(t *testing.T) {
	redis := miniredis.RunT(t)
	f := start(t, func(cfg *Config) {
		withFaults(cfg)
		hasty(cfg)
		withRedis(redis)(cfg)
	})
	f.check()
	f.untilReadyIs(http.StatusOK)
	for _, path := range []string{"/healthz/live", "/healthz", "/openapi.json", "/nothing"} {
		f.do("GET", path, "", "")
	}
	f.browse()
	f.haveAccounts()
	f.fillTheCart()
	for i, path := range []string{"/orders/checkout", "/checkout"} {
		f.checkOut(path, fmt.Sprint("k", i, "-"))
	}
	f.get("/me/stats", alice, http.StatusOK)
	f.breakThings()
	busy := f.askTooOften()

	f.promotions.always(failing(http.StatusServiceUnavailable))
	f.inventory.always(failing(http.StatusServiceUnavailable))
	f.crm.next(failing(http.StatusServiceUnavailable), refusing(http.StatusBadRequest, "bad_request"))
	f.shop.hopeless = func(string) bool { return true }
	f.add(alice, 1, 1)
	f.pay(alice, "cancelled")
	f.promotions.next()
	f.inventory.next()
	redis.Close()
	f.browse()
	f.settle()
	f.judged()

	for _, kit := range []*otelkittest.Kit{f.kit, busy.kit} {
		kit.NoOpenSpans()
		for _, finding := range kit.Lint(registry) {
			// OpenTelemetry has no stable name for users and pools of connections yet, and
			// no list of the status codes that may be an error's type.
			if finding.ID != "not_stable" && finding.Level != otelkittest.Information {
				t.Error(finding)
			}
		}
		kit.ScoresAtLeast(100)
		kit.ExemplarsResolve()
	}
}
