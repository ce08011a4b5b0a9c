package exemplar_test

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelkit/kit/otelkit/exemplar"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// service is a process whose measurements and spans are looked at.
type service struct {
	metric.Meter
	tracer  trace.Tracer
	meters  *sdkmetric.MeterProvider
	tracers *sdktrace.TracerProvider
	spans   *tracetest.SpanRecorder
	reader  *sdkmetric.ManualReader
}

func newService(cfg exemplar.Config, views ...sdkmetric.View) *service {
	return newServiceWith(sdkmetric.NewManualReader(), []sdkmetric.Option{sdkmetric.WithView(exemplar.Views(cfg, views...)...)})
}

func newServiceWith(reader *sdkmetric.ManualReader, options []sdkmetric.Option, spans ...sdktrace.TracerProviderOption) *service {
	s := &service{spans: tracetest.NewSpanRecorder(), reader: reader}
	s.meters = sdkmetric.NewMeterProvider(append(options, sdkmetric.WithReader(reader))...)
	s.tracers = sdktrace.NewTracerProvider(append(spans, sdktrace.WithSpanProcessor(s.spans))...)
	s.Meter, s.tracer = s.meters.Meter("test"), s.tracers.Tracer("test")
	return s
}

// histogram returns a histogram with buckets that end at 1 and 10.
func (s *service) histogram(t *testing.T) metric.Float64Histogram {
	t.Helper()
	h, err := s.Float64Histogram("latency", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(1, 10))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// within runs a function in a sampled span of its own.
func (s *service) within(do func(ctx context.Context)) trace.SpanContext {
	ctx, span := s.tracer.Start(context.Background(), "work")
	defer span.End()
	do(ctx)
	return span.SpanContext()
}

// shown is an exported exemplar.
type shown struct {
	value   float64
	at      time.Time
	span    trace.SpanContext
	dropped []attribute.KeyValue
}

// collect returns the exemplars of each series, by the metric's name.
func (s *service) collect(t *testing.T) map[string][][]shown {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := s.reader.Collect(context.Background(), &data); err != nil {
		t.Fatal(err)
	}
	series := map[string][][]shown{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			series[m.Name] = exemplars(t, m.Data)
		}
	}
	return series
}

func exemplars(t *testing.T, data metricdata.Aggregation) (series [][]shown) {
	t.Helper()
	switch d := data.(type) {
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			series = append(series, shownOf(p.Exemplars))
		}
	case metricdata.ExponentialHistogram[float64]:
		for _, p := range d.DataPoints {
			series = append(series, shownOf(p.Exemplars))
		}
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			series = append(series, shownOf(p.Exemplars))
		}
	case metricdata.Gauge[float64]:
		for _, p := range d.DataPoints {
			series = append(series, shownOf(p.Exemplars))
		}
	default:
		t.Fatalf("no test records %T", data)
	}
	return series
}

func shownOf[N int64 | float64](list []metricdata.Exemplar[N]) []shown {
	var all []shown
	for _, e := range list {
		s := shown{value: float64(e.Value), at: e.Time, dropped: e.FilteredAttributes}
		if len(e.TraceID) > 0 {
			s.span = trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(e.TraceID), SpanID: trace.SpanID(e.SpanID)})
		}
		all = append(all, s)
	}
	return all
}

// values returns what the exemplars of the only series of a metric measured.
func (s *service) values(t *testing.T, name string) []float64 {
	t.Helper()
	series := s.collect(t)[name]
	if len(series) != 1 {
		t.Fatalf("%d series of %s, want 1", len(series), name)
	}
	values := []float64{}
	for _, e := range series[0] {
		values = append(values, e.value)
	}
	return values
}

// marked returns the spans that have the mark.
func (s *service) marked() []trace.SpanID {
	var ids []trace.SpanID
	for _, span := range s.spans.Ended() {
		if slices.Contains(span.Attributes(), attribute.Bool(exemplar.Mark, true)) {
			ids = append(ids, span.SpanContext().SpanID())
		}
	}
	return ids
}

func wantValues(t *testing.T, got []float64, want ...float64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("exemplars of %v, want %v", got, want)
	}
}

