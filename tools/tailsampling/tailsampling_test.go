// Package tailsampling_test runs deploy/otel-collector/tail-sampling.yaml in the
// processor that the Collector runs it in. It has a module of its own, since that
// processor brings half a Collector along, which nothing else here needs.
package tailsampling_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor"
	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/exemplar"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/logs"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.opentelemetry.io/collector/processor/processortest"
)

const policy = "../../deploy/otel-collector/tail-sampling.yaml"

func TestMain(m *testing.M) {
	for _, variable := range os.Environ() { // what the developer has set is not tested here
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "OTEL_") {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

// A shop of three services, each calling the next, is asked 3,000 times and exports 30
// times. None of the requests fails or is slow: what is kept is kept for its exemplar,
// or is of the one per cent.
func TestEveryExemplarLeadsToATraceThatIsKept(t *testing.T) {
	const rounds, requests = 30, 100
	received := run(t, rounds, requests)
	exemplars := received.exemplars()
	if len(exemplars) == 0 {
		t.Fatal("no exemplar was exported")
	}

	kept := sample(t, received.spans)
	marked := 0
	for id := range exemplars {
		if !kept[id] {
			t.Errorf("an exemplar leads to trace %s, which was not kept", id)
		}
		marked++
	}
	if most := marked + rounds*requests*3/100; len(kept) > most {
		t.Errorf("%d of %d traces kept, want at most %d: those of %d exemplars, and 1%%", len(kept), rounds*requests, most, marked)
	}
	t.Logf("%d of %d traces kept, %d of them for exemplars", len(kept), rounds*requests, marked)

	// The same without the marks, as with the SDK's own reservoirs.
	lost := 0
	without := sample(t, withoutMarks(received.spans))
	for id := range exemplars {
		if !without[id] {
			lost++
		}
	}
	if lost < marked/2 {
		t.Errorf("without marks %d of %d exemplars lead nowhere: this test would not notice if marks did nothing", lost, marked)
	}
	t.Logf("without marks %d of %d exemplars lead nowhere", lost, marked)
}

func TestErrorsAndSlowTracesAreKept(t *testing.T) {
	for name, tt := range map[string]struct {
		describe func(ptrace.Span)
		kept     bool
	}{
		"usual":            {func(ptrace.Span) {}, false},
		"a failed span":    {func(s ptrace.Span) { s.Status().SetCode(ptrace.StatusCodeError) }, true},
		"a slow trace":     {func(s ptrace.Span) { s.SetEndTimestamp(s.StartTimestamp() + 2e9) }, true},
		"not quite slow":   {func(s ptrace.Span) { s.SetEndTimestamp(s.StartTimestamp() + 1.9e9) }, false},
		"with an exemplar": {func(s ptrace.Span) { s.Attributes().PutBool(exemplar.Mark, true) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			// Fifty, of which the policy for a share keeps three at most.
			traces := ptrace.NewTraces()
			for i := range 50 {
				span := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
				span.SetTraceID(pcommon.TraceID{15: byte(i), 0: 1})
				span.SetSpanID(pcommon.SpanID{1})
				span.SetStartTimestamp(1e18)
				span.SetEndTimestamp(1e18 + 1e6)
				tt.describe(span)
			}
			kept := len(sample(t, []ptrace.Traces{traces}))
			if tt.kept && kept != 50 || !tt.kept && kept > 3 {
				t.Errorf("%d of 50 traces kept, want all: %v", kept, tt.kept)
			}
		})
	}
}

// sample gives spans to the processor and returns the traces that it keeps. It decides
// about all that it has when it is shut down, so that nothing waits for decision_wait.
func sample(t *testing.T, spans []ptrace.Traces) map[pcommon.TraceID]bool {
	t.Helper()
	factory := tailsamplingprocessor.NewFactory()
	text, err := os.ReadFile(policy)
	if err != nil {
		t.Fatal(err)
	}
	retrieved, err := confmap.NewRetrievedFromYAML(text)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := retrieved.AsConf()
	if err != nil {
		t.Fatal(err)
	}
	section, err := conf.Sub("processors::tail_sampling")
	if err != nil {
		t.Fatal(err)
	}
	cfg := factory.CreateDefaultConfig()
	if err := section.Unmarshal(cfg); err != nil { // unknown keys are errors
		t.Fatal(err)
	}
	sink := &consumertest.TracesSink{}
	processor, err := factory.CreateTraces(t.Context(), processortest.NewNopSettings(factory.Type()), cfg, sink)
	if err != nil {
		t.Fatal(err)
	}
	if err := processor.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	for _, batch := range spans {
		copied := ptrace.NewTraces() // the processor takes what it is given apart
		batch.CopyTo(copied)
		if err := processor.ConsumeTraces(t.Context(), copied); err != nil {
			t.Fatal(err)
		}
	}
	if err := processor.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := map[pcommon.TraceID]bool{}
	for span := range spansOf(sink.AllTraces()) {
		kept[span.TraceID()] = true
	}
	return kept
}

// spansOf ranges over all spans.
func spansOf(batches []ptrace.Traces) func(yield func(ptrace.Span) bool) {
	return func(yield func(ptrace.Span) bool) {
		for _, batch := range batches {
			for _, resource := range batch.ResourceSpans().All() {
				for _, scope := range resource.ScopeSpans().All() {
					for _, span := range scope.Spans().All() {
						if !yield(span) {
							return
						}
					}
				}
			}
		}
	}
}

func withoutMarks(batches []ptrace.Traces) []ptrace.Traces {
	var bare []ptrace.Traces
	for _, batch := range batches {
		copied := ptrace.NewTraces()
		batch.CopyTo(copied)
		bare = append(bare, copied)
	}
	for span := range spansOf(bare) {
		span.Attributes().Remove(exemplar.Mark)
	}
	return bare
}

// run runs the shop and returns what its services exported.
func run(t *testing.T, rounds, requests int) *receiver {
	t.Helper()
	received := &receiver{}
	collector := httptest.NewServer(received)
	defer collector.Close()

	var kits []*otelkit.Kit
	next := "" // the service that the one before calls
	for _, name := range []string{"stock", "orders", "shop"} {
		kit, err := otelkit.Start(t.Context(), otelkit.Config{Service: name, Endpoint: collector.URL, Logs: logs.Config{Output: io.Discard}})
		if err != nil {
			t.Fatal(err)
		}
		kits = append(kits, kit)
		server := httptest.NewServer(service(kit, next))
		defer server.Close()
		next = server.URL
	}
	for range rounds {
		for range requests {
			response, err := http.Get(next)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Fatalf("the shop answered %s", response.Status)
			}
		}
		for _, kit := range kits {
			if err := kit.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, kit := range kits {
		if err := kit.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return received
}

// service answers each request after it called the next service, if there is one.
func service(kit *otelkit.Kit, next string) http.Handler {
	client := &http.Client{Transport: httpclient.Transport(nil, httpclient.Config{Kit: kit}), Timeout: time.Minute}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		if next == "" {
			fmt.Fprintln(w, "ok")
			return
		}
		request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, next, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		response, err := client.Do(request)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body)
	})
	return httpserver.Wrap(mux, httpserver.Config{Kit: kit})
}

// receiver is an OTLP/HTTP receiver that keeps spans and metrics.
type receiver struct {
	mu      sync.Mutex
	spans   []ptrace.Traces
	metrics []pmetric.Metrics
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err == nil {
		err = r.keep(request.URL.Path, body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (r *receiver) keep(path string, body []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch path {
	case "/v1/traces":
		export := ptraceotlp.NewExportRequest()
		if err := export.UnmarshalProto(body); err != nil {
			return err
		}
		r.spans = append(r.spans, export.Traces())
	case "/v1/metrics":
		export := pmetricotlp.NewExportRequest()
		if err := export.UnmarshalProto(body); err != nil {
			return err
		}
		r.metrics = append(r.metrics, export.Metrics())
	}
	return nil
}

// exemplars returns the traces that exemplars lead to.
func (r *receiver) exemplars() map[pcommon.TraceID]bool {
	ids := map[pcommon.TraceID]bool{}
	for _, export := range r.metrics {
		for _, resource := range export.ResourceMetrics().All() {
			for _, scope := range resource.ScopeMetrics().All() {
				for _, metric := range scope.Metrics().All() {
					for _, slice := range exemplarsOf(metric) {
						for _, e := range slice.All() {
							ids[e.TraceID()] = true
						}
					}
				}
			}
		}
	}
	return ids
}

func exemplarsOf(metric pmetric.Metric) (slices []pmetric.ExemplarSlice) {
	switch metric.Type() {
	case pmetric.MetricTypeHistogram:
		for _, p := range metric.Histogram().DataPoints().All() {
			slices = append(slices, p.Exemplars())
		}
	case pmetric.MetricTypeSum:
		for _, p := range metric.Sum().DataPoints().All() {
			slices = append(slices, p.Exemplars())
		}
	case pmetric.MetricTypeGauge:
		for _, p := range metric.Gauge().DataPoints().All() {
			slices = append(slices, p.Exemplars())
		}
	}
	return slices
}
