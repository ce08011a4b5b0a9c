package tracestore

import (
	"encoding/binary"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

// batch is what an SDK exports at a time: 512 spans of traces of 8.
func batch(n int, at time.Time) ptrace.Traces {
	td := ptrace.NewTraces()
	spans := service(td, "main")
	for i := range 512 {
		s := addSpan(spans, 0, byte(i%8+1), byte(i%8), "GET /products/{id}", ptrace.SpanKindServer, at.Add(time.Duration(i)*time.Millisecond), 20*time.Millisecond)
		id := s.TraceID()
		binary.BigEndian.PutUint64(id[:], uint64(n)<<8|uint64(i/8)+1)
		s.SetTraceID(id)
		s.Attributes().PutStr("http.route", "/products/{id}")
		s.Attributes().PutStr("http.request.method", "GET")
		s.Attributes().PutInt("http.response.status_code", 200)
	}
	return td
}

// BenchmarkWrite measures one export of 512 spans, and the bytes of a span on
// disk.
func BenchmarkWrite(b *testing.B) {
	s, err := Open(b.Context(), Config{Path: filepath.Join(b.TempDir(), "traces.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	n := 0
	for b.Loop() {
		n++
		if out, err := s.Write(b.Context(), batch(n, start)); err != nil || out.Stored != 512 {
			b.Fatal(out, err)
		}
	}
	if u, err := s.Usage(b.Context()); err == nil {
		b.ReportMetric(float64(u.Bytes)/float64(u.Rows), "bytes/span")
	}
	b.ReportMetric(float64(n)*512/b.Elapsed().Seconds(), "spans/s")
}

// BenchmarkSearch measures a search by attribute, which looks at every span,
// among 100,000.
func BenchmarkSearch(b *testing.B) {
	s, err := Open(b.Context(), Config{Path: filepath.Join(b.TempDir(), "traces.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for n := range 200 {
		if _, err := s.Write(b.Context(), batch(n, start)); err != nil {
			b.Fatal(err)
		}
	}
	for name, query := range map[string]string{"none": `{ span.http.route = "/none" }`, "all": `{ span.http.route = "/products/{id}" }`, "latest": ``} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Search(b.Context(), Search{Query: query}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