func wantMarked(t *testing.T, s *service, want ...trace.SpanContext) {
	t.Helper()
	var ids []trace.SpanID
	for _, span := range want {
		ids = append(ids, span.SpanID())
	}
	if got := s.marked(); !slices.Equal(got, ids) {
		t.Errorf("marked are the spans %v, want %v", got, ids)
	}
}

func TestTheSpanOfAnExemplarIsMarkedAndNoOther(t *testing.T) {
	s := newService(exemplar.Config{})
	h := s.histogram(t)
	var spans []trace.SpanContext
	for _, value := range []float64{5, 6, 0.5, 7, 0.6} {
		spans = append(spans, s.within(func(ctx context.Context) { h.Record(ctx, value) }))
	}
	got := s.collect(t)["latency"][0]
	if len(got) != 2 || got[0].value != 0.5 || got[1].value != 5 {
		t.Fatalf("exemplars %v, want the first of each bucket: 0.5 and 5", got)
	}
	if got[0].span.TraceID() != spans[2].TraceID() || got[1].span.SpanID() != spans[0].SpanID() {
		t.Errorf("exemplars lead to %v and %v, want %v and %v", got[0].span, got[1].span, spans[2], spans[0])
	}
	wantMarked(t, s, spans[0], spans[2])
}

// With every kind of instrument at once, while collections go on.
func TestUnderLoadExactlyTheSpansOfExportedExemplarsAreMarked(t *testing.T) {
	for name, temporality := range map[string]sdkmetric.TemporalitySelector{
		"cumulative": sdkmetric.CumulativeTemporalitySelector, "delta": sdkmetric.DeltaTemporalitySelector,
	} {
		t.Run(name, func(t *testing.T) {
			reader := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(temporality))
			s := newServiceWith(reader, []sdkmetric.Option{sdkmetric.WithView(exemplar.Views(exemplar.Config{}, exponential())...)})
			record := s.everyKind(t)
			most := map[string]int{"latency": 3, "exponential": 20, "count": 1, "in.flight": 1, "gauge": 1}

			exported := map[trace.SpanID]bool{}
			collect := func() {
				for name, series := range s.collect(t) {
					for _, list := range series {
						if len(list) > most[name] {
							t.Errorf("%d exemplars of a series of %s, want at most %d", len(list), name, most[name])
						}
						for _, e := range list {
							exported[e.span.SpanID()] = true
						}
					}
				}
			}
			collections := 0
			var recording sync.WaitGroup
			for range 4 {
				recording.Go(func() {
					for i := range 500 {
						s.within(func(ctx context.Context) { record(ctx, math.Pow(10, float64(i%5)-2)) })
					}
				})
			}
			done := make(chan struct{})
			go func() { recording.Wait(); close(done) }()
			for running := true; running; collections++ {
				select {
				case <-done:
					running = false
				default:
				}
				collect()
			}
			marked := s.marked()
			for _, id := range marked {
				if !exported[id] {
					t.Errorf("span %s is marked, but no exemplar leads to it", id)
				}
				delete(exported, id)
			}
			for id := range exported {
				t.Errorf("an exemplar leads to span %s, which is not marked", id)
			}
			if most := collections * (3 + 20 + 1 + 1 + 1); len(marked) == 0 || len(marked) > most {
				t.Errorf("%d spans marked in %d collections, want 1 to %d", len(marked), collections, most)
			}
		})
	}
}

// everyKind returns a function that records with every kind of instrument.
func (s *service) everyKind(t *testing.T) func(ctx context.Context, value float64) {
	t.Helper()
	explicit := s.histogram(t)
	exponential, err1 := s.Float64Histogram("exponential")
	counter, err2 := s.Int64Counter("count")
	upDown, err3 := s.Int64UpDownCounter("in.flight")
	gauge, err4 := s.Float64Gauge("gauge")
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return func(ctx context.Context, value float64) {
		explicit.Record(ctx, value)
		exponential.Record(ctx, value)
		counter.Add(ctx, 1)
		upDown.Add(ctx, 1)
		gauge.Record(ctx, value)
	}
}

