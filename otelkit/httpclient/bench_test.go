//go:build !race

// The race detector makes sync.Pool forget, at random.

package httpclient_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/metrics"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// benchKit has a sampler that looks at no attributes, as a *otelkit.Kit has.
type benchKit struct{ *kit }

func (benchKit) SamplesByAttributes() bool { return false }

// prepare returns an observed transport and a request to it, within a sampled span.
func prepare(t testing.TB) (http.RoundTripper, *http.Request) {
	k := newKit()
	metrics.SetDefault(k.Recorder()) // as otelkit.Start does
	k.Tracers = sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter()))
	t.Cleanup(func() { _ = k.Tracers.Shutdown(context.Background()) })
	ctx, span := k.Tracers.Tracer("bench").Start(t.Context(), "work")
	t.Cleanup(func() { span.End() })
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://payments:8081/payments/17", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := answering{&http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}}
	return httpclient.Transport(answer, httpclient.Config{Kit: benchKit{k}}), r
}

func TestARequestAllocatesNoMoreThanIsPromised(t *testing.T) { // otelhttp v0.72: 24
	transport, r := prepare(t)
	got := testing.AllocsPerRun(1000, func() { _, _ = transport.RoundTrip(r) })
	if got > 10 {
		t.Errorf("%v allocations, want at most 10", got)
	}
}

func BenchmarkTransport(b *testing.B) {
	transport, r := prepare(b)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = transport.RoundTrip(r)
	}
}
