package payments

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/otelkit/kit/examples/webstore/paymentprovider"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/logs"
)

// What a payment costs, with every trace sent and with telemetry off. CPU-µs/op is
// of this process, in which the provider and who receives the telemetry are, too;
// PostgreSQL is not.
//
//	go test ./payments -run '^$' -bench Pay -benchtime 2000x -count 5
func BenchmarkPay(b *testing.B) {
	for _, telemetered := range []bool{true, false} {
		b.Run(fmt.Sprintf("telemetry=%v", telemetered), func(b *testing.B) {
			b.Setenv("OTEL_SDK_DISABLED", fmt.Sprint(!telemetered))
			b.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
			b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", serve(b, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
			})))
			kit, err := otelkit.Start(b.Context(), otelkit.Config{Service: telemetry.PaymentsService, Catalogs: catalogs(), Logs: logs.Config{Output: io.Discard}})
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := kit.Shutdown(b.Context()); err != nil {
					b.Error(err)
				}
			}()
			_, p := run(b, pgtest.URL(b), serve(b, paymentprovider.Handler(paymentprovider.Config{})), usualPatience, kit)
			service := p.handler(kit, nil)
			pay := func(key string) {
				request := httptest.NewRequestWithContext(b.Context(), "POST", "/payments", strings.NewReader(order))
				request.Header.Set("Content-Type", "application/json")
				request.Header.Set("Idempotency-Key", key)
				recorder := httptest.NewRecorder()
				service.ServeHTTP(recorder, request)
				if recorder.Code != http.StatusOK {
					b.Fatalf("got %d %s", recorder.Code, recorder.Body)
				}
			}
			pay("first")
			before := cpu(b)
			for i := 0; b.Loop(); i++ {
				pay(fmt.Sprint("order-", i))
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "CPU-µs/op")
		})
	}
}

// cpu is the time that this process has worked.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
