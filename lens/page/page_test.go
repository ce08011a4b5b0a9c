package page

import (
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/lens/dashboard"
	"github.com/otelkit/kit/lens/logstore"
	"github.com/otelkit/kit/lens/promstore"
	"github.com/otelkit/kit/lens/tracestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	traceID = "0102030405060708090a0b0c0d0e0f10"
	// evil is text that would run, or break the page, if it were not escaped.
	evil = `"><script>alert('x')</script><img src=x onerror=alert(1)>`
)

var id = pcommon.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// newPage returns a page over empty stores.
func newPage(t *testing.T, dashboards ...dashboard.Dashboard) *Page {
	t.Helper()
	dir := t.TempDir()
	metrics, err := promstore.Open(promstore.Config{Dir: filepath.Join(dir, "metrics"), Retention: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { metrics.Close() })
	traces, err := tracestore.Open(t.Context(), tracestore.Config{Path: filepath.Join(dir, "traces.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { traces.Close() })
	logs, err := logstore.Open(t.Context(), logstore.Config{Path: filepath.Join(dir, "logs.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { logs.Close() })
	return New(Config{Metrics: metrics, Traces: traces, Logs: logs, Dashboards: dashboards, Version: "1.2.3"})
}

// fill gives the page a trace, a log record and metrics with an exemplar.
// What users can name is named text.
func fill(t *testing.T, p *Page, text string) {
	t.Helper()
	now := time.Now().Add(-time.Second) // every span has ended
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", text)
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	add := func(span, parent byte, name string, after, took time.Duration) ptrace.Span {
		s := spans.AppendEmpty()
		s.SetTraceID(id)
		s.SetSpanID(pcommon.SpanID{7: span})
		if parent != 0 {
			s.SetParentSpanID(pcommon.SpanID{7: parent})
		}
		s.SetName(name)
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(after)))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(now.Add(after + took)))
		return s
	}
	failed := add(2, 1, text+" child", 10*time.Millisecond, 50*time.Millisecond)
	failed.Status().SetCode(ptrace.StatusCodeError)
	failed.Status().SetMessage(text)
	failed.Attributes().PutStr(text, text)
	e := failed.Events().AppendEmpty()
	e.SetName(text)
	e.SetTimestamp(failed.StartTimestamp())
	e.Attributes().PutStr("exception.message", text)
	failed.Links().AppendEmpty().SetTraceID(pcommon.TraceID{15: 9})
	add(1, 0, text+" root", 0, 100*time.Millisecond)
	add(3, 9, text+" orphan", 20*time.Millisecond, time.Millisecond)
	if _, err := p.Traces.Write(t.Context(), td); err != nil {
		t.Fatal(err)
	}

	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", text)
	rec := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	rec.SetTimestamp(pcommon.NewTimestampFromTime(now))
	rec.SetSeverityNumber(plog.SeverityNumberError)
	rec.SetTraceID(id)
	rec.Body().SetStr(text)
	rec.Attributes().PutStr("note", text)
	if _, err := p.Logs.Write(t.Context(), ld); err != nil {
		t.Fatal(err)
	}

	for i, ago := range []time.Duration{30 * time.Second, 0} {
		if _, err := p.Metrics.Write(t.Context(), requests(text, now.Add(-time.Minute), now.Add(-ago), uint64(i+1))); err != nil {
			t.Fatal(err)
		}
	}
}

// requests is a latency histogram of n requests of 0.5 s, with an exemplar.
func requests(service string, started, at time.Time, n uint64) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", service)
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("http.server.request.duration")
	m.SetUnit("s")
	h := m.SetEmptyHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := h.DataPoints().AppendEmpty()
	p.SetStartTimestamp(pcommon.NewTimestampFromTime(started))
	p.SetTimestamp(pcommon.NewTimestampFromTime(at))
	p.Attributes().PutInt("http.response.status_code", 500)
	p.ExplicitBounds().FromRaw([]float64{0.1, 1})
	p.BucketCounts().FromRaw([]uint64{0, n, 0})
	p.SetCount(n)
	p.SetSum(0.5 * float64(n))
	e := p.Exemplars().AppendEmpty()
	e.SetTimestamp(pcommon.NewTimestampFromTime(at))
	e.SetDoubleValue(0.5)
	e.SetTraceID(id)
	e.SetSpanID(pcommon.SpanID{7: 1})
	return md
}

func get(t *testing.T, p *Page, path string) (int, string) {
	t.Helper()
	mux := http.NewServeMux()
	p.Register(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	if got := w.Header().Get("Content-Security-Policy"); strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") && got != policy {
		t.Errorf("%s: Content-Security-Policy %q", path, got)
	}
	return w.Code, w.Body.String()
}

var shop = dashboard.Dashboard{
	UID: "shop", Title: "Shop", Description: "How the shop does.",
	Variables: []dashboard.Variable{{Name: "service", Label: "Service", All: ".+"}},
	Panels: []dashboard.Panel{
		{Title: "Latency", Type: "timeseries", Unit: "s", Description: "How long?", Targets: []dashboard.Target{{Source: dashboard.Prometheus, RefID: "A", Legend: "p95 of {{service_name}}",
			Expr: `histogram_quantile(0.95, sum by (le, service_name) (rate(http_server_request_duration_seconds_bucket{service_name=~"$service"}[$__rate_interval])))`}}},
		{Title: "Requests", Type: "stat", Unit: "short", Targets: []dashboard.Target{{Source: dashboard.Prometheus, RefID: "A", Expr: `sum(http_server_request_duration_seconds_count)`}}},
		{Title: "Errors", Type: "logs", Row: "Details", Targets: []dashboard.Target{{Source: dashboard.Loki, RefID: "A", Expr: `{level="error"}`}}},
		{Title: "Failed", Type: "table", Row: "Details", Targets: []dashboard.Target{{Source: dashboard.Tempo, RefID: "A", Expr: `{ status = error }`}}},
		{Title: "Nothing", Type: "timeseries", Targets: []dashboard.Target{{Source: dashboard.Prometheus, RefID: "A", Expr: `nothing`}}},
		{Title: "Broken", Type: "timeseries", Targets: []dashboard.Target{{Source: dashboard.Prometheus, RefID: "A", Expr: `vector(1) and ignoring() 5`}}},
		{Title: "Profile", Type: "flamegraph", Targets: []dashboard.Target{{Source: "pyroscope", RefID: "A"}}},
		{Title: "Note", Type: "text", Text: "read me"},
	},
}

func TestEveryViewShowsItsData(t *testing.T) {
	p := newPage(t, shop)
	fill(t, p, "main")
	for path, want := range map[string][]string{
		"/": {"<th scope=\"row\">main</th>", "100 %", `<a href="/dashboards/shop">Shop</a>`, `<a href="/traces/` + traceID + `">main: main root</a>`,
			`<span class="level level-error">error</span>`, "No alerting rules are loaded"},
		"/traces":                           {"main: main root", "100 ms"},
		"/traces?q=%7B+name+%3D+1+%7D":      {`role="alert"`, "lens understands"},
		"/traces?q=%7B+name+%3D+%22x%22%7D": {"No trace matches."},
		"/traces/" + traceID: {"3 spans of main", "main child", "exception.message", "its parent 0000000000000009 is not here", `x="100.0" y="1" width="500.0"`,
			`<a href="/traces/00000000000000000000000000000009">`, "Logs of this trace", "detected_level"},
		"/logs": {"<code>{}</code>", "<summary>main</summary>", `<a href="/traces/` + traceID + `"`},
		"/logs?service=main&level=error&text=ma&trace=" + traceID: {`<option selected>main</option>`, `{service_name=&#34;main&#34;, level=&#34;error&#34;} |= &#34;ma&#34; | trace_id=&#34;` + traceID, "<summary>main</summary>"},
		"/logs?text=other":                  {"No log record matches."},
		"/dashboards/shop":                  {"p95 of main", `<a href="/traces/` + traceID + `" aria-label=`, "<title>500 ms at ", "<dd>2</dd>", "<h2>Details</h2>", "No data in the last 15 minutes.", "query A: ", "lens has no data of pyroscope", "read me", "main: main root"},
		"/dashboards/shop?var-service=none": {`value="none"`},
		"/static/style.css":                 {":root"},
		"/static/icon.svg":                  {"<svg"},
	} {
		code, body := get(t, p, path)
		if code != 200 {
			t.Errorf("%s: status %d", path, code)
		}
		for _, part := range want {
			if !strings.Contains(body, part) {
				t.Errorf("%s lacks %q:\n%s", path, part, body)
			}
		}
	}
	if _, body := get(t, p, "/dashboards/shop?var-service=none"); strings.Contains(body, "p95 of main") {
		t.Error("a variable did not choose")
	}
}

func TestAnEmptyLensSaysWhatToDo(t *testing.T) {
	p := newPage(t)
	for path, want := range map[string]string{"/": "OTEL_EXPORTER_OTLP_ENDPOINT", "/traces": "No trace matches.", "/logs": "No log record matches."} {
		if code, body := get(t, p, path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, want %q in\n%s", path, code, want, body)
		}
	}
}

func TestGrafanasPathLeadsToTheDashboard(t *testing.T) {
	mux, res := http.NewServeMux(), httptest.NewRecorder()
	newPage(t).Register(mux)
	mux.ServeHTTP(res, httptest.NewRequest(http.MethodGet, "/d/shop?from=now-1h&to=now", nil))
	if got := res.Header().Get("Location"); res.Code != http.StatusFound || got != "/dashboards/shop" {
		t.Errorf("%d to %q, want 302 to /dashboards/shop", res.Code, got)
	}
}

func TestWhatIsNotHereIs404(t *testing.T) {
	p := newPage(t)
	for path, want := range map[string]string{
		"/traces/" + traceID: "trace " + traceID + " is not here", "/traces/zz": "trace zz is not here", "/dashboards/none": "dashboard none is not here",
	} {
		if code, body := get(t, p, path); code != 404 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, want 404 and %q in\n%s", path, code, want, body)
		}
	}
}

// element matches what may stand in no view: scripts, handlers, inline style.
var element = regexp.MustCompile(`(?i)<script|<img|\son\w+\s*=|\sstyle\s*=|javascript:`)

func TestTelemetryCannotPutMarkupOnThePage(t *testing.T) {
	d := shop
	d.Title, d.Description = evil, evil
	d.Panels = append([]dashboard.Panel{{Title: evil, Description: evil, Type: evil, Text: evil, Unit: evil,
		Targets: []dashboard.Target{{Source: dashboard.Prometheus, RefID: evil, Legend: evil, Expr: `http_server_request_duration_seconds_count`}}}}, shop.Panels...)
	d.Variables = []dashboard.Variable{{Name: evil, Label: evil, Current: []string{evil}}}
	p := newPage(t, d)
	fill(t, p, evil)
	for _, path := range []string{"/", "/traces", "/traces?q=" + evilQuery, "/traces/" + traceID, "/logs", "/logs?text=" + evilQuery + "&service=" + evilQuery, "/dashboards/shop", "/dashboards/" + evilQuery} {
		_, body := get(t, p, path)
		if found := element.FindString(strings.ReplaceAll(body, "&lt;img src=x onerror=", "")); found != "" {
			t.Errorf("%s holds %q:\n%s", path, found, body)
		}
		if !strings.Contains(body, "&lt;script&gt;") {
			t.Errorf("%s does not show the text at all", path)
		}
	}
}

const evilQuery = "%22%3E%3Cscript%3Ealert('x')%3C%2Fscript%3E"

func TestSpansThatAreEachOthersAncestorsAreStillShown(t *testing.T) {
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for _, pair := range [][2]byte{{1, 2}, {2, 1}, {3, 3}} {
		s := spans.AppendEmpty()
		s.SetSpanID(pcommon.SpanID{7: pair[0]})
		s.SetParentSpanID(pcommon.SpanID{7: pair[1]})
	}
	if v := waterfall(td); len(v.Spans) != 3 {
		t.Errorf("%d of 3 spans are shown", len(v.Spans))
	}
}

func TestChildrenStandUnderTheirParentsInOrderOfTheirStart(t *testing.T) {
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for _, s := range []struct{ id, parent, start byte }{{4, 1, 3}, {1, 0, 1}, {3, 2, 9}, {2, 1, 2}} {
		span := spans.AppendEmpty()
		span.SetSpanID(pcommon.SpanID{7: s.id})
		if s.parent != 0 {
			span.SetParentSpanID(pcommon.SpanID{7: s.parent})
		}
		span.SetStartTimestamp(pcommon.Timestamp(s.start))
	}
	got := ""
	for _, line := range waterfall(td).Spans {
		got += strings.Repeat(" ", line.Depth) + line.ID[15:] + "\n"
	}
	if want := "1\n 2\n  3\n 4\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestValuesArePrintedInTheirUnits(t *testing.T) {
	for _, c := range []struct {
		unit string
		v    float64
		want string
	}{
		{"s", 0.25, "250 ms"}, {"s", 1.5, "1.50 s"}, {"s", 90, "1.50 min"}, {"s", 0, "0 s"}, {"s", 0.0000123, "12.3 µs"}, {"s", 1e-12, "0.00100 ns"},
		{"ms", 250, "250 ms"}, {"bytes", 1536, "1.50 KiB"}, {"bytes", 0, "0 B"}, {"Bps", 1 << 20, "1 MiB/s"},
		{"percentunit", 0.9995, "100.0 %"}, {"percentunit", 0.123, "12.3 %"}, {"percent", 50, "50 %"},
		{"reqps", 0.333, "0.333 req/s"}, {"short", 12345, "12.3 k"}, {"", 42, "42"}, {"none", -1500, "-1.50 k"},
		{"{order}", 3, "3 {order}"}, {"short", math.NaN(), "–"}, {"short", math.Inf(1), "∞"},
	} {
		if got := formatUnit(c.unit, c.v); got != c.want {
			t.Errorf("%v in %q = %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}

func TestALineHasGapsWhereThereAreNoPointsAndALonePointIsSeen(t *testing.T) {
	start := time.Unix(0, 0)
	c := newChart("t", "", start, start.Add(dashboardRange))
	at := func(steps int, v float64) promstore.Point {
		return promstore.Point{Time: start.Add(time.Duration(steps) * dashboardStep), Value: v}
	}
	c.add("a", []promstore.Point{at(0, 1), at(1, 2), at(2, math.NaN()), at(5, 1), at(8, 0), at(9, 0)})
	c.add("nothing", []promstore.Point{at(0, math.NaN())})
	if !c.finish() || len(c.Lines) != 1 {
		t.Fatalf("%d lines", len(c.Lines))
	}
	if got, want := regexp.MustCompile(`[0-9.,]`).ReplaceAllString(c.Lines[0].Path, ""), "MLMhML"; got != want {
		t.Errorf("path %s has the shape %s, want %s", c.Lines[0].Path, got, want)
	}
	if c.Lines[0].Min != "0" || c.Lines[0].Max != "2" || c.Lines[0].Last != "0" || len(c.YAxis) < 3 {
		t.Errorf("legend %+v, axis %+v", c.Lines[0], c.YAxis)
	}
}

func TestAChartThatIsFullSaysHowManySeriesAreMissing(t *testing.T) {
	start := time.Unix(0, 0)
	c := newChart("t", "", start, start.Add(dashboardRange))
	for range maxLines + 3 {
		c.add("a", []promstore.Point{{Time: start, Value: 5}})
	}
	if c.finish(); len(c.Lines) != maxLines || c.More != 3 {
		t.Errorf("%d lines and %d more", len(c.Lines), c.More)
	}
}
