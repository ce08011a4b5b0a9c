package metrics_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otelkit/kit/otelkit/metrics"
)

type market string

func (market) Values() []market { return []market{"US", "DE"} }

type method string

func (method) Values() []method { return []method{"card", "paypal"} }

type outcome string

func (outcome) Values() []outcome { return []outcome{"completed", "declined"} }

type checkoutAttrs struct {
	Market  market  `attr:"webstore.market"`
	Method  method  `attr:"webstore.payment.method"`
	Outcome outcome `attr:"webstore.checkout.outcome"`
}

func checkoutDefinition() metrics.Definition {
	return metrics.Definition{Name: "webstore.checkouts", Unit: "{checkout}", Help: "Checkouts that ended, by how they ended."}
}

type productAttrs struct {
	Product string `attr:"webstore.product.id,limit=2"`
}

// fixture is a recorder of its own with what was recorded into it.
type fixture struct {
	t      *testing.T
	ctx    context.Context
	reader *sdkmetric.ManualReader
	rec    *metrics.Recorder
}

func newFixture(t *testing.T) *fixture {
	reader := sdkmetric.NewManualReader()
	rec := metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	return &fixture{t: t, ctx: metrics.NewContext(t.Context(), rec), reader: reader, rec: rec}
}

// collect returns the metrics recorded so far, by name.
func (f *fixture) collect() map[string]metricdata.Metrics {
	f.t.Helper()
	var rm metricdata.ResourceMetrics
	if err := f.reader.Collect(f.t.Context(), &rm); err != nil {
		f.t.Fatalf("collect: %v", err)
	}
	byName := map[string]metricdata.Metrics{}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			byName[m.Name] = m
		}
	}
	return byName
}

// counts returns a counter's series as "key=value,key=value" to value.
func (f *fixture) counts(name string) map[string]int64 {
	f.t.Helper()
	counts := map[string]int64{}
	m, ok := f.collect()[name]
	if !ok {
		return counts
	}
	sum, ok := m.Data.(metricdata.Sum[int64])
	if !ok {
		f.t.Fatalf("%s is a %T, want a sum of int64", name, m.Data)
	}
	for _, p := range sum.DataPoints {
		counts[p.Attributes.Encoded(attribute.DefaultEncoder())] = p.Value
	}
	return counts
}

func equal(t *testing.T, what string, got, want map[string]int64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: got %d series %v, want %d %v", what, len(got), got, len(want), want)
		return
	}
	for set, n := range want {
		if got[set] != n {
			t.Errorf("%s: series {%s} is %d, want %d; all: %v", what, set, got[set], n, got)
		}
	}
}

// reported collects what is handed to OpenTelemetry's error handler, which is
// one for the process: tests that look at it are not parallel.
func reported(t *testing.T) func() []string {
	var mu sync.Mutex
	var list []string
	before := otel.GetErrorHandler()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, err.Error())
	}))
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), list...)
	}
}

func TestACounterAddsUpUnderItsAttributes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	checkouts := metrics.NewCounter[checkoutAttrs](metrics.NewCatalog("test"), checkoutDefinition())
	checkouts.Add(f.ctx, 1, checkoutAttrs{"DE", "card", "completed"})
	checkouts.Add(f.ctx, 2, checkoutAttrs{"DE", "card", "completed"})
	checkouts.Add(f.ctx, 1, checkoutAttrs{"US", "paypal", "declined"})
	equal(t, "checkouts", f.counts("webstore.checkouts"), map[string]int64{
		"webstore.checkout.outcome=completed,webstore.market=DE,webstore.payment.method=card":  3,
		"webstore.checkout.outcome=declined,webstore.market=US,webstore.payment.method=paypal": 1,
	})
}