func TestWhatCannotBeMarkedIsNotKept(t *testing.T) {
	full := sdktrace.NewSpanLimits()
	full.AttributeCountLimit = 1
	none := full
	none.AttributeCountLimit = 0
	recordOnly := sdktrace.WithSampler(samplerFunc(func(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
		return sdktrace.SamplingResult{Decision: sdktrace.RecordOnly}
	}))
	remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
	for name, tt := range map[string]struct {
		options []sdktrace.TracerProviderOption
		spoil   func(context.Context) context.Context
	}{
		"an ended span": {spoil: func(ctx context.Context) context.Context {
			trace.SpanFromContext(ctx).End()
			return ctx
		}},
		"a remote span": {spoil: func(ctx context.Context) context.Context {
			return trace.ContextWithRemoteSpanContext(ctx, remote)
		}},
		"a span that is not sampled":            {options: []sdktrace.TracerProviderOption{sdktrace.WithSampler(sdktrace.NeverSample())}},
		"a span that is recorded, not exported": {options: []sdktrace.TracerProviderOption{recordOnly}},
		"a span without room": {
			options: []sdktrace.TracerProviderOption{sdktrace.WithRawSpanLimits(full)},
			spoil: func(ctx context.Context) context.Context {
				trace.SpanFromContext(ctx).SetAttributes(attribute.Int("order", 1))
				return ctx
			},
		},
		"a span without attributes": {options: []sdktrace.TracerProviderOption{sdktrace.WithRawSpanLimits(none)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServiceWith(sdkmetric.NewManualReader(), []sdkmetric.Option{sdkmetric.WithView(exemplar.Views(exemplar.Config{})...)}, tt.options...)
			h := s.histogram(t)
			s.within(func(ctx context.Context) {
				if tt.spoil != nil {
					ctx = tt.spoil(ctx)
				}
				h.Record(ctx, 5)
			})
			wantValues(t, s.values(t, "latency"))
			wantMarked(t, s)
		})
	}
}

type samplerFunc func(sdktrace.SamplingParameters) sdktrace.SamplingResult

func (f samplerFunc) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult { return f(p) }
func (samplerFunc) Description() string                                                  { return "test" }

func TestASlotWaitsForASpanThatCanBeMarked(t *testing.T) {
	s := newService(exemplar.Config{})
	h := s.histogram(t)
	ended, span := s.tracer.Start(t.Context(), "ended")
	span.End()
	h.Record(ended, 5)
	kept := s.within(func(ctx context.Context) { h.Record(ctx, 6) })
	wantValues(t, s.values(t, "latency"), 6)
	wantMarked(t, s, kept)
}

// The SDK's reservoirs export an exemplar of a rare bucket for ever; its trace is
// gone by then.
func TestAnExemplarExpires(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  exemplar.Config
		want time.Duration
	}{
		"after five minutes": {exemplar.Config{}, 5 * time.Minute},
		"as configured":      {exemplar.Config{Repeat: 2 * time.Minute}, 2 * time.Minute},
		"once":               {exemplar.Config{Repeat: -1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(tt.cfg)
				h := s.histogram(t)
				s.within(func(ctx context.Context) { h.Record(ctx, 5) })
				time.Sleep(time.Hour) // it has not been exported yet
				wantValues(t, s.values(t, "latency"), 5)
				if tt.want > 0 {
					time.Sleep(tt.want - time.Second)
					wantValues(t, s.values(t, "latency"), 5)
				}
				time.Sleep(time.Second)
				wantValues(t, s.values(t, "latency"))
			})
		})
	}
}

func TestTheNextTakesThePlaceOfOneThatWasCollected(t *testing.T) {
	s := newService(exemplar.Config{})
	h := s.histogram(t)
	first := s.within(func(ctx context.Context) { h.Record(ctx, 5) })
	s.within(func(ctx context.Context) { h.Record(ctx, 6) })
	wantValues(t, s.values(t, "latency"), 5)
	next := s.within(func(ctx context.Context) { h.Record(ctx, 7) })
	wantValues(t, s.values(t, "latency"), 7)
	wantMarked(t, s, first, next)
}

