package otlp

import (
	"bytes"
	gz "compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	"github.com/otelkit/kit/lens/tally"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeSink notes what it gets and answers as told.
type fakeSink struct {
	rejection Rejection
	err       error

	mu      sync.Mutex
	got     []string
	refused []string
}

func (s *fakeSink) note(what string, n int) (Rejection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, fmt.Sprintf("%d %s", n, what))
	return s.rejection, s.err
}

func (s *fakeSink) WriteTraces(_ context.Context, td ptrace.Traces) (Rejection, error) {
	return s.note("spans", td.SpanCount())
}

func (s *fakeSink) WriteMetrics(_ context.Context, md pmetric.Metrics) (Rejection, error) {
	return s.note("points", md.DataPointCount())
}

func (s *fakeSink) WriteLogs(_ context.Context, ld plog.Logs) (Rejection, error) {
	return s.note("records", ld.LogRecordCount())
}

func (s *fakeSink) Refused(signal tally.Signal, cause, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, string(signal)+": "+cause)
}

func (s *fakeSink) refusals() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.refused, ", ")
}

func twoSpans() ptraceotlp.ExportRequest {
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	spans.AppendEmpty().SetName("a")
	spans.AppendEmpty().SetName("b")
	return ptraceotlp.NewExportRequestFromTraces(td)
}

func onePoint() pmetricotlp.ExportRequest {
	md := pmetric.NewMetrics()
	md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty().SetEmptyGauge().DataPoints().AppendEmpty()
	return pmetricotlp.NewExportRequestFromMetrics(md)
}

func oneRecord() plogotlp.ExportRequest {
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	return plogotlp.NewExportRequestFromLogs(ld)
}

func post(t *testing.T, to Sink, path string, header http.Header, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", path, bytes.NewReader(body))
	r.Header = header
	w := httptest.NewRecorder()
	NewHandler(to).ServeHTTP(w, r)
	return w
}

func contentType(f format) http.Header { return http.Header{"Content-Type": {string(f)}} }

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gz.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHTTPTakesEverySignalInEveryEncoding(t *testing.T) {
	for path, c := range map[string]struct {
		req  encoder
		want string
	}{
		"/v1/traces":  {twoSpans(), "2 spans"},
		"/v1/metrics": {onePoint(), "1 points"},
		"/v1/logs":    {oneRecord(), "1 records"},
	} {
		for _, f := range []format{protobuf, json} {
			for _, compressed := range []bool{false, true} {
				sink := &fakeSink{}
				body, err := f.encode(c.req)
				if err != nil {
					t.Fatal(err)
				}
				header := contentType(f)
				if compressed {
					header.Set("Content-Encoding", "gzip")
					body = gzipped(t, body)
				}
				w := post(t, sink, path, header, body)
				if w.Code != 200 || w.Header().Get("Content-Type") != string(f) || strings.Join(sink.got, ",") != c.want {
					t.Errorf("%s %s gzip=%v: %d %s, sink got %v, want %s", path, f, compressed, w.Code, w.Body, sink.got, c.want)
				}
			}
		}
	}
}

func TestHTTPSaysWhatWasRejected(t *testing.T) {
	sink := &fakeSink{rejection: Rejection{1, "no trace id"}}
	body, _ := json.encode(twoSpans())
	w := post(t, sink, "/v1/traces", contentType(json), body)
	if want := `{"partialSuccess":{"rejectedSpans":"1","errorMessage":"no trace id"}}`; w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s, want 200 %s", w.Code, w.Body, want)
	}
}

