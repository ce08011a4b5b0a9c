package shop

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/internal/testlimit"
	"github.com/otelkit/kit/otelkit/otelkittest"
)

// admin is the demo administrator's token.
const admin = "admin-token-456"

// withFaults has the service be one that can be broken.
func withFaults(cfg *Config) { cfg.Faults = faults.NewBoard(faults.Main, "the key") }

// fault starts a fault as an administrator does.
func (f *fixture) fault(name faults.Name, body string) {
	f.t.Helper()
	status, answer := f.do("PUT", "/admin/faults/"+string(name), admin, body)
	want(f.t, status, answer, http.StatusOK, "")
}

// stopFault stops a fault as an administrator does.
func (f *fixture) stopFault(name faults.Name) {
	f.t.Helper()
	status, answer := f.do("DELETE", "/admin/faults/"+string(name), admin, "")
	want(f.t, status, answer, http.StatusOK, "")
}

// until waits until try succeeds.
func (f *fixture) until(what string, try func() error) {
	f.t.Helper()
	ctx := testlimit.Context(f.t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			f.t.Fatalf("waited for %s: %v", what, err)
		case <-tick.C:
		}
	}
}

// untilProduct waits for an answer to who asks for a product.
func (f *fixture) untilProduct(wanted int) {
	f.t.Helper()
	f.until(fmt.Sprint("a product to be answered with ", wanted), func() error {
		if status, answer := f.do("GET", "/DE/products/1", "", ""); status != wanted {
			return fmt.Errorf("%d %v", status, answer)
		}
		return nil
	})
}

func TestFaultsAreForAdministrators(t *testing.T) {
	f := start(t, withFaults)
	for _, test := range []struct {
		method, path, token, body string
		want                      int
		problem                   string
	}{
		{"GET", "/admin/faults", "", "", 401, "unauthenticated"},
		{"GET", "/admin/faults", "nobody's", "", 401, "unauthenticated"},
		{"GET", "/admin/faults", alice, "", 403, "forbidden"},
		{"PUT", "/admin/faults/panics", "", "{}", 401, "unauthenticated"},
		{"PUT", "/admin/faults/panics", bob, "{}", 403, "forbidden"},
		{"DELETE", "/admin/faults/panics", bob, "", 403, "forbidden"},
		{"DELETE", "/admin/faults", bob, "", 403, "forbidden"},
		{"PUT", "/admin/faults/nothing", admin, "{}", 404, "unknown_fault"},
		{"PUT", "/admin/faults/panics", admin, `{"market": "DE"}`, 422, "wrong_fault"},
		{"PUT", "/admin/faults/panics", admin, `{"for": "2h"}`, 422, "wrong_fault"},
		{"PUT", "/admin/faults/panics", admin, `{"for": "soon"}`, 422, "wrong_fault"},
		{"PUT", "/admin/faults/panics", admin, `{"until": "later"}`, 400, "malformed_body"},
		{"PUT", "/admin/faults/provider-slow", admin, "{}", 502, "fault_unreachable"}, // the payments of this test have none
		{"GET", "/admin/faults", admin, "", 200, ""},
		{"PUT", "/admin/faults/panics", admin, `{"for": "1m", "intensity": 0.5}`, 200, ""},
		{"DELETE", "/admin/faults/panics", admin, "", 200, ""},
		{"DELETE", "/admin/faults/nothing", admin, "", 404, "unknown_fault"},
	} {
		t.Run(test.method+" "+test.path+" by "+test.token, func(t *testing.T) {
			status, answer := f.do(test.method, test.path, test.token, test.body)
			want(t, status, answer, test.want, test.problem)
		})
	}
}

func TestWithoutAKeyThereIsNothingToStart(t *testing.T) {
	f := start(t, nil)
	status, answer := f.do("GET", "/admin/faults", admin, "")
	want(t, status, answer, http.StatusNotFound, "not_found")
}

// isOn checks what telemetry says of whether a fault is on.
func (f *fixture) isOn(name faults.Name, on float64) {
	f.t.Helper()
	f.kit.Series(telemetry.ActiveFaults, attribute.String("webstore.fault.name", string(name))).Is(on)
}

func TestFaultDatabaseAway(t *testing.T) {
	f := start(t, withFaults)
	f.check()
	f.untilReadyIs(http.StatusOK)
	f.fault(faults.DatabaseAway, "{}")
	f.isOn(faults.DatabaseAway, 1)
	f.untilProduct(http.StatusInternalServerError)
	f.untilReadyIs(http.StatusServiceUnavailable)
	// The administrator cannot be looked up, and stops it all the same; nobody else does.
	if status, answer := f.do("DELETE", "/admin/faults/database-away", alice, ""); status == http.StatusOK {
		t.Errorf("a shopper stopped it: %v", answer)
	}
	f.stopFault(faults.DatabaseAway)
	f.untilProduct(http.StatusOK)
	f.untilReadyIs(http.StatusOK)
}