// A slot that always kept the first measurement would show a busy service only as it
// is right after an export.
func TestABusySlotKeepsOneFromAllOverTheFirstHalf(t *testing.T) {
	const intervals, offers = 400, 100
	s := newService(exemplar.Config{})
	h, err := s.Float64Histogram("latency", metric.WithExplicitBucketBoundaries(offers))
	if err != nil {
		t.Fatal(err)
	}
	var quarters [4]int
	for range intervals {
		for i := range offers {
			s.within(func(ctx context.Context) { h.Record(ctx, float64(i)) })
		}
		got := s.values(t, "latency")
		if len(got) != 1 {
			t.Fatalf("exemplars of %v, want one", got)
		}
		quarters[int(got[0])/(offers/4)]++
	}
	// Each with probability 1/2: outside of 200 ± 60 once in a thousand million times.
	if first, second := quarters[0], quarters[1]; first < 140 || second < 140 || quarters[2]+quarters[3] > 0 {
		t.Errorf("by quarters of the interval %v, want 200 200 0 0 or so", quarters)
	}
}

// What is rare is what one looks for: the slow ones.
func TestARareMeasurementIsAlwaysKept(t *testing.T) {
	s := newService(exemplar.Config{Repeat: -1})
	h := s.histogram(t)
	for interval := range 100 {
		for i := range 1 + interval%3 {
			s.within(func(ctx context.Context) { h.Record(ctx, 20+float64(i)) })
		}
		wantValues(t, s.values(t, "latency"), 20)
	}
}

func TestALoadThatHalvesLeavesNoIntervalWithoutAnExemplar(t *testing.T) {
	s := newService(exemplar.Config{Repeat: -1})
	h := s.histogram(t)
	for range 10 {
		for offers := 1000; offers > 0; offers /= 2 {
			for range offers {
				s.within(func(ctx context.Context) { h.Record(ctx, 5) })
			}
			wantValues(t, s.values(t, "latency"), 5)
		}
		s.within(func(ctx context.Context) { h.Record(ctx, 5) })
		s.collect(t)
	}
}

func TestTheFilterKeepsItsMeaning(t *testing.T) {
	outside := func(_ *service, h metric.Float64Histogram) { h.Record(context.Background(), 5) }
	inside := func(s *service, h metric.Float64Histogram) {
		s.within(func(ctx context.Context) { h.Record(ctx, 6) })
	}
	both := func(s *service, h metric.Float64Histogram) { outside(s, h); inside(s, h); outside(s, h) }
	for name, tt := range map[string]struct {
		filter string
		record func(*service, metric.Float64Histogram)
		want   []float64
		traced bool
	}{
		"by default outside of a span":  {"", outside, []float64{}, false},
		"trace_based outside of a span": {"trace_based", outside, []float64{}, false},
		"trace_based in a span":         {"trace_based", inside, []float64{6}, true},
		"always_off in a span":          {"always_off", inside, []float64{}, false},
		"always_on in a span":           {"always_on", inside, []float64{6}, true},
		"always_on outside of a span":   {"always_on", outside, []float64{5}, false},
		"always_on prefers a trace":     {"always_on", both, []float64{6}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_METRICS_EXEMPLAR_FILTER", tt.filter)
			s := newService(exemplar.Config{})
			h := s.histogram(t)
			tt.record(s, h)
			for range 2 {
				got := s.collect(t)["latency"][0]
				if len(got) != len(tt.want) {
					t.Fatalf("exemplars %v, want of %v", got, tt.want)
				}
				for i, e := range got {
					if e.value != tt.want[i] || e.span.IsValid() != tt.traced {
						t.Errorf("exemplar of %v with span %v, want of %v, with a span: %v", e.value, e.span, tt.want[i], tt.traced)
					}
				}
			}
		})
	}
}

func TestAnExemplarThatLeadsToATraceIsNotReplacedByOneThatDoesNot(t *testing.T) {
	t.Setenv("OTEL_METRICS_EXEMPLAR_FILTER", "always_on")
	s := newService(exemplar.Config{})
	h := s.histogram(t)
	s.within(func(ctx context.Context) { h.Record(ctx, 5) })
	s.collect(t)
	h.Record(t.Context(), 6)
	wantValues(t, s.values(t, "latency"), 5)
}