func TestTheInstrumentCarriesWhatTheDefinitionSays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	catalog := metrics.NewCatalog("test")
	durations := metrics.NewHistogram[metrics.None](catalog, metrics.Definition{
		Name: "webstore.payment.duration", Unit: "s", Help: "How long payments take.", Buckets: []float64{0.1, 1},
	})
	durations.Record(f.ctx, 0.5, metrics.None{})
	m := f.collect()["webstore.payment.duration"]
	if m.Unit != "s" || m.Description != "How long payments take." {
		t.Errorf("unit and description are %q and %q", m.Unit, m.Description)
	}
	points := m.Data.(metricdata.Histogram[float64]).DataPoints
	if len(points) != 1 || len(points[0].Bounds) != 2 || points[0].BucketCounts[1] != 1 {
		t.Errorf("0.5 s with boundaries 0.1 and 1 gave %+v", points)
	}
}

func TestEveryKindOfInstrumentRecords(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	catalog := metrics.NewCatalog("test")
	def := func(name string) metrics.Definition {
		return metrics.Definition{Name: name, Unit: "1", Help: "A test."}
	}
	metrics.NewFloatCounter[metrics.None](catalog, def("test.float_counter")).Add(f.ctx, 1.5, metrics.None{})
	metrics.NewUpDownCounter[metrics.None](catalog, def("test.updown_counter")).Add(f.ctx, -2, metrics.None{})
	metrics.NewGauge[metrics.None](catalog, def("test.gauge")).Record(f.ctx, 3.5, metrics.None{})
	one := func(v float64) metrics.Callback[metrics.None] {
		return func(_ context.Context, observe func(float64, metrics.None)) error {
			observe(v, metrics.None{})
			return nil
		}
	}
	for _, register := range []func() (*metrics.Registration, error){
		func() (*metrics.Registration, error) {
			return metrics.NewObservableCounter[metrics.None](catalog, def("test.observable_counter")).Register(f.ctx, one(4))
		},
		func() (*metrics.Registration, error) {
			return metrics.NewObservableUpDownCounter[metrics.None](catalog, def("test.observable_updown_counter")).Register(f.ctx, one(-5))
		},
		func() (*metrics.Registration, error) {
			return metrics.NewObservableGauge[metrics.None](catalog, def("test.observable_gauge")).Register(f.ctx, one(6))
		},
	} {
		if _, err := register(); err != nil {
			t.Fatal(err)
		}
	}
	if err := catalog.Err(); err != nil {
		t.Fatal(err)
	}
	got := f.collect()
	for name, want := range map[string]float64{
		"test.float_counter": 1.5, "test.updown_counter": -2, "test.gauge": 3.5,
		"test.observable_counter": 4, "test.observable_updown_counter": -5, "test.observable_gauge": 6,
	} {
		var v float64
		switch data := got[name].Data.(type) {
		case metricdata.Sum[float64]:
			v = data.DataPoints[0].Value
		case metricdata.Sum[int64]:
			v = float64(data.DataPoints[0].Value)
		case metricdata.Gauge[float64]:
			v = data.DataPoints[0].Value
		default:
			t.Errorf("%s: recorded %T", name, data)
			continue
		}
		if v != want {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
}

// Up-down counters are summed by this package and read when metrics are collected.
func TestAnUpDownCounterIsTheSumOfWhatCameAndWent(t *testing.T) {
	reported(t)
	f := newFixture(t)
	sessions := metrics.NewUpDownCounter[checkoutAttrs](metrics.NewCatalog("test"), metrics.Definition{
		Name: "webstore.sessions", Unit: "{session}", Help: "Sessions.", Limit: 2,
	})
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 1000 {
				sessions.Add(f.ctx, 2, checkoutAttrs{"DE", "card", "completed"})
				sessions.Add(f.ctx, -1, checkoutAttrs{"DE", "card", "completed"})
				sessions.Add(f.ctx, 1, checkoutAttrs{"Atlantis", "card", "completed"})
				sessions.Add(f.ctx, -1, checkoutAttrs{"US", "card", "completed"})
			}
		})
	}
	workers.Wait()
	got := f.counts("webstore.sessions")
	if _, ok := got["otel.metric.overflow=true"]; !ok { // which of the three came last is chance
		t.Errorf("got %v, want one of three sets to overflow", got)
	}
	var sum int64
	for _, v := range got {
		sum += v
	}
	if len(got) != 3 || sum != 4000 {
		t.Errorf("got %v with the sum %d, want three sets that sum to 4000", got, sum)
	}
}

