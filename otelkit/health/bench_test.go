package health_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/health"
)

// nowhere is a ResponseWriter that costs nothing itself.
type nowhere struct{ header http.Header }

func (w nowhere) Header() http.Header         { return w.header }
func (w nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (w nowhere) WriteHeader(int)             {}

// probed returns the handlers of a checker that has results.
func probed(t testing.TB, c *health.Checker) map[string]http.Handler {
	until(t, "ready", func() bool { return get(c.Ready()).Code == http.StatusOK })
	return map[string]http.Handler{"live": c.Live(), "startup": c.Startup(), "ready": c.Ready(), "overview": c.Overview(), "details": c.Details()}
}

// What the handler of a probe costs, that of Details with four checks included.
//
//	go test ./otelkit/health -run '^$' -bench Probe -benchmem
func BenchmarkProbe(b *testing.B) {
	c := start(b, health.Config{Checks: (&shop{}).checks()})
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, handler := range probed(b, c) {
		b.Run(name, func(b *testing.B) {
			w := nowhere{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(w, request)
			}
		})
	}
}

// What a result costs, the making of all answers included, four checks long.
func BenchmarkResult(b *testing.B) {
	c := start(b, health.Config{Checks: (&shop{}).checks()})
	probed(b, c)
	b.ReportAllocs()
	for b.Loop() {
		c.Drain() // publishes anew, as a result does
	}
}

func TestAProbeDoesNotAllocate(t *testing.T) {
	checks := (&shop{}).checks()
	for i := range checks {
		checks[i].Interval = time.Hour // else what a run allocates is counted too
	}
	c := start(t, health.Config{Checks: checks})
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, handler := range probed(t, c) {
		w := nowhere{http.Header{}}
		if n := testing.AllocsPerRun(1000, func() { handler.ServeHTTP(w, request) }); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