// The SDK's reservoirs put what a view takes off a series on its exemplars.
func TestAttributesThatAViewDropsDoNotComeBack(t *testing.T) {
	s := newService(exemplar.Config{}, sdkmetric.NewView(
		sdkmetric.Instrument{Name: "latency"},
		sdkmetric.Stream{AttributeFilter: attribute.NewDenyKeysFilter("user.email")},
	))
	h := s.histogram(t)
	s.within(func(ctx context.Context) {
		h.Record(ctx, 5, metric.WithAttributes(attribute.String("user.email", "ada@example.com")))
	})
	got := s.collect(t)["latency"]
	if len(got) != 1 || len(got[0]) != 1 || len(got[0][0].dropped) != 0 {
		t.Errorf("exemplars %v, want one without attributes", got)
	}
}

// exponential is a view that makes a histogram exponential.
func exponential() sdkmetric.View {
	return sdkmetric.NewView(sdkmetric.Instrument{Name: "exponential"}, sdkmetric.Stream{
		Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20},
	})
}

// Of the SDK's 20 exemplars of a series none is of one slow request in 1,000, most of
// the time.
func TestARareValueOfAnExponentialHistogramHasItsExemplar(t *testing.T) {
	s := newService(exemplar.Config{}, exponential())
	h, err := s.Float64Histogram("exponential")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		s.within(func(ctx context.Context) { h.Record(ctx, 0.1+float64(i%100)/1000) })
	}
	s.within(func(ctx context.Context) { h.Record(ctx, 30) })
	if got := s.values(t, "exponential"); !slices.Contains(got, 30) {
		t.Errorf("exemplars of %v, want one of 30 among them", got)
	}
}

func TestPrometheusGetsTheOrderThatItWants(t *testing.T) {
	s := newService(exemplar.Config{}, exponential())
	record := s.everyKind(t)
	for _, value := range []float64{100, 0.1, 5, 0, 1e9} {
		s.within(func(ctx context.Context) { record(ctx, value) })
	}
	series := s.collect(t)
	var values []float64
	for _, e := range series["latency"][0] {
		values = append(values, e.value)
	}
	wantValues(t, values, 0.1, 5, 100) // its buckets in ascending order
	if got := series["exponential"][0]; len(got) != 5 || !slices.IsSortedFunc(got, func(a, b shown) int { return a.at.Compare(b.at) }) {
		t.Errorf("exemplars %v, want five in the order of time", got)
	}
}

func TestViewsOfOnesOwnStillRenameAndDrop(t *testing.T) {
	s := newService(exemplar.Config{},
		sdkmetric.NewView(sdkmetric.Instrument{Name: "gauge"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}),
		sdkmetric.NewView(sdkmetric.Instrument{Name: "latency"}, sdkmetric.Stream{Name: "duration"}),
	)
	record := s.everyKind(t)
	renamed := s.within(func(ctx context.Context) { record(ctx, 5) })
	series := s.collect(t)
	names := slices.Sorted(maps.Keys(series))
	if !slices.Equal(names, []string{"count", "duration", "exponential", "in.flight"}) {
		t.Errorf("metrics %q, want no gauge, and duration for latency", names)
	}
	if got := series["duration"]; len(got) != 1 || len(got[0]) != 1 || got[0][0].span.SpanID() != renamed.SpanID() {
		t.Errorf("exemplars of what was renamed %v, want one of span %v", got, renamed.SpanID())
	}
	wantMarked(t, s, renamed)
}

func TestTheViewChangesNothingButExemplars(t *testing.T) {
	collect := func(options ...sdkmetric.Option) metricdata.ResourceMetrics {
		reader := sdkmetric.NewManualReader()
		s := newServiceWith(reader, append(options, sdkmetric.WithCardinalityLimit(3)))
		record := s.everyKind(t)
		described, err := s.Int64Histogram("Described", metric.WithDescription("what it is"), metric.WithUnit("By"),
			metric.WithExplicitBucketBoundaries(100, 200))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Float64ObservableGauge("observed", metric.WithUnit("1"),
			metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
				o.Observe(0.5)
				return nil
			})); err != nil {
			t.Fatal(err)
		}
		for i := range 5 { // one more series than the limit
			described.Record(t.Context(), 150, metric.WithAttributes(attribute.Int("i", i)))
		}
		record(t.Context(), 3)
		var data metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &data); err != nil {
			t.Fatal(err)
		}
		return data
	}
	with, without := collect(sdkmetric.WithView(exemplar.Views(exemplar.Config{})...)), collect()
	metricdatatest.AssertEqual(t, without, with, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
}