func TestHTTPAnswersErrorsWithAStatusInTheClientsEncoding(t *testing.T) {
	spans, _ := protobuf.encode(twoSpans())
	huge := bytes.Repeat([]byte("x"), MaxRequest+1)
	for name, c := range map[string]struct {
		sink    *fakeSink
		header  http.Header
		body    []byte
		code    int
		in      string // of the answer
		refused string
	}{
		"busy":              {&fakeSink{err: fmt.Errorf("traces: %w", ErrBusy)}, contentType(protobuf), spans, 503, "traces: busy", ""},
		"broken disk":       {&fakeSink{err: errors.New("disk full")}, contentType(protobuf), spans, 500, "disk full", ""},
		"not protobuf":      {&fakeSink{}, contentType(protobuf), []byte("hello"), 400, "", "traces: unreadable request"},
		"not JSON":          {&fakeSink{}, contentType(json), []byte("{"), 400, `"code":3`, "traces: unreadable request"},
		"text":              {&fakeSink{}, contentType("text/plain"), spans, 415, "is not supported: send application/x-protobuf or application/json", "traces: unreadable request"},
		"no type":           {&fakeSink{}, http.Header{}, spans, 415, "is not supported", "traces: unreadable request"},
		"zstd":              {&fakeSink{}, http.Header{"Content-Type": {string(json)}, "Content-Encoding": {"zstd"}}, spans, 415, "send gzip or none", "traces: unreadable request"},
		"not gzip":          {&fakeSink{}, http.Header{"Content-Type": {string(json)}, "Content-Encoding": {"gzip"}}, spans, 400, "gzip", "traces: unreadable request"},
		"too large":         {&fakeSink{}, contentType(protobuf), huge, 413, "more than 16777216 bytes", "traces: request too large"},
		"a bomb":            {&fakeSink{}, http.Header{"Content-Type": {string(protobuf)}, "Content-Encoding": {"gzip"}}, gzipped(t, huge), 413, "more than 16777216 bytes", "traces: request too large"},
		"charset is no bar": {&fakeSink{}, contentType("application/json; charset=utf-8"), []byte(`{}`), 200, "{}", ""},
	} {
		w := post(t, c.sink, "/v1/traces", c.header, c.body)
		if w.Code != c.code || !strings.Contains(strings.ReplaceAll(w.Body.String(), `"code": `, `"code":`), c.in) || c.sink.refusals() != c.refused {
			t.Errorf("%s: %d %q, refused %q; want %d, %q, %q", name, w.Code, w.Body, c.sink.refusals(), c.code, c.in, c.refused)
		}
		if retry := w.Header().Get("Retry-After") != ""; retry != (c.code == 503) {
			t.Errorf("%s: Retry-After %q", name, w.Header().Get("Retry-After"))
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/traces", nil)
	w := httptest.NewRecorder()
	NewHandler(&fakeSink{}).ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func dial(t *testing.T, to Sink) *grpc.ClientConn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewGRPCServer(to)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := server.Serve(ln); err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient(ln.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		wg.Wait()
	})
	return conn
}

func TestGRPCTakesEverySignal(t *testing.T) {
	sink := &fakeSink{rejection: Rejection{1, "why"}}
	conn := dial(t, sink)
	traces, err := ptraceotlp.NewGRPCClient(conn).Export(t.Context(), twoSpans(), grpc.UseCompressor(gzip.Name))
	if err != nil || traces.PartialSuccess().RejectedSpans() != 1 || traces.PartialSuccess().ErrorMessage() != "why" {
		t.Errorf("traces: %v, %v", traces, err)
	}
	metrics, err := pmetricotlp.NewGRPCClient(conn).Export(t.Context(), onePoint())
	if err != nil || metrics.PartialSuccess().RejectedDataPoints() != 1 {
		t.Errorf("metrics: %v, %v", metrics, err)
	}
	logs, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), oneRecord())
	if err != nil || logs.PartialSuccess().RejectedLogRecords() != 1 {
		t.Errorf("logs: %v, %v", logs, err)
	}
	if got := strings.Join(sink.got, ", "); got != "2 spans, 1 points, 1 records" {
		t.Errorf("sink got %s", got)
	}
}

func TestGRPCTellsClientsToTryAgainOnlyWhenThatHelps(t *testing.T) {
	for _, c := range []struct {
		err  error
		want codes.Code
	}{
		{fmt.Errorf("logs: %w", ErrBusy), codes.Unavailable},
		{errors.New("disk full"), codes.Internal},
		{context.Canceled, codes.Canceled},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
	} {
		_, err := plogotlp.NewGRPCClient(dial(t, &fakeSink{err: c.err})).Export(t.Context(), oneRecord())
		if status.Code(err) != c.want {
			t.Errorf("%v becomes %v, want %v", c.err, err, c.want)
		}
	}
}

func TestGRPCCountsWhatItTurnsAway(t *testing.T) {
	sink := &fakeSink{}
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(strings.Repeat("x", MaxRequest+1))
	client := plogotlp.NewGRPCClient(dial(t, sink))
	if _, err := client.Export(t.Context(), plogotlp.NewExportRequestFromLogs(ld)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a huge request: %v, want ResourceExhausted", err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for sink.refusals() == "" {
		<-tick.C // the server counts after it has answered
	}
	if got := sink.refusals(); got != "logs: unreadable request" {
		t.Errorf("refused %q", got)
	}
	if _, err := client.Export(t.Context(), oneRecord()); err != nil {
		t.Errorf("a small request afterwards: %v", err)
	}
}