func TestFaultRedisAway(t *testing.T) {
	redis := miniredis.RunT(t)
	f := start(t, func(cfg *Config) {
		withRedis(redis)(cfg)
		withFaults(cfg)
	})
	f.do("GET", "/DE/products", "", "") // so that it is in the cache
	untilLookupIs := func(outcome telemetry.CacheOutcome) {
		t.Helper()
		lookups := f.kit.Total(telemetry.CacheLookups,
			attribute.String("webstore.cache.name", string(telemetry.CatalogueCache)), attribute.String("webstore.cache.outcome", string(outcome)))
		before := lookups.Value()
		f.until("a lookup that ends with "+string(outcome), func() error {
			if status, answer := f.do("GET", "/DE/products", "", ""); status != http.StatusOK {
				t.Fatalf("products: %d %v, want them with and without Redis", status, answer)
			}
			if lookups.Value() == before {
				return errors.New("there is none")
			}
			return nil
		})
	}
	untilLookupIs(telemetry.CacheHit)
	f.fault(faults.RedisAway, "{}")
	untilLookupIs(telemetry.CacheUnavailable)
	f.kit.Log("redis is away: PostgreSQL answers what it would")
	f.stopFault(faults.RedisAway)
	untilLookupIs(telemetry.CacheHit)
}

func TestFaultConnectionsExhausted(t *testing.T) {
	f := start(t, withFaults)
	f.check()
	f.untilReadyIs(http.StatusOK)
	f.fault(faults.ConnectionsExhausted, "{}")
	f.until("all connections to be held", func() error {
		if s := f.shop.store.pool.Stat(); s.AcquiredConns() < s.MaxConns() {
			return fmt.Errorf("%d of %d are", s.AcquiredConns(), s.MaxConns())
		}
		return nil
	})
	f.untilReadyIs(http.StatusServiceUnavailable)
	f.stopFault(faults.ConnectionsExhausted) // by who cannot be looked up meanwhile
	f.untilProduct(http.StatusOK)
	f.untilReadyIs(http.StatusOK)
}

func TestFaultSlowQueries(t *testing.T) {
	f := start(t, withFaults)
	f.fault(faults.SlowQueries, `{"intensity": 0.02}`)
	f.untilProduct(http.StatusOK)
	span := f.kit.Span("SELECT", attribute.String("db.query.text", "SELECT pg_sleep($1)"))
	if took := span.EndTime().Sub(span.StartTime()); took < 20*time.Millisecond {
		t.Errorf("the query took %v, want the 20 ms that it sleeps", took)
	}
	f.stopFault(faults.SlowQueries)
	f.untilProduct(http.StatusOK)
	f.kit.Span("SELECT", attribute.String("db.query.text", "SELECT pg_sleep($1)")) // no other
}

func TestFaultMainLatency(t *testing.T) {
	f := start(t, withFaults)
	slow := func() bool {
		began := time.Now()
		f.untilProduct(http.StatusOK)
		return time.Since(began) >= time.Second
	}
	f.fault(faults.MainLatency, `{"intensity": 1}`)
	if !slow() {
		t.Error("a request was faster than the latency that is added")
	}
	f.stopFault(faults.MainLatency)
	f.until("a request without it", func() error {
		if slow() {
			return errors.New("it is slow")
		}
		return nil
	})
}

func TestFaultPanics(t *testing.T) {
	f := start(t, withFaults)
	f.fault(faults.Panics, `{"intensity": 1}`)
	request := httptest.NewRequestWithContext(t.Context(), "GET", "/DE/products/1", nil)
	answer := httptest.NewRecorder()
	f.ServeHTTP(answer, request)
	if answer.Code != http.StatusInternalServerError {
		t.Errorf("got %d, want 500", answer.Code)
	}
	f.kit.Log("handler panicked").HasSeverity(log.SeverityError)
	f.kit.Span("GET /{country}/products/{id}").HasStatus(codes.Error)
	f.stopFault(faults.Panics)
	f.untilProduct(http.StatusOK)
}

func TestFaultBadRelease(t *testing.T) {
	f := start(t, withFaults)
	f.fault(faults.BadRelease, `{"intensity": 1}`)
	const n = 100
	failed := 0
	for range n {
		if status, _ := f.do("GET", "/DE/products/1", "", ""); status == http.StatusInternalServerError {
			failed++
		}
	}
	// 30 are to be; 5 and 70 are farther than five standard deviations.
	if failed < 5 || failed > 70 {
		t.Errorf("%d of %d failed, want 30%%", failed, n)
	}
	requests := func(release telemetry.Release, outcome telemetry.ReleaseOutcome) *otelkittest.Series {
		return f.kit.Series(telemetry.ReleaseRequests, attribute.String("webstore.release", string(release)), attribute.String("webstore.release.outcome", string(outcome)))
	}
	requests(telemetry.ReleaseB, telemetry.ReleaseFailed).Is(float64(failed))
	requests(telemetry.ReleaseB, telemetry.ReleaseSucceeded).Is(0)
	requests(telemetry.ReleaseA, telemetry.ReleaseFailed).Is(0)
	requests(telemetry.ReleaseA, telemetry.ReleaseSucceeded).Is(float64(n - failed))
	variants := map[codes.Code]string{codes.Error: "B", codes.Unset: "A"}
	for _, span := range f.kit.Spans("GET /{country}/products/{id}") {
		if !hasVariant(span, variants[span.Status().Code]) {
			t.Errorf("span with status %v has no event of variant %s", span.Status(), variants[span.Status().Code])
		}
	}
	f.stopFault(faults.BadRelease)
	f.untilProduct(http.StatusOK)
	f.kit.Total(telemetry.ReleaseRequests).Is(n)
}

