package logstore

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var at = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const traceID = "0102030405060708090a0b0c0d0e0f10"

func openStore(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return at.Add(time.Minute) }
	t.Cleanup(func() { s.Close() })
	return s
}

// shopLogs are three records: an info of main in a trace, an error of payments
// in the same trace, and a record with no severity and no trace.
func shopLogs() plog.Logs {
	ld := plog.NewLogs()
	mainLog := service(ld, "main")
	placed := add(mainLog, at, plog.SeverityNumberInfo, "order placed")
	placed.SetTraceID(pcommon.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	placed.SetSpanID(pcommon.SpanID{1, 2, 3, 4, 5, 6, 7, 8})
	placed.SetSeverityText("INFO")
	placed.Attributes().PutStr("http.route", "/checkout")
	placed.Attributes().PutInt("items", 3)
	placed.Attributes().PutEmptyMap("user").PutStr("country", "DE")

	declined := add(service(ld, "payments"), at.Add(time.Second), plog.SeverityNumberError2, "card declined: insufficient funds")
	declined.SetTraceID(placed.TraceID())
	odd := add(mainLog, time.Time{}, plog.SeverityNumberUnspecified, "")
	odd.SetTimestamp(0)
	odd.SetObservedTimestamp(pcommon.NewTimestampFromTime(at.Add(2 * time.Second)))
	odd.Body().SetEmptyMap().PutStr("msg", "structured")
	return ld
}

func service(ld plog.Logs, name string) plog.LogRecordSlice {
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", name)
	rl.Resource().Attributes().PutStr("service.namespace", "shop")
	rl.Resource().Attributes().PutStr("host.name", "laptop")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("slog")
	return sl.LogRecords()
}

func add(to plog.LogRecordSlice, t time.Time, sev plog.SeverityNumber, body string) plog.LogRecord {
	r := to.AppendEmpty()
	r.SetTimestamp(pcommon.NewTimestampFromTime(t))
	r.SetSeverityNumber(sev)
	r.Body().SetStr(body)
	return r
}

func write(t *testing.T, s *Store, ld plog.Logs) {
	t.Helper()
	if out, err := s.Write(t.Context(), ld); err != nil || out.Stored != int64(ld.LogRecordCount()) {
		t.Fatalf("Write = %+v, %v", out, err)
	}
}

func TestLogQLFindsWhatItDescribesAlsoAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs.db")
	s := openStore(t, path)
	write(t, s, shopLogs())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, path)
	for query, want := range map[string]string{ // the first letters of the lines, earliest first
		`{}`:                         "oc{",
		`{service_name="main"}`:      "o{",
		`{service_name=~"main|pay"}`: "o{", // patterns match all of it
		`{service_name=~"pay.+", service_namespace="shop"}`: "c",
		`{service_name!="main"}`:                            "c",
		`{service_name!~"pay.*",}`:                          "o{",
		`{level="error"}`:                                   "c",
		`{level="unknown"}`:                                 "{",
		`{deployment_environment_name=""}`:                  "oc{",
		`{} |= "declined"`:                                  "c",
		`{} != "declined"`:                                  "o{",
		`{} |~ "^order (placed|lost)$"`:                     "o",
		`{} !~ "order|card"`:                                "{",
		"{} |= `order` |= `placed`":                         "o",
		`{} | trace_id="` + traceID + `"`:                   "oc",
		`{service_name="main"} | trace_id = "` + traceID + `" |= "order"`: "o",
		`{} | trace_id=""`:                "{",
		`{} | trace_id!=""`:               "oc",
		`{} | trace_id=~"0102.*"`:         "oc",
		`{} | span_id="0102030405060708"`: "o",
		`{} | http_route="/checkout"`:     "o",
		`{} | http_route!="/checkout"`:    "c{",
		`{} | items="3"`:                  "o",
		`{} | user_country=~"DE|FR"`:      "o",
		`{} | host_name="laptop"`:         "oc{",
		`{} | severity_text="INFO"`:       "o",
		`{} | severity_number="18"`:       "c",
		`{} | detected_level="error"`:     "c",
		`{} | level="error"`:              "c",
		`{} | scope_name="slog"`:          "oc{",
	} {
		records, err := s.Query(t.Context(), Query{LogQL: query, Forward: true})
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		got := ""
		for _, r := range records {
			got += r.Line[:1]
		}
		if got != want {
			t.Errorf("%s finds %q, want %q", query, got, want)
		}
	}
}

