package tracestore

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func openStore(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// checkout is a trace of two services: a server span of main, its client span
// to payments, and the server span there, which failed.
func checkout(trace byte, at time.Time) ptrace.Traces {
	td := ptrace.NewTraces()
	mainSpans := service(td, "main")
	payments := service(td, "payments")

	root := addSpan(mainSpans, trace, 1, 0, "POST /checkout", ptrace.SpanKindServer, at, 200*time.Millisecond)
	root.Attributes().PutStr("http.route", "/checkout")
	root.Attributes().PutInt("http.response.status_code", 402)
	root.Attributes().PutBool("shop.retried", false)
	root.Attributes().PutDouble("shop.weight", 1.5)
	items := root.Attributes().PutEmptySlice("shop.items")
	items.AppendEmpty().SetStr("tea")
	root.Events().AppendEmpty().SetName("cart locked")

	addSpan(mainSpans, trace, 2, 1, "POST", ptrace.SpanKindClient, at.Add(50*time.Millisecond), 100*time.Millisecond)
	charge := addSpan(payments, trace, 3, 2, "POST /charge", ptrace.SpanKindServer, at.Add(60*time.Millisecond), 80*time.Millisecond)
	charge.Status().SetCode(ptrace.StatusCodeError)
	charge.Status().SetMessage("card declined")
	return td
}

func service(td ptrace.Traces, name string) ptrace.SpanSlice {
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", name)
	rs.Resource().Attributes().PutStr("deployment.environment.name", "test")
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("shop/" + name)
	ss.Scope().SetVersion("1.2.3")
	return ss.Spans()
}

func addSpan(to ptrace.SpanSlice, trace, id, parent byte, name string, kind ptrace.SpanKind, at time.Time, took time.Duration) ptrace.Span {
	s := to.AppendEmpty()
	s.SetTraceID(pcommon.TraceID{15: trace})
	s.SetSpanID(pcommon.SpanID{7: id})
	if parent != 0 {
		s.SetParentSpanID(pcommon.SpanID{7: parent})
	}
	s.SetName(name)
	s.SetKind(kind)
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(at))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(at.Add(took)))
	return s
}

func write(t *testing.T, s *Store, td ptrace.Traces) {
	t.Helper()
	want := int64(td.SpanCount())
	if out, err := s.Write(t.Context(), td); err != nil || out.Stored != want {
		t.Fatalf("Write = %+v, %v; want %d stored", out, err, want)
	}
}

func TestATraceComesOutAsItWentInAlsoAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traces.db")
	s := openStore(t, path)
	in := checkout(1, start)
	write(t, s, in)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := openStore(t, path).Trace(t.Context(), pcommon.TraceID{15: 1})
	if err != nil {
		t.Fatal(err)
	}
	m := ptrace.JSONMarshaler{}
	want, _ := m.MarshalTraces(in)
	got, _ := m.MarshalTraces(out)
	if string(got) != string(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAClientThatTriesAgainDoesNotDoubleATrace(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "traces.db"))
	write(t, s, checkout(1, start))
	out, err := s.Write(t.Context(), checkout(1, start))
	if err != nil || out.Stored != 0 || out.Duplicate != 3 || out.Dropped() != 0 {
		t.Errorf("second Write = %+v, %v; want 3 duplicates", out, err)
	}
}

func TestASpanWithoutIdsIsDroppedAndItsNeighboursAreKept(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "traces.db"))
	td := checkout(1, start)
	td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).SetTraceID(pcommon.TraceID{})
	out, err := s.Write(t.Context(), td)
	if err != nil || out.Stored != 2 || len(out.Drops) != 1 || out.Drops[0].Cause != "no id" {
		t.Errorf("Write = %+v, %v; want 2 stored and 1 dropped for having no id", out, err)
	}
}

