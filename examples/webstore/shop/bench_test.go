package shop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/internal/redistest"
	"github.com/otelkit/kit/otelkit"
)

// What a request costs with all that is in front of its handler: whose it is and
// how much they may ask. Redis is miniredis in this process, whose work is in
// the figures, or a redis-server.
//
//	go test ./shop -run '^$' -bench Request
func BenchmarkRequest(b *testing.B) {
	servers := map[string]string{"miniredis": "redis://" + miniredis.RunT(b).Addr()}
	if redistest.Available(b) {
		servers["redis-server"], _ = redistest.Start(b)
	}
	for name, url := range servers {
		for _, limit := range []int{0, 1_000_000} {
			b.Run(fmt.Sprintf("%s/limit=%d", name, limit), func(b *testing.B) {
				nowhere := "http://127.0.0.1:1"
				cfg := Config{
					DatabaseURL: pgtest.URL(b), RedisURL: url, DemoData: true, passwordMemory: 64,
					PaymentsURL: nowhere, PromotionsURL: nowhere, InventoryURL: nowhere, CRMURL: nowhere,
					LimitPerAddress: limit, LimitPerUser: limit,
				}
				kit, err := otelkit.Start(b.Context(), otelkit.Config{Service: "bench"})
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { _ = kit.Shutdown(b.Context()) })
				s, closeAll, err := open(b.Context(), cfg, kit)
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(closeAll)
				handler := s.handler(kit, nil)
				calls := new(calls)
				s.cache.client.Load().AddHook(calls)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/DE/products", nil)
					r.RemoteAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 4711).String()
					r.Header.Set("Authorization", "Bearer "+alice)
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, r)
					if w.Code != http.StatusOK {
						b.Fatalf("%d %s", w.Code, w.Body)
					}
				}
				names, _ := calls.made()
				b.ReportMetric(float64(len(names))/float64(b.N), "redis-calls/op")
			})
		}
	}
}
