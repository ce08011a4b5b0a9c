package dbclienttest

import (
	"context"
	"runtime"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/otelkit/internal/dbclient"
	"github.com/otelkit/kit/otelkit/otelkittest"
)

// Request runs what a service does within a span of its own, "request", and returns
// that.
func Request(t *testing.T, kit *otelkittest.Kit, serve func(context.Context)) *otelkittest.Span {
	t.Helper()
	ctx, span := kit.TracerProvider().Tracer("test").Start(t.Context(), "request", trace.WithSpanKind(trace.SpanKindServer))
	serve(ctx)
	span.End()
	return kit.Span("request")
}

// Until waits for what another goroutine does.
func Until(holds func() bool) {
	for !holds() {
		runtime.Gosched()
	}
}

// Waited returns how long a span says that its connection was waited for, in
// seconds; 0 if it does not say.
func Waited(span *otelkittest.Span) float64 {
	for _, a := range span.Attributes() {
		if a.Key == dbclient.WaitKey {
			return a.Value.AsFloat64()
		}
	}
	return 0
}

// KeepsToTheConventions asserts that there is nothing to find in what a client
// recorded, and nothing to lose a point of the Instrumentation Score for.
func KeepsToTheConventions(t *testing.T, kit *otelkittest.Kit) {
	t.Helper()
	known := []string{
		"not_stable:db.client.connection.pool.name", // the conventions have no stable attributes of pools
		"not_stable:db.client.connection.state",
		"undefined_enum_variant:error.type", // which is open: the database's own code is what they ask for
	}
	for _, finding := range kit.Lint(otelkittest.Registry{}) {
		if !slices.Contains(known, finding.ID+":"+finding.Attribute) {
			t.Error(finding)
		}
	}
	kit.ScoresAtLeast(100)
	kit.NoOpenSpans()
	kit.ExemplarsResolve()
}