func TestTraceQLFindsWhatItDescribes(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "traces.db"))
	write(t, s, checkout(1, start))
	for query, want := range map[string]int{ // how many of the three spans match
		``:                                   3,
		`{}`:                                 3,
		`{ }`:                                3,
		`{ resource.service.name = "main" }`: 2,
		`{resource.service.name="payments"&&status=error}`:        1,
		`{ name = "POST /charge" }`:                               1,
		`{ name =~ "POST /.*" }`:                                  2,
		`{ name =~ "POST" }`:                                      1, // patterns match all of it
		`{ name !~ "POST /.*" }`:                                  1,
		`{ kind = server && duration > 100ms }`:                   1,
		`{ duration >= 80ms && duration <= 100ms }`:               2,
		`{ span.http.route = "/checkout" }`:                       1,
		`{ span.http.route != "/other" }`:                         1, // absent is not different
		`{ .http.route = "/checkout" }`:                           1,
		`{ ."http.route" = "/checkout" }`:                         1,
		`{ .service.name = "main" }`:                              2,
		`{ resource.http.route = "/checkout" }`:                   0,
		`{ span.http.response.status_code >= 400 }`:               1,
		`{ span.http.response.status_code = "402" }`:              0, // a number is not text
		`{ span.http.response.status_code < 400 }`:                0,
		`{ span.shop.retried = false }`:                           1,
		`{ span.shop.retried != false }`:                          0,
		`{ span.shop.weight > 1.25 }`:                             1,
		`{ status != error && resource.service.name =~ "pay.+" }`: 0,
		"{ name = `POST /charge` }":                               1,
	} {
		hits, err := s.Search(t.Context(), Search{Query: query})
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		got := 0
		for _, h := range hits {
			got += h.Matched
		}
		if got != want {
			t.Errorf("%s matches %d spans, want %d", query, got, want)
		}
	}
}

func TestTraceQLOutsideTheSubsetIsRefusedWithWhatIsSupported(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "traces.db"))
	for _, query := range []string{
		`{ name = "a" || name = "b" }`,
		`{ name = "a" } && { name = "b" }`,
		`{ name = "a" } | count() > 1`,
		`{ name = a }`,
		`{ name = "a }`,
		`{ name > "a" }`,
		`{ status = broken }`,
		`{ status > ok }`,
		`{ duration > 5 }`,
		`{ duration > "5s" }`,
		`{ span.x = }`,
		`{ span.x = word }`,
		`{ span.x =~ 5 }`,
		`{ span.x =~ "(" }`,
		`{ span. = "x" }`,
		`{ span.x > true }`,
		`{ traceDuration > 5s }`,
		`{ name = "a"`,
		`name = "a"`,
		`{ ."a\"b" = "x" }`,
	} {
		_, err := s.Search(t.Context(), Search{Query: query})
		if !errors.Is(err, ErrBadQuery) || !strings.Contains(err.Error(), "lens understands") {
			t.Errorf("%s: %v, want ErrBadQuery with what is supported", query, err)
		}
	}
}

func TestSearchReturnsTheLatestFirstWithinTimeAndDuration(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "traces.db"))
	for i := range byte(5) {
		write(t, s, checkout(i+1, start.Add(time.Duration(i)*time.Minute)))
	}
	single := ptrace.NewTraces()
	addSpan(service(single, "main"), 9, 1, 0, "long", ptrace.SpanKindInternal, start, time.Hour)
	write(t, s, single)

	ids := func(q Search) string {
		hits, err := s.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		out := ""
		for _, h := range hits {
			out += strings.TrimLeft(h.TraceID, "0")
		}
		return out
	}
	for _, c := range []struct {
		q    Search
		want string
	}{
		{Search{Limit: 3}, "543"},
		{Search{Start: start.Add(90 * time.Second), End: start.Add(3 * time.Minute)}, "43"},
		{Search{MinDuration: time.Minute}, "9"},
		{Search{MaxDuration: time.Minute, Limit: 2}, "54"},
		{Search{Query: `{ name = "long" }`}, "9"},
	} {
		if got := ids(c.q); got != c.want {
			t.Errorf("%+v finds %s, want %s", c.q, got, c.want)
		}
	}
}

// get returns what the API answers.
func get(t *testing.T, s *Store, path string, accept string) (int, http.Header, string) {
	t.Helper()
	mux := http.NewServeMux()
	s.Register(mux)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Result().Body)
	return w.Code, w.Header(), string(body)
}