func TestTwoRecordersOfOneProviderAddUp(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	sessions := metrics.NewUpDownCounter[metrics.None](metrics.NewCatalog("test"), metrics.Definition{Name: "webstore.sessions", Unit: "{session}", Help: "Sessions."})
	for _, n := range []int64{3, -1} {
		sessions.Add(metrics.NewContext(t.Context(), metrics.NewRecorder(provider)), n, metrics.None{})
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	data := all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64])
	if data.IsMonotonic || data.Temporality != metricdata.CumulativeTemporality || len(data.DataPoints) != 1 || data.DataPoints[0].Value != 2 {
		t.Errorf("got %+v, want the sum 2", data)
	}
}

func TestAValueOutsideItsClosedSetIsRecordedAsOther(t *testing.T) {
	reports := reported(t)
	f := newFixture(t)
	checkouts := metrics.NewCounter[checkoutAttrs](metrics.NewCatalog("test"), checkoutDefinition())
	for _, m := range []market{"Atlantis", "Lemuria", "_OTHER"} {
		checkouts.Add(f.ctx, 1, checkoutAttrs{m, "card", "completed"})
	}
	equal(t, "checkouts", f.counts("webstore.checkouts"), map[string]int64{
		"webstore.checkout.outcome=completed,webstore.market=_OTHER,webstore.payment.method=card": 3,
	})
	got := reports()
	if len(got) != 1 || !strings.Contains(got[0], "webstore.market has a value that is not in its set") || strings.Contains(got[0], "Atlantis") {
		t.Errorf("reported %q, want one report that names the attribute and not the value", got)
	}
}

func TestAnOpenAttributeKeepsItsFirstValues(t *testing.T) {
	reports := reported(t)
	f := newFixture(t)
	views := metrics.NewCounter[productAttrs](metrics.NewCatalog("test"), metrics.Definition{Name: "webstore.views", Unit: "{view}", Help: "Views."})
	for _, id := range []string{"1", "2", "3", "4", "1"} {
		views.Add(f.ctx, 1, productAttrs{id})
	}
	equal(t, "views", f.counts("webstore.views"), map[string]int64{
		"webstore.product.id=1": 2, "webstore.product.id=2": 1, "webstore.product.id=_OTHER": 2,
	})
	if got := reports(); len(got) != 1 || !strings.Contains(got[0], "more than 2 values") {
		t.Errorf("reported %q", got)
	}
}

func TestAMetricBeyondItsLimitOverflows(t *testing.T) {
	reports := reported(t)
	f := newFixture(t)
	checkouts := metrics.NewCounter[checkoutAttrs](metrics.NewCatalog("test"), metrics.Definition{
		Name: "webstore.checkouts", Unit: "{checkout}", Help: "Checkouts.", Limit: 1,
	})
	checkouts.Add(f.ctx, 1, checkoutAttrs{"DE", "card", "completed"})
	checkouts.Add(f.ctx, 1, checkoutAttrs{"US", "card", "completed"})
	checkouts.Add(f.ctx, 1, checkoutAttrs{"US", "card", "declined"})
	equal(t, "checkouts", f.counts("webstore.checkouts"), map[string]int64{
		"webstore.checkout.outcome=completed,webstore.market=DE,webstore.payment.method=card": 1,
		"otel.metric.overflow=true": 2,
	})
	if got := reports(); len(got) != 1 || !strings.Contains(got[0], "more than 1 attribute sets") {
		t.Errorf("reported %q", got)
	}
}