// hasVariant reports whether a span tells which variant of the release it got, as
// OpenTelemetry's conventions have it.
func hasVariant(span *otelkittest.Span, variant string) bool {
	want := []attribute.KeyValue{
		attribute.String("feature_flag.key", "main-new-release"),
		attribute.String("feature_flag.provider.name", "webstore"),
		attribute.String("feature_flag.result.variant", variant),
		attribute.String("feature_flag.result.reason", "split"),
	}
	return slices.ContainsFunc(span.Events(), func(e trace.Event) bool {
		return e.Name == "feature_flag.evaluation" && slices.Equal(e.Attributes, want)
	})
}

func TestFaultLogFlood(t *testing.T) {
	f := start(t, withFaults)
	lines := func() int { return strings.Count(f.kit.Lines(), "price rule has no currency") }
	f.fault(faults.LogFlood, `{"intensity": 1000}`)
	f.until("a flood", func() error {
		if n := lines(); n < 50 {
			return fmt.Errorf("%d lines", n)
		}
		return nil
	})
	f.stopFault(faults.LogFlood)
	before := lines()
	f.untilProduct(http.StatusOK)
	if after := lines(); after != before {
		t.Errorf("%d lines after the fault", after-before)
	}
}

func TestFaultCardinalityBomb(t *testing.T) {
	f := start(t, withFaults)
	views := f.kit.Total(telemetry.ProductViews, attribute.String("webstore.market", "_OTHER"))
	f.fault(faults.CardinalityBomb, `{"intensity": 1000}`)
	f.until("more values than the definition allows", func() error {
		if n := views.Value(); n < 100 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	f.stopFault(faults.CardinalityBomb)
	// 20 products are the definition's limit; the rest of the bomb is one series.
	total := f.kit.Total(telemetry.ProductViews).Value()
	if other := f.kit.Series(telemetry.ProductViews, attribute.String("webstore.market", "_OTHER"), attribute.String("webstore.product.id", "_OTHER")).Value(); other < total-20 {
		t.Errorf("%v of %v values were put together, want all but 20", other, total)
	}
	before := views.Value()
	f.untilProduct(http.StatusOK)
	if after := views.Value(); after != before {
		t.Errorf("%v more after the fault", after-before)
	}
}

func TestFaultCPUBurner(t *testing.T) {
	f := start(t, withFaults)
	inProfile := func() error { return goroutineIn(t, "faults.BurnCPU") }
	f.fault(faults.CPUBurner, "{}")
	f.until("what burns", inProfile)
	f.stopFault(faults.CPUBurner)
	if inProfile() == nil {
		t.Error("it still burns")
	}
}

func TestFaultHeapLeak(t *testing.T) {
	f := start(t, withFaults)
	kept := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := kept()
	f.fault(faults.HeapLeak, `{"intensity": 256}`) // in pieces of 4 MiB
	f.until("a leak", func() error {
		if now := kept(); now < before+6<<20 {
			return fmt.Errorf("%d bytes more", int64(now)-int64(before))
		}
		return nil
	})
	f.stopFault(faults.HeapLeak)
	f.until("the memory to be free again", func() error {
		if now := kept(); now > before+3<<20 {
			return fmt.Errorf("%d bytes more", int64(now)-int64(before))
		}
		return nil
	})
}

func TestFaultLockFight(t *testing.T) {
	f := start(t, withFaults)
	f.fault(faults.LockFight, `{"intensity": 64}`)
	f.until("the fight", func() error { return goroutineIn(t, "(*Lock).Fight") })
	// 64 others hold it for 2 ms each, before a request of ten gets it.
	began := time.Now()
	for range 10 {
		f.untilProduct(http.StatusOK)
	}
	fought := time.Since(began)
	f.stopFault(faults.LockFight)
	if fought < 20*time.Millisecond {
		t.Errorf("ten requests took %v, want each to have waited for those who hold the lock", fought)
	}
	if goroutineIn(t, "(*Lock).Fight") == nil {
		t.Error("the fight goes on")
	}
}

// goroutineIn returns an error unless a goroutine runs that function.
func goroutineIn(t *testing.T, function string) error {
	t.Helper()
	var text strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&text, 1); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), function) {
		return fmt.Errorf("no goroutine is in %s", function)
	}
	return nil
}