func TestTheAPISpeaksTempo(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "traces.db"))
	write(t, s, checkout(1, start))
	id := strings.Repeat("0", 31) + "1"

	for _, path := range []string{"/api/traces/" + id, "/api/traces/1"} {
		code, _, body := get(t, s, path, "")
		var v1 struct{ Batches []json.RawMessage }
		if err := json.Unmarshal([]byte(body), &v1); err != nil || code != 200 || len(v1.Batches) != 2 {
			t.Errorf("%s: %d %v %s", path, code, err, body)
		}
		if want := `"traceId":"` + id + `","spanId":"0000000000000001"`; !strings.Contains(body, want) {
			t.Errorf("%s: %s does not contain %s", path, body, want)
		}
	}
	_, _, body := get(t, s, "/api/v2/traces/"+id, "")
	var v2 struct {
		Trace struct{ ResourceSpans []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(body), &v2); err != nil || len(v2.Trace.ResourceSpans) != 2 {
		t.Errorf("v2: %v %s", err, body)
	}

	u := ptrace.ProtoUnmarshaler{}
	_, header, body := get(t, s, "/api/traces/"+id, "application/protobuf")
	if td, err := u.UnmarshalTraces([]byte(body)); err != nil || td.SpanCount() != 3 || header.Get("Content-Type") != "application/protobuf" {
		t.Errorf("protobuf: %v", err)
	}
	_, _, body = get(t, s, "/api/v2/traces/"+id, "application/protobuf")
	if body[0] != 0x0a {
		t.Errorf("v2 protobuf starts with %x, want field 1", body[0])
	}

	code, _, body := get(t, s, "/api/search?limit=5&spss=1&start=1&end=4000000000&q="+url.QueryEscape(`{ status = error }`), "")
	want := `{"traces":[{"traceID":"` + id + `","rootServiceName":"main","rootTraceName":"POST /checkout","startTimeUnixNano":"1795521600000000000","durationMs":200,` +
		`"spanSet":{"spans":[{"spanID":"0000000000000003","name":"POST /charge","startTimeUnixNano":"1795521600060000000","durationNanos":"80000000","attributes":[{"key":"service.name","value":{"stringValue":"payments"}}]}],"matched":1},` +
		`"spanSets":[{"spans":[{"spanID":"0000000000000003","name":"POST /charge","startTimeUnixNano":"1795521600060000000","durationNanos":"80000000","attributes":[{"key":"service.name","value":{"stringValue":"payments"}}]}],"matched":1}]}],"metrics":{"inspectedTraces":1}}`
	if code != 200 || body != want {
		t.Errorf("search: %d\n got %s\nwant %s", code, body, want)
	}

	for path, want := range map[string]string{
		"/api/search/tags":                                 `{"tagNames":["deployment.environment.name","service.name","http.response.status_code","http.route","shop.items","shop.retried","shop.weight"]}`,
		"/api/search/tag/service.name/values":              `{"tagValues":["main","payments"]}`,
		"/api/v2/search/tag/resource.service.name/values":  `{"tagValues":[{"type":"string","value":"main"},{"type":"string","value":"payments"}]}`,
		"/api/v2/search/tag/status/values":                 `{"tagValues":[{"type":"keyword","value":"error"},{"type":"keyword","value":"ok"},{"type":"keyword","value":"unset"}]}`,
		"/api/echo":                                        "echo",
		"/api/search?tags=service.name%3Dnobody":           `{"traces":[],"metrics":{"inspectedTraces":0}}`,
		"/api/search?tags=name%3D%22GET+%2F%22+a%3Db&q=":   `{"traces":[],"metrics":{"inspectedTraces":0}}`,
		"/api/search?q=%7Bname%3D%22x%22%7D&minDuration=1": "bad query: minDuration: \"1\" is not a duration such as 100ms\n",
	} {
		if _, _, body := get(t, s, path, ""); body != want {
			t.Errorf("%s:\n got %s\nwant %s", path, body, want)
		}
	}
}

func TestBadRequestsSayWhatIsWrong(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "traces.db"))
	for path, want := range map[string]int{
		"/api/traces/xyz":                        400,
		"/api/traces/" + strings.Repeat("0", 33): 400,
		"/api/traces/abc":                        404,
		"/api/v2/traces/abc":                     404,
		"/api/search?limit=x":                    400,
		"/api/search?limit=100000":               400,
		"/api/search?start=tomorrow":             400,
		"/api/search?tags=a":                     400,
		"/api/search?tags=a%3D%22x":              400,
		"/api/search?tags=a%3Db&q=%7B%7D":        400,
		"/api/search?q=%7Bnope%7D":               400,
		"/api/search/tag/a%22b/values":           400,
	} {
		if code, _, body := get(t, s, path, ""); code != want {
			t.Errorf("%s: %d %s, want %d", path, code, body, want)
		}
	}
}

func TestServicesAreThoseOfLate(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "traces.db"))
	write(t, s, checkout(1, start))
	services, err := s.Services(t.Context(), start.Add(-time.Second))
	if err != nil || len(services) != 2 || services[0].Name != "main" || !services[0].LastSeen.Equal(start.Add(50*time.Millisecond)) {
		t.Errorf("Services = %+v, %v", services, err)
	}
	if services, err := s.Services(t.Context(), start.Add(time.Hour)); err != nil || len(services) != 0 {
		t.Errorf("Services an hour later = %+v, %v", services, err)
	}
}