func TestAnErrorHandlerMayCollectAndRecordInTheSameMetric(t *testing.T) { // it was called under the lock that both wait for
	f := newFixture(t)
	inFlight := metrics.NewUpDownCounter[productAttrs](metrics.NewCatalog("test"), metrics.Definition{
		Name: "webstore.product.views", Unit: "{view}", Help: "Views under way.", Limit: 1,
	})
	before := otel.GetErrorHandler()
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {
		inFlight.Add(f.ctx, 1, productAttrs{"p2"})
		f.collect()
	}))
	inFlight.Add(f.ctx, 1, productAttrs{"p1"})
	inFlight.Add(f.ctx, 1, productAttrs{"p2"}) // is one too many, which is reported
	equal(t, "views under way", f.counts("webstore.product.views"), map[string]int64{
		"webstore.product.id=p1": 1, "otel.metric.overflow=true": 2,
	})
}

func TestAnOptionalAttributeIsLeftOutWhenEmpty(t *testing.T) {
	t.Parallel()
	type attrs struct {
		Status int    `attr:"http.response.status_code,limit=10,omitempty"`
		Error  string `attr:"error.type,limit=10,omitempty"`
		Hit    bool   `attr:"cache.hit"`
	}
	f := newFixture(t)
	requests := metrics.NewCounter[attrs](metrics.NewCatalog("test"), metrics.Definition{Name: "test.requests", Unit: "{request}", Help: "Requests."})
	requests.Add(f.ctx, 1, attrs{Status: 200})
	requests.Add(f.ctx, 1, attrs{Error: "timeout", Hit: true})
	equal(t, "requests", f.counts("test.requests"), map[string]int64{
		"cache.hit=false,http.response.status_code=200": 1,
		"cache.hit=true,error.type=timeout":             1,
	})
}

func TestWhatWouldSpoilAMetricIsRefusedAndReported(t *testing.T) {
	reports := reported(t)
	f := newFixture(t)
	catalog := metrics.NewCatalog("test")
	checkouts := metrics.NewCounter[checkoutAttrs](catalog, checkoutDefinition())
	durations := metrics.NewHistogram[metrics.None](catalog, metrics.Definition{
		Name: "test.duration", Unit: "s", Help: "Durations.", Buckets: metrics.DurationBuckets(),
	})
	sums := metrics.NewFloatCounter[metrics.None](catalog, metrics.Definition{Name: "test.sum", Unit: "{USD}", Help: "Sums."})
	checkouts.Add(f.ctx, -1, checkoutAttrs{"DE", "card", "completed"})
	durations.Record(f.ctx, math.NaN(), metrics.None{})
	durations.Record(f.ctx, math.Inf(1), metrics.None{})
	sums.Add(f.ctx, -0.5, metrics.None{})
	if got := f.collect(); len(got) != 0 {
		t.Errorf("recorded %v", got)
	}
	got := reports()
	if len(got) != 3 {
		t.Fatalf("reported %q, want one report a metric", got)
	}
	for i, want := range []string{"negative number (-1)", "not finite (NaN)", "negative or not finite (-0.5)"} {
		if !strings.Contains(got[i], want) {
			t.Errorf("report %d is %q, want %q in it", i, got[i], want)
		}
	}
}

func TestMeasurementsGoToTheRecorderInTheContext(t *testing.T) {
	first, second := newFixture(t), newFixture(t)
	before := metrics.Default()
	t.Cleanup(func() { metrics.SetDefault(before) })
	metrics.SetDefault(first.rec)
	checkouts := metrics.NewCounter[checkoutAttrs](metrics.NewCatalog("test"), checkoutDefinition())
	checkouts.Add(t.Context(), 1, checkoutAttrs{"DE", "card", "completed"})
	checkouts.Add(second.ctx, 2, checkoutAttrs{"DE", "card", "completed"})
	checkouts.Add(t.Context(), 4, checkoutAttrs{"DE", "card", "completed"})
	set := "webstore.checkout.outcome=completed,webstore.market=DE,webstore.payment.method=card"
	equal(t, "default", first.counts("webstore.checkouts"), map[string]int64{set: 5})
	equal(t, "context", second.counts("webstore.checkouts"), map[string]int64{set: 2})
}

