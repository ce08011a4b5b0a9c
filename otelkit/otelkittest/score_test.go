package otelkittest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/otelkit/otelkittest"
)

// gauge records a gauge with the SDK's API, which refuses nothing.
func gauge(t *testing.T, tel *otelkittest.Kit, scope, name, unit string, options ...metric.RecordOption) {
	t.Helper()
	g, err := tel.MeterProvider().Meter(scope).Int64Gauge(name, metric.WithUnit(unit))
	if err != nil {
		t.Fatal(err)
	}
	g.Record(t.Context(), 1, options...)
}

func histogram(t *testing.T, tel *otelkittest.Kit, scope string, bounds ...float64) {
	t.Helper()
	h, err := tel.MeterProvider().Meter(scope).Float64Histogram("shop.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(bounds...))
	if err != nil {
		t.Fatal(err)
	}
	h.Record(t.Context(), 1)
}

func emit(tel *otelkittest.Kit, severity otellog.Severity) {
	var r otellog.Record
	r.SetBody(attribute.StringValue("hello"))
	r.SetSeverity(severity)
	tel.LoggerProvider().Logger("shop").Emit(context.Background(), r)
}

// spansIn records a root and n spans below it.
func spansIn(tel *otelkittest.Kit, n int, kind oteltrace.SpanKind, duration time.Duration) {
	began := time.Now()
	ctx, root := start(ctxOf(tel), tel, "root", oteltrace.WithSpanKind(oteltrace.SpanKindServer), oteltrace.WithTimestamp(began))
	for range n {
		_, s := start(ctx, tel, "part", oteltrace.WithSpanKind(kind), oteltrace.WithTimestamp(began))
		s.End(oteltrace.WithTimestamp(began.Add(duration)))
	}
	root.End(oteltrace.WithTimestamp(began.Add(time.Second)))
}

func TestEachRuleOfTheInstrumentationScore(t *testing.T) {
	t.Parallel()
	production := semconv.DeploymentEnvironmentNameProduction
	tests := []struct {
		rule     string
		name     string
		resource []attribute.KeyValue
		record   func(t *testing.T, tel *otelkittest.Kit)
		want     otelkittest.Outcome
		fault    string
	}{
		{"LOG-001", "a DEBUG record in production", []attribute.KeyValue{production}, func(_ *testing.T, tel *otelkittest.Kit) { tel.Logger().Debug("a") }, otelkittest.Failed, `"a" is logged at DEBUG`},
		{"LOG-001", "an INFO record in production", []attribute.KeyValue{production}, func(_ *testing.T, tel *otelkittest.Kit) { tel.Logger().Info("a") }, otelkittest.Passed, ""},
		{"LOG-001", "a DEBUG record elsewhere", nil, func(_ *testing.T, tel *otelkittest.Kit) { tel.Logger().Debug("a") }, otelkittest.NotApplicable, ""},
		{"LOG-001", "no record in production", []attribute.KeyValue{production}, nil, otelkittest.NotApplicable, ""},
		{"LOG-002", "no severity", nil, func(_ *testing.T, tel *otelkittest.Kit) { emit(tel, otellog.SeverityUndefined) }, otelkittest.Failed, `"hello" is logged without a severity`},
		{"LOG-002", "a severity", nil, func(_ *testing.T, tel *otelkittest.Kit) { emit(tel, otellog.SeverityInfo) }, otelkittest.Passed, ""},
		{"LOG-002", "no record", nil, nil, otelkittest.NotApplicable, ""},
		{"MET-001", "10,000 values", nil, func(t *testing.T, tel *otelkittest.Kit) {
			for i := range 10_000 {
				gauge(t, tel, "shop", "shop.stock", "{item}", metric.WithAttributes(attribute.Int("shop.item", i)))
			}
		}, otelkittest.Failed, "shop.stock has 10000 values of shop.item"},
		{"MET-001", "a value", nil, func(t *testing.T, tel *otelkittest.Kit) {
			gauge(t, tel, "shop", "shop.stock", "{item}", metric.WithAttributes(attribute.Int("shop.item", 1)))
		}, otelkittest.Passed, ""},
		{"MET-002", "no unit", nil, func(t *testing.T, tel *otelkittest.Kit) { gauge(t, tel, "shop", "shop.stock", "") }, otelkittest.Failed, "shop.stock has no unit"},
		{"MET-002", "a unit that is not UCUM", nil, func(t *testing.T, tel *otelkittest.Kit) { gauge(t, tel, "shop", "shop.age", "seconds") }, otelkittest.Failed, `shop.age has the unit "seconds", which is not UCUM`},
		{"MET-002", "1", nil, func(t *testing.T, tel *otelkittest.Kit) { gauge(t, tel, "shop", "shop.share", "1") }, otelkittest.Passed, ""},
		{"MET-002", "no metric", nil, nil, otelkittest.NotApplicable, ""},
		{"MET-003", "two units", nil, func(t *testing.T, tel *otelkittest.Kit) {
			gauge(t, tel, "a", "shop.age", "s")
			gauge(t, tel, "b", "shop.age", "ms")
		}, otelkittest.Failed, `shop.age has the units "ms" and "s"`},
		{"MET-003", "one unit", nil, func(t *testing.T, tel *otelkittest.Kit) {
			gauge(t, tel, "a", "shop.age", "s")
			gauge(t, tel, "b", "shop.age", "s")
		}, otelkittest.Passed, ""},
		{"MET-004", "other buckets", nil, func(t *testing.T, tel *otelkittest.Kit) {
			histogram(t, tel, "a", 1, 2)
			histogram(t, tel, "b", 1, 3)
		}, otelkittest.Failed, "shop.duration has the buckets [1 2] and [1 3]"},
		{"MET-004", "the same buckets", nil, func(t *testing.T, tel *otelkittest.Kit) {
			histogram(t, tel, "a", 1, 2)
			histogram(t, tel, "b", 1, 2)
		}, otelkittest.Passed, ""},
		{"MET-004", "no histogram", nil, func(t *testing.T, tel *otelkittest.Kit) { gauge(t, tel, "a", "shop.age", "s") }, otelkittest.NotApplicable, ""},
		{"MET-005", "the unit in the name", nil, func(t *testing.T, tel *otelkittest.Kit) { gauge(t, tel, "shop", "collection.duration.seconds", "s") }, otelkittest.Failed, `collection.duration.seconds has "seconds" in its name, its unit being "s"`},
		{"MET-005", "what is counted in the name", nil, func(t *testing.T, tel *otelkittest.Kit) {
			gauge(t, tel, "shop", "http.server.active_requests", "{request}")
		}, otelkittest.Passed, ""},
		{"MET-006", "named like an attribute", nil, func(t *testing.T, tel *otelkittest.Kit) { gauge(t, tel, "shop", "http.response.status_code", "1") }, otelkittest.Failed, "http.response.status_code is an attribute"},
		{"MET-006", "named otherwise", nil, func(t *testing.T, tel *otelkittest.Kit) { gauge(t, tel, "shop", "shop.stock", "1") }, otelkittest.Passed, ""},
		{"RES-001", "no instance", []attribute.KeyValue{semconv.ServiceInstanceID("")}, nil, otelkittest.Failed, "no service.instance.id in "},
		{"RES-001", "an instance", nil, nil, otelkittest.Passed, ""},
		{"RES-002", "one instance", nil, nil, otelkittest.NotApplicable, ""},
		{"RES-003", "a pod without uid", []attribute.KeyValue{semconv.K8SPodName("shop-1")}, nil, otelkittest.Failed, "no k8s.pod.uid in "},
		{"RES-003", "a pod", []attribute.KeyValue{semconv.K8SPodName("shop-1"), semconv.K8SPodUID("7")}, nil, otelkittest.Passed, ""},
		{"RES-003", "no pod", nil, nil, otelkittest.NotApplicable, ""},
		{"RES-004", "service.name on a span", nil, func(_ *testing.T, tel *otelkittest.Kit) {
			_, s := start(ctxOf(tel), tel, "a", oteltrace.WithAttributes(semconv.ServiceName("shop"), semconv.ServicePeerName("pay")))
			s.End()
		}, otelkittest.Failed, `service.name is on span "a"`},
		{"RES-004", "host.name on a log record", nil, func(_ *testing.T, tel *otelkittest.Kit) { tel.Logger().Info("a", "host.name", "x") }, otelkittest.Failed, `host.name is on log record "a"`},
		{"RES-004", "http.method on the resource", []attribute.KeyValue{attribute.String("http.method", "GET")}, nil, otelkittest.Failed, "http.method is on the resource"},
		{"RES-004", "all where it belongs", nil, func(_ *testing.T, tel *otelkittest.Kit) { placeOrder(tel) }, otelkittest.Passed, ""},
		{"RES-005", "no name", []attribute.KeyValue{semconv.ServiceName("")}, nil, otelkittest.Failed, "no service.name in "},
		{"RES-005", "an SDK's word for no name", []attribute.KeyValue{semconv.ServiceName("unknown_service:shop")}, nil, otelkittest.Failed, `service.name is "unknown_service:shop"`},
		{"RES-005", "not a string", []attribute.KeyValue{attribute.Int("service.name", 7)}, nil, otelkittest.Failed, "service.name is of type int"},
		{"RES-005", "a name", nil, nil, otelkittest.Passed, ""},
		{"SDK-001", "Go", nil, nil, otelkittest.Passed, ""},
		{"SPA-001", "11 internal spans", nil, func(_ *testing.T, tel *otelkittest.Kit) {
			spansIn(tel, 11, oteltrace.SpanKindInternal, time.Second)
		}, otelkittest.Failed, `the trace of "root" has 11 INTERNAL spans`},
		{"SPA-001", "10 internal spans", nil, func(_ *testing.T, tel *otelkittest.Kit) {
			spansIn(tel, 10, oteltrace.SpanKindInternal, time.Second)
		}, otelkittest.Passed, ""},
		{"SPA-002", "a parent that did not end", nil, func(_ *testing.T, tel *otelkittest.Kit) {
			ctx, _ := start(ctxOf(tel), tel, "parent")
			_, s := start(ctx, tel, "child")
			s.End()
		}, otelkittest.Failed, `the parent of span "child" is not in the trace`},
		{"SPA-002", "a parent elsewhere", nil, func(_ *testing.T, tel *otelkittest.Kit) {
			_, s := start(remote(ctxOf(tel)), tel, "child")
			s.End()
		}, otelkittest.Passed, ""},
		{"SPA-003", "anything", nil, func(_ *testing.T, tel *otelkittest.Kit) { placeOrder(tel) }, otelkittest.NotScorable, ""},
		{"SPA-004", "a root of kind CLIENT", nil, func(_ *testing.T, tel *otelkittest.Kit) {
			_, s := start(ctxOf(tel), tel, "GET", oteltrace.WithSpanKind(oteltrace.SpanKindClient))
			s.End()
		}, otelkittest.Failed, `span "GET" is a root and of kind CLIENT`},
		{"SPA-004", "a child of kind CLIENT", nil, func(_ *testing.T, tel *otelkittest.Kit) { placeOrder(tel) }, otelkittest.Passed, ""},
		{"SPA-004", "no span", nil, nil, otelkittest.NotApplicable, ""},
		{"SPA-005", "21 short spans", nil, func(_ *testing.T, tel *otelkittest.Kit) {
			spansIn(tel, 21, oteltrace.SpanKindClient, 4*time.Millisecond)
		}, otelkittest.Failed, `the trace of "root" has 21 spans of less than 5 ms`},
		{"SPA-005", "20 short spans", nil, func(_ *testing.T, tel *otelkittest.Kit) {
			spansIn(tel, 20, oteltrace.SpanKindClient, 4*time.Millisecond)
		}, otelkittest.Passed, ""},
		{"SPA-005", "21 spans of 5 ms", nil, func(_ *testing.T, tel *otelkittest.Kit) {
			spansIn(tel, 21, oteltrace.SpanKindClient, 5*time.Millisecond)
		}, otelkittest.Passed, ""},
	}
	for _, test := range tests {
		t.Run(test.rule+" "+test.name, func(t *testing.T) {
			t.Parallel()
			tel := otelkittest.New(t, test.resource...)
			if test.record != nil {
				test.record(t, tel)
			}
			got := tel.Score().Result(test.rule)
			if got.Outcome != test.want || (test.fault == "") != (len(got.Faults) == 0) {
				t.Errorf("%s: %v, want %s", test.rule, got, test.want)
			}
			if test.fault != "" && (len(got.Faults) != 1 || !strings.HasPrefix(got.Faults[0], test.fault)) {
				t.Errorf("%s: faults are %q, want %q", test.rule, got.Faults, test.fault)
			}
		})
	}
}

// remote returns a context whose span is another process'.
func remote(ctx context.Context) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{
		"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	})
}

func TestScoreSeesWhoElseTookPart(t *testing.T) {
	t.Parallel()
	shop := otelkittest.New(t, semconv.ServiceName("shop"), semconv.ServiceInstanceID("1"))
	second := otelkittest.New(t, semconv.ServiceName("shop"), semconv.ServiceInstanceID("1"))
	payments := otelkittest.New(t, semconv.ServiceName("payments"), semconv.ServiceInstanceID("1"))

	ctx, request := start(ctxOf(shop), shop, "POST /orders", oteltrace.WithSpanKind(oteltrace.SpanKindServer))
	_, payment := start(oteltrace.ContextWithRemoteSpanContext(ctx, request.SpanContext()), payments, "POST /payments")
	payment.End()
	request.End()
	_, lost := start(remote(ctx), payments, "lost")
	gauge(t, shop, "shop", "shop.age", "s")
	gauge(t, second, "shop", "shop.age", "ms")
	gauge(t, payments, "shop", "shop.age", "us")

	if got := payments.Score(shop).Result("SPA-002"); got.Outcome != otelkittest.Passed {
		t.Errorf("with the parent's kit: %v", got)
	}
	lost.End()
	if got := payments.Score(shop).Result("SPA-002"); got.Outcome != otelkittest.Failed || !slices.Equal(got.Faults, []string{`the parent of span "lost" is not in the trace`}) {
		t.Errorf("with a parent that nobody has: %v", got)
	}
	if got := shop.Score(payments).Result("RES-002"); got.Outcome != otelkittest.NotApplicable {
		t.Errorf("with another service: %v", got)
	}
	if got := shop.Score(payments, second).Result("RES-002"); got.Outcome != otelkittest.Failed || !slices.Equal(got.Faults, []string{`two instances are "1"`}) {
		t.Errorf("with two instances of one id: %v", got)
	}
	if got := shop.Score(payments, second).Result("MET-003"); !slices.Equal(got.Faults, []string{`shop.age has the units "ms" and "s"`}) {
		t.Errorf("with instances that differ: %v", got)
	}
}

func TestScoreHasThe19RulesAndTheirWeights(t *testing.T) {
	t.Parallel()
	weights := map[int]int{}
	total := 0
	results := otelkittest.New(t).Score().Results
	for _, r := range results {
		weights[r.Weight]++
		total += r.Weight
	}
	if got := fmt.Sprint(len(results), weights, total); got != "19 map[10:1 20:5 30:12 40:1] 510" {
		t.Errorf("rules, weights and their sum are %s", got)
	}
	if !slices.IsSortedFunc(results, func(a, b otelkittest.Result) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("rules are not sorted")
	}
}

func TestScoreIsTheWeightThatPassedOfWhatApplies(t *testing.T) {
	t.Parallel()
	tel := otelkittest.New(t, semconv.ServiceInstanceID("")) // RES-001 fails: 20 of RES-001, -004, -005, SDK-001
	r := tel.Score()
	if r.Score != 80 || r.Category != "Good" {
		t.Errorf("got %v, %s; want 80, Good", r.Score, r.Category)
	}
	tel = otelkittest.New(t, semconv.ServiceInstanceID(""), semconv.ServiceName(""))
	if r := tel.Score(); r.Score != 40 || r.Category != "Poor" {
		t.Errorf("got %v, %s; want 40, Poor", r.Score, r.Category)
	}
	if r := tel.Score().Result("SPA-999"); r.ID != "" {
		t.Errorf("a rule that does not exist is %v", r)
	}
}

func TestAScoreThatIsTooLowIsTold(t *testing.T) {
	t.Parallel()
	var said string
	synctest.Test(t, func(t *testing.T) {
		f := &fake{TB: t}
		tel := otelkittest.New(f, semconv.ServiceName("shop"), semconv.ServiceInstanceID("1"))
		_, s := start(ctxOf(tel), tel, "GET", oteltrace.WithSpanKind(oteltrace.SpanKindClient))
		s.End()
		tel.ScoresAtLeast(90)
		said = strings.Join(f.said, "\n")
	})
	want := `otelkittest: want a score of at least 90; Instrumentation Score of shop: 85.0, Good (may be incomplete: SPA-003 has no criterion yet)
  LOG-001  not applicable  30  no DEBUG records in production
  LOG-002  not applicable  30  log records have a severity
  MET-001  not applicable  30  fewer than 10,000 values of an attribute of a metric
  MET-002  not applicable  30  metrics have a unit in UCUM
  MET-003  not applicable  30  a metric has one unit
  MET-004  not applicable  20  a histogram has the same buckets everywhere
  MET-005  not applicable  20  the name of a metric does not contain its unit
  MET-006  not applicable  30  no metric is named like an attribute of the semantic conventions
  RES-001  passed          20  service.instance.id is present
  RES-002  not applicable  30  service.instance.id is unique
  RES-003  not applicable  30  Kubernetes pods have k8s.pod.uid
  RES-004  passed          30  attributes are at the level that the semantic conventions say
  RES-005  passed          40  service.name is present
  SDK-001  passed          10  the SDK supports the release of the language
  SPA-001  passed          20  at most 10 INTERNAL spans of a service in a trace
  SPA-002  passed          20  the parents of spans are in the trace
  SPA-003  not scorable    30  names of spans are bounded
  SPA-004  failed          30  no root span is of kind CLIENT
           span "GET" is a root and of kind CLIENT
  SPA-005  passed          30  at most 20 spans of less than 5 ms in a trace`
	if said != want {
		t.Errorf("got\n%s\nwant\n%s", said, want)
	}
}