func TestLogQLOutsideTheSubsetIsRefusedWithWhatIsSupported(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "logs.db"))
	for _, query := range []string{
		``, `order`, `{service_name="a"`, `{service_name}`, `{service_name=a}`, `{service_name="a" level="b"}`,
		`{http_route="/"}`, `{} | json`, `{} | items > 3`, `{} |= order`, `{} |~ "("`, `{level=~"("}`, `{} "x"`,
		`rate({level="error"}[5m])`, `{} | a="1" or b="2"`,
	} {
		_, err := s.Query(t.Context(), Query{LogQL: query})
		if !errors.Is(err, ErrBadQuery) || !strings.Contains(err.Error(), "lens understands") {
			t.Errorf("%s: %v, want ErrBadQuery with what is supported", query, err)
		}
	}
}

func request(t *testing.T, s *Store, method, path string, form url.Values, header http.Header) (int, string) {
	t.Helper()
	mux := http.NewServeMux()
	s.Register(mux)
	if method == "GET" && form != nil {
		path += "?" + form.Encode()
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestTheAPISpeaksLoki(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "logs.db"))
	write(t, s, shopLogs())
	query := url.Values{"query": {`{service_name="main"} | trace_id="` + traceID + `"`}, "start": {"1795521600000000000"}, "end": {"2026-11-24T12:00:05Z"}, "limit": {"10"}}
	merged := `{"data":{"resultType":"streams","result":[{"stream":{"detected_level":"info","host_name":"laptop","http_route":"/checkout","items":"3","level":"info","scope_name":"slog",` +
		`"service_name":"main","service_namespace":"shop","severity_number":"9","severity_text":"INFO","span_id":"0102030405060708","trace_id":"` + traceID + `","user_country":"DE"},` +
		`"values":[["1795521600000000000","order placed"]]}],"stats":{}},"status":"success"}`
	for _, method := range []string{"GET", "POST"} {
		if code, body := request(t, s, method, "/loki/api/v1/query_range", query, nil); code != 200 || body != merged {
			t.Errorf("%s: %d\n got %s\nwant %s", method, code, body, merged)
		}
	}
	apart := `{"data":{"resultType":"streams","encodingFlags":["categorize-labels"],"result":[{"stream":{"level":"info","service_name":"main","service_namespace":"shop"},` +
		`"values":[["1795521600000000000","order placed",{"structuredMetadata":{"detected_level":"info","host_name":"laptop","http_route":"/checkout","items":"3","scope_name":"slog",` +
		`"severity_number":"9","severity_text":"INFO","span_id":"0102030405060708","trace_id":"` + traceID + `","user_country":"DE"}}]]}],"stats":{}},"status":"success"}`
	header := http.Header{"X-Loki-Response-Encoding-Flags": {"categorize-labels"}}
	if _, body := request(t, s, "GET", "/loki/api/v1/query_range", query, header); body != apart {
		t.Errorf("categorized:\n got %s\nwant %s", body, apart)
	}
	for path, want := range map[string]string{
		"/loki/api/v1/labels":                             `{"data":["level","service_name","service_namespace"],"status":"success"}`,
		"/loki/api/v1/label/service_name/values":          `{"data":["main","payments"],"status":"success"}`,
		"/loki/api/v1/label/level/values?start=1":         `{"data":["error","info","unknown"],"status":"success"}`,
		"/loki/api/v1/label/level/values?since=1ms":       `{"data":[],"status":"success"}`,
		"/loki/api/v1/label/http_route/values":            `{"data":[],"status":"success"}`,
		"/loki/api/v1/query_range?query=%7B%7D&start=1.5": "",
	} {
		if code, body := request(t, s, "GET", path, nil, nil); code != 200 || want != "" && body != want {
			t.Errorf("%s: %d\n got %s\nwant %s", path, code, body, want)
		}
	}
}

func TestTheLatestComeFirstUnlessAskedOtherwise(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "logs.db"))
	write(t, s, shopLogs())
	for direction, want := range map[string]string{"": "structured", "backward": "structured", "forward": "order placed"} {
		_, body := request(t, s, "GET", "/loki/api/v1/query_range", url.Values{"query": {"{}"}, "limit": {"1"}, "direction": {direction}}, nil)
		if !strings.Contains(body, want) {
			t.Errorf("direction %q: %s does not contain %q", direction, body, want)
		}
	}
}

func TestBadRequestsSayWhatIsWrong(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "logs.db"))
	for query, want := range map[string]string{
		"query={}&limit=0":                    "limit",
		"query={}&limit=9999":                 "limit",
		"query={}&direction=up":               "direction",
		"query={}&start=soon":                 "start",
		"query={}&since=x":                    "since",
		"query={}&start=20&end=10":            "end is before start",
		"query=sum(rate({}[5m]))":             "lens understands",
		"query=" + url.QueryEscape(`{a="b"}`): "not a stream label",
	} {
		code, body := request(t, s, "GET", "/loki/api/v1/query_range?"+query, nil, nil)
		if code != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want 400 with %q", query, code, body, want)
		}
	}
}
