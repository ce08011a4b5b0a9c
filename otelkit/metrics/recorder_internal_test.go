package metrics

import (
	"testing"

	"go.opentelemetry.io/otel/metric/noop"
)

func TestAContextKeepsTheRecorderThatWasTheDefaultWhenItWasMade(t *testing.T) {
	before, searched := process.Load(), inContexts.Load()
	t.Cleanup(func() {
		process.Store(before)
		inContexts.Store(searched)
	})
	process.Store(nil)
	inContexts.Store(false)
	first, second := NewRecorder(noop.NewMeterProvider()), NewRecorder(noop.NewMeterProvider())
	SetDefault(first)
	ctx := NewContext(t.Context(), first)
	if inContexts.Load() {
		t.Error("contexts are searched, though they hold what the process has")
	}
	SetDefault(second)
	if got := FromContext(ctx); got != first {
		t.Error("a context that holds the first recorder leads to the second one, which became the default later")
	}
	if got := FromContext(t.Context()); got != second {
		t.Error("a context that holds none does not lead to the default")
	}
}