func TestACallbackFollowsTheDefaultRecorder(t *testing.T) {
	first, second := newFixture(t), newFixture(t)
	before := metrics.Default()
	t.Cleanup(func() { metrics.SetDefault(before) })
	open := metrics.NewObservableGauge[metrics.None](metrics.NewCatalog("test"), metrics.Definition{Name: "test.open", Unit: "{connection}", Help: "Open."})
	registration, err := open.Register(t.Context(), func(_ context.Context, observe func(float64, metrics.None)) error {
		observe(7, metrics.None{})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	has := func(f *fixture) bool { _, ok := f.collect()["test.open"]; return ok }

	metrics.SetDefault(first.rec)
	if !has(first) {
		t.Error("a callback registered before SetDefault is not called after it")
	}
	metrics.SetDefault(second.rec)
	if has(first) || !has(second) {
		t.Errorf("after a second SetDefault the first recorder has it: %v, the second: %v", has(first), has(second))
	}
	if err := errors.Join(registration.Unregister(), registration.Unregister()); err != nil {
		t.Error(err)
	}
	metrics.SetDefault(first.rec)
	if has(first) || has(second) {
		t.Error("the callback is called after Unregister")
	}
}

func TestACallbackStaysWithTheRecorderInItsContext(t *testing.T) {
	first, second := newFixture(t), newFixture(t)
	before := metrics.Default()
	t.Cleanup(func() { metrics.SetDefault(before) })
	metrics.SetDefault(first.rec)
	open := metrics.NewObservableGauge[metrics.None](metrics.NewCatalog("test"), metrics.Definition{Name: "test.open", Unit: "{connection}", Help: "Open."})
	if _, err := open.Register(first.ctx, func(_ context.Context, observe func(float64, metrics.None)) error {
		observe(7, metrics.None{})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	metrics.SetDefault(second.rec) // a second kit in the process
	if _, ok := first.collect()["test.open"]; !ok {
		t.Error("the callback left the recorder that its context held")
	}
	if _, ok := second.collect()["test.open"]; ok {
		t.Error("the callback went to a recorder that its context did not hold")
	}
}

func TestAStringThatIsNotUTF8IsRepaired(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	views := metrics.NewCounter[productAttrs](metrics.NewCatalog("test"), metrics.Definition{Name: "webstore.views", Unit: "{view}", Help: "Views."})
	views.Add(f.ctx, 1, productAttrs{"a\xff"})
	views.Add(f.ctx, 1, productAttrs{"a\xfe"})
	equal(t, "views", f.counts("webstore.views"), map[string]int64{"webstore.product.id=a\uFFFD": 2})
}

func TestZeroStartsTheClosedSeriesOfCounters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	catalog := metrics.NewCatalog("test")
	checkouts := metrics.NewCounter[checkoutAttrs](catalog, checkoutDefinition())
	metrics.NewCounter[productAttrs](catalog, metrics.Definition{Name: "webstore.views", Unit: "{view}", Help: "Views."})
	f.rec.Zero(catalog)
	checkouts.Add(f.ctx, 1, checkoutAttrs{"DE", "card", "completed"})
	counts := f.counts("webstore.checkouts")
	if len(counts) != 8 {
		t.Errorf("2 markets, 2 methods and 2 outcomes gave %d series: %v", len(counts), counts)
	}
	if n := counts["webstore.checkout.outcome=completed,webstore.market=DE,webstore.payment.method=card"]; n != 1 {
		t.Errorf("the series that was counted is %d, want 1", n)
	}
	if views := f.counts("webstore.views"); len(views) != 0 {
		t.Errorf("an open counter was started: %v", views)
	}
}

func TestRecordingIsSafeConcurrently(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	checkouts := metrics.NewCounter[checkoutAttrs](metrics.NewCatalog("test"), checkoutDefinition())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				checkouts.Add(f.ctx, 1, checkoutAttrs{checkoutAttrs{}.Market.Values()[i%2], method([]string{"card", "paypal"}[i/2%2]), "completed"})
			}
		})
	}
	wg.Wait()
	total := int64(0)
	for _, n := range f.counts("webstore.checkouts") {
		total += n
	}
	if total != 8000 {
		t.Errorf("8 goroutines counted 1000 each, got %d", total)
	}
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	f := newFixture(t)
	checkouts := metrics.NewCounter[checkoutAttrs](metrics.NewCatalog("test"), checkoutDefinition())
	attrs := checkoutAttrs{"DE", "card", "completed"}
	checkouts.Add(f.ctx, 1, attrs)
	if n := testing.AllocsPerRun(1000, func() { checkouts.Add(f.ctx, 1, attrs) }); n != 0 {
		t.Errorf("Add allocates %v times", n)
	}
}

// What the SDK does to a sum that is kept elsewhere has to be what it does to one of its own.
func TestAnUpDownCounterIsExportedAsTheSDKsOwn(t *testing.T) {
	always := func(temporality metricdata.Temporality) sdkmetric.ManualReaderOption {
		return sdkmetric.WithTemporalitySelector(func(sdkmetric.InstrumentKind) metricdata.Temporality { return temporality })
	}
	for name, tc := range map[string]struct {
		options []sdkmetric.ManualReaderOption
		views   []sdkmetric.Stream
	}{
		"cumulative":                 {},
		"delta":                      {options: []sdkmetric.ManualReaderOption{always(metricdata.DeltaTemporality)}},
		"renamed":                    {views: []sdkmetric.Stream{{Name: "renamed"}}},
		"an attribute left out":      {views: []sdkmetric.Stream{{AttributeFilter: attribute.NewDenyKeysFilter("webstore.market")}}},
		"all attributes left out":    {views: []sdkmetric.Stream{{AttributeFilter: attribute.NewAllowKeysFilter()}}},
		"delta, an attribute absent": {[]sdkmetric.ManualReaderOption{always(metricdata.DeltaTemporality)}, []sdkmetric.Stream{{AttributeFilter: attribute.NewDenyKeysFilter("webstore.market")}}},
		"dropped":                    {views: []sdkmetric.Stream{{Aggregation: sdkmetric.AggregationDrop{}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Two readers, asked by turns: what one was told must not be missing in the other.
			readers := []*sdkmetric.ManualReader{sdkmetric.NewManualReader(tc.options...), sdkmetric.NewManualReader()}
			options := []sdkmetric.Option{sdkmetric.WithReader(readers[0]), sdkmetric.WithReader(readers[1])}
			for _, view := range tc.views {
				options = append(options, sdkmetric.WithView(sdkmetric.NewView(sdkmetric.Instrument{Name: "webstore.checkouts"}, view)))
			}
			provider := sdkmetric.NewMeterProvider(options...)
			t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
			ctx := metrics.NewContext(t.Context(), metrics.NewRecorder(provider))
			ours := metrics.NewUpDownCounter[checkoutAttrs](metrics.NewCatalog("ours"), checkoutDefinition())
			theirs, err := provider.Meter("theirs").Int64UpDownCounter("webstore.checkouts")
			if err != nil {
				t.Fatal(err)
			}
			add := func(n int64, m market) {
				ours.Add(ctx, n, checkoutAttrs{m, "card", "completed"})
				theirs.Add(ctx, n, metric.WithAttributes(attribute.String("webstore.market", string(m)),
					attribute.String("webstore.payment.method", "card"), attribute.String("webstore.checkout.outcome", "completed")))
			}
			for round := range int64(3) {
				add(3+round, "DE")
				add(2, "US")
				add(-1, "US")
				for i, reader := range readers {
					var all metricdata.ResourceMetrics
					if err := reader.Collect(t.Context(), &all); err != nil {
						t.Fatal(err)
					}
					got := map[string]metricdata.Sum[int64]{}
					for _, scope := range all.ScopeMetrics {
						got[scope.Scope.Name] = scope.Metrics[0].Data.(metricdata.Sum[int64])
					}
					metricdatatest.AssertAggregationsEqual(t, got["theirs"], got["ours"], metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
					if t.Failed() {
						t.Fatalf("round %d, reader %d", round, i)
					}
				}
			}
		})
	}
}
