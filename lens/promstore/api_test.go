package promstore

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	jsoniter "github.com/json-iterator/go"
	"github.com/otelkit/kit/internal/testlimit"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/jsonutil"
)

func request(t *testing.T, s *Store, method, path string, form url.Values) (int, string) {
	t.Helper()
	mux := http.NewServeMux()
	s.Register(mux)
	r := httptest.NewRequestWithContext(t.Context(), method, path+"?"+form.Encode(), nil)
	if method == http.MethodPost {
		r = httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: Content-Type %q", method, path, got)
	}
	return w.Code, w.Body.String()
}

// seconds prints a time as the API does.
func seconds(t time.Time) string {
	return string(encode(func(s *jsoniter.Stream) { jsonutil.MarshalTimestamp(t.UnixMilli(), s) }))
}

func TestTheAPISpeaksPrometheus(t *testing.T) {
	s := openStore(t, t.TempDir())
	now := time.Now().Truncate(time.Second).Add(-500 * time.Millisecond)
	e := newExport(now, now) // started now: no zero before
	e.counter("shop.orders", 5, "payment.method", "card")
	e.gauge("pool.utilization", 0.5)
	addExemplar(e.latency("http.server.request.duration", 0.5).Exemplars(), now, 0.5)
	write(t, s, e)
	ts, before := seconds(now), seconds(now.Add(-time.Second))
	common := `"instance":"i-1","job":"shop/main"`
	service := `"service_instance_id":"i-1","service_name":"main","service_namespace":"shop","service_version":"1.2.3"`

	for _, c := range []struct {
		path string
		form url.Values
		want string
	}{
		{"query", url.Values{"query": {`shop_orders_total`}, "time": {ts}},
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"shop_orders_total",` + common + `,"payment_method":"card",` + service + `},"value":[` + ts + `,"5"]}]}}`},
		{"query", url.Values{"query": {`vector(0)/0`}, "time": {"10.5"}},
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[10.500,"NaN"]}]}}`},
		{"query", url.Values{"query": {`-1/0`}, "time": {"1970-01-01T00:00:10Z"}},
			`{"status":"success","data":{"resultType":"scalar","result":[10,"-Inf"]}}`},
		{"query", url.Values{"query": {`"text"`}, "time": {"10.05"}},
			`{"status":"success","data":{"resultType":"string","result":[10.050,"text"]}}`},
		{"query", url.Values{"query": {`nothing`}},
			`{"status":"success","data":{"resultType":"vector","result":[]}}`},
		{"query", url.Values{"query": {`shop_orders_total[1s]`}, "time": {ts}},
			`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"shop_orders_total",` + common + `,"payment_method":"card",` + service + `},"values":[[` + ts + `,"5"]]}]}}`},
		{"query", url.Values{"query": {`{job="shop/main"}`}, "time": {ts}, "limit": {"1"}}, ""},
		{"query", url.Values{"query": {`rate(pool_utilization_ratio[1m])`}, "time": {ts}},
			`{"status":"success","data":{"resultType":"vector","result":[]}}`},
		{"query_range", url.Values{"query": {`sum(shop_orders_total)`}, "start": {before}, "end": {ts}, "step": {"0.5"}},
			`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[` + ts + `,"5"]]}]}}`},
		{"query_exemplars", url.Values{"query": {`rate(http_server_request_duration_seconds_bucket[1m])`}, "start": {before}, "end": {ts}},
			`{"status":"success","data":[{"seriesLabels":{"__name__":"http_server_request_duration_seconds_bucket",` + common + `,"le":"1",` + service + `},` +
				`"exemplars":[{"labels":{"span_id":"0102030405060708","trace_id":"0102030405060708090a0b0c0d0e0f10"},"value":"0.5","timestamp":` + ts + `}]}]}`},
		{"query_exemplars", url.Values{"query": {`nothing`}},
			`{"status":"success","data":[]}`},
		{"series", url.Values{"match[]": {`shop_orders_total`, `nothing`}},
			`{"status":"success","data":[{"__name__":"shop_orders_total",` + common + `,"payment_method":"card",` + service + `}]}`},
		{"series", url.Values{"match[]": {`nothing`}},
			`{"status":"success","data":[]}`},
		{"labels", url.Values{"match[]": {`shop_orders_total`, `pool_utilization_ratio`}},
			`{"status":"success","data":["__name__","instance","job","payment_method","service_instance_id","service_name","service_namespace","service_version"]}`},
		{"labels", url.Values{"limit": {"2"}},
			`{"status":"success","data":["__name__","host_name"],"warnings":["results truncated due to limit"]}`},
	} {
		for _, method := range []string{"GET", "POST"} {
			code, body := request(t, s, method, "/api/v1/"+c.path, c.form)
			if c.want == "" {
				if !strings.Contains(body, `"warnings":["results truncated due to limit"]`) {
					t.Errorf("%s %s %v: %s lacks the remark on truncation", method, c.path, c.form, body)
				}
				continue
			}
			if code != 200 || body != c.want {
				t.Errorf("%s %s %v: %d\n got %s\nwant %s", method, c.path, c.form, code, body, c.want)
			}
		}
	}
	for path, want := range map[string]string{
		"/api/v1/label/__name__/values":             `{"status":"success","data":["http_server_request_duration_seconds_bucket","http_server_request_duration_seconds_count","http_server_request_duration_seconds_sum","pool_utilization_ratio","shop_orders_total","target_info"]}`,
		"/api/v1/label/nothing/values":              `{"status":"success","data":[]}`,
		"/api/v1/label/U__le/values":                `{"status":"success","data":["+Inf","0.1","1"]}`,
		"/api/v1/alerts":                            `{"status":"success","data":{"alerts":[]}}`,
		"/api/v1/rules":                             `{"status":"success","data":{"groups":[]}}`,
		"/api/v1/metadata?metric=nothing":           `{"status":"success","data":{}}`,
		"/api/v1/metadata?metric=shop_orders_total": `{"status":"success","data":{"shop_orders_total":[{"type":"counter","help":"What shop.orders counts.","unit":""}]}}`,
	} {
		u, _ := url.Parse(path)
		if code, body := request(t, s, "GET", u.Path, u.Query()); code != 200 || body != want {
			t.Errorf("%s: %d\n got %s\nwant %s", path, code, body, want)
		}
	}
	if _, body := request(t, s, "GET", "/api/v1/status/buildinfo", nil); !strings.Contains(body, `"version":"`+Version+`"`) {
		t.Errorf("buildinfo: %s", body)
	}
}

func TestErrorsHaveTheTypesAndCodesOfPrometheus(t *testing.T) {
	s := openStore(t, t.TempDir())
	now := time.Now()
	for _, who := range []string{"a", "b"} {
		e := newExport(now.Add(-time.Minute), now)
		e.counter("shop.orders", 5, "who", who)
		write(t, s, e)
	}
	ok := url.Values{"query": {"up"}, "start": {"10"}, "end": {"20"}, "step": {"1"}}
	with := func(pairs ...string) url.Values {
		v := url.Values{}
		for k := range ok {
			v[k] = ok[k]
		}
		for i := 0; i < len(pairs); i += 2 {
			v[pairs[i]] = []string{pairs[i+1]}
		}
		return v
	}
	for _, c := range []struct {
		path string
		form url.Values
		code int
		typ  string
	}{
		{"query", url.Values{"query": {"sum("}}, 400, "bad_data"},
		{"query", url.Values{}, 400, "bad_data"},
		{"query", with("time", "noon"), 400, "bad_data"},
		{"query", with("timeout", "x"), 400, "bad_data"},
		{"query", with("limit", "-1"), 400, "bad_data"},
		{"query", with("lookback_delta", "x"), 400, "bad_data"},
		{"query", with("query", `count(shop_orders_total) * on() shop_orders_total * on() shop_orders_total`, "time", seconds(now)), 422, "execution"},
		{"query", with("query", `sum_over_time(vector(1)[20h:1ms])`, "timeout", "1ms", "time", "100000"), 503, "timeout"},
		{"query_range", with("step", "0"), 400, "bad_data"},
		{"query_range", with("step", "-1"), 400, "bad_data"},
		{"query_range", with("step", ""), 400, "bad_data"},
		{"query_range", with("start", ""), 400, "bad_data"},
		{"query_range", with("end", "5"), 400, "bad_data"},
		{"query_range", with("end", "100000"), 400, "bad_data"},
		{"query_exemplars", with("query", "{"), 400, "bad_data"},
		{"series", url.Values{}, 400, "bad_data"},
		{"series", url.Values{"match[]": {`{a=~".*"}`}}, 400, "bad_data"},
		{"labels", url.Values{"match[]": {`{`}}, 400, "bad_data"},
	} {
		code, body := request(t, s, "POST", "/api/v1/"+c.path, c.form)
		if code != c.code || !strings.HasPrefix(body, `{"status":"error","errorType":"`+c.typ+`","error":"`) {
			t.Errorf("%s %v: %d %s, want %d %s", c.path, c.form, code, body, c.code, c.typ)
		}
	}
	if code, body := request(t, s, "GET", "/api/v1/rules", url.Values{"type": {"x"}}); code != 400 {
		t.Errorf("rules?type=x: %d %s", code, body)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Instant(ctx, "shop_orders_total", now); typed(err).typ != "canceled" || typed(err).code != 499 {
		t.Errorf("a query whose client left: %v is %+v", err, typed(err))
	}
}

func TestNativeHistogramsAndOddValuesAreEncoded(t *testing.T) {
	h := &histogram.FloatHistogram{
		Schema: 0, Count: 7, Sum: 18.4, ZeroThreshold: 0.001, ZeroCount: 2,
		PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []float64{1, 2},
		NegativeSpans: []histogram.Span{{Offset: 0, Length: 1}}, NegativeBuckets: []float64{2},
	}
	got := string(encodeResult(promql.Matrix{{
		Metric:     labels.FromStrings("__name__", "h", "quoted", `"<&`),
		Floats:     []promql.FPoint{{T: 1, F: math.Inf(1)}, {T: 1010, F: 1e21}, {T: -1500, F: 0.0000001}},
		Histograms: []promql.HPoint{{T: 2000, H: h}},
	}}))
	want := `{"resultType":"matrix","result":[{"metric":{"__name__":"h","quoted":"\"<&"},"values":[[0.001,"+Inf"],[1.010,"1e+21"],[-1.500,"1e-07"]],` +
		`"histograms":[[2,{"count":"7","sum":"18.4","buckets":[[1,"-1","-0.5","2"],[3,"-0.001","0.001","2"],[0,"0.5","1","1"],[0,"1","2","2"]]}]]}]}`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

const shopRules = `
groups:
  - name: shop
    interval: 100ms
    rules:
      - record: job:orders:sum
        expr: sum by (job) (shop_orders_total)
        labels: {team: shop}
      - alert: ManyOrders
        expr: job:orders:sum > 3
        labels: {severity: page}
        annotations:
          summary: '{{ $labels.job }} has {{ $value }} orders'
      - alert: ManyOrdersForLong
        expr: job:orders:sum > 3
        for: 1h
`

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx := testlimit.Context(t)
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestRulesRecordAndFireAndKeepTheirStateOverARestart(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, "shop.yml", shopRules)
	s := openStore(t, dir, file)
	e := newExport(time.Now().Add(-time.Minute), time.Now())
	e.counter("shop.orders", 5)
	write(t, s, e)
	eventually(t, "ManyOrders fires", func() bool {
		rules := s.AlertRules()
		return len(rules) == 2 && rules[0].Name == "ManyOrders" && rules[0].State == "firing"
	})
	alert := s.AlertRules()[0].Alerts[0]
	if alert.Annotations["summary"] != "shop/main has 5 orders" || alert.Labels["severity"] != "page" || alert.Value != 5 {
		t.Errorf("alert = %+v", alert)
	}
	eventually(t, "the pending alert's state is stored", func() bool {
		return value(t, s, `ALERTS_FOR_STATE{alertname="ManyOrdersForLong"}`, time.Now()) > 0
	})
	since := s.AlertRules()[1].Alerts[0].ActiveSince

	_, body := request(t, s, "GET", "/api/v1/rules", nil)
	times := regexp.MustCompile(`"(evaluationTime|lastEvaluation|activeAt)":("[^"]*"|[0-9.e-]+)`)
	got := times.ReplaceAllString(strings.ReplaceAll(body, file, "FILE"), `"$1":0`)
	want := `{"status":"success","data":{"groups":[{"name":"shop","file":"FILE","rules":[` +
		`{"name":"job:orders:sum","query":"sum by (job) (shop_orders_total)","labels":{"team":"shop"},"health":"ok","evaluationTime":0,"lastEvaluation":0,"type":"recording"},` +
		`{"state":"firing","name":"ManyOrders","query":"job:orders:sum \u003e 3","duration":0,"keepFiringFor":0,"labels":{"severity":"page"},"annotations":{"summary":"{{ $labels.job }} has {{ $value }} orders"},` +
		`"alerts":[{"labels":{"alertname":"ManyOrders","job":"shop/main","severity":"page","team":"shop"},"annotations":{"summary":"shop/main has 5 orders"},"state":"firing","activeAt":0,"value":"5e+00"}],` +
		`"health":"ok","evaluationTime":0,"lastEvaluation":0,"type":"alerting"},` +
		`{"state":"pending","name":"ManyOrdersForLong","query":"job:orders:sum \u003e 3","duration":3600,"keepFiringFor":0,"labels":{},"annotations":{},` +
		`"alerts":[{"labels":{"alertname":"ManyOrdersForLong","job":"shop/main","team":"shop"},"annotations":{},"state":"pending","activeAt":0,"value":"5e+00"}],` +
		`"health":"ok","evaluationTime":0,"lastEvaluation":0,"type":"alerting"}],"interval":0.1,"limit":0,"evaluationTime":0,"lastEvaluation":0}]}}`
	if got != want {
		t.Errorf("rules:\n got %s\nwant %s", got, want)
	}
	for query, want := range map[string]int{"type=record": 1, "type=alert": 2, "rule_name[]=ManyOrders": 1, "rule_group[]=other": 0, "file[]=other": 0, "exclude_alerts=true&type=alert": 2} {
		form, _ := url.ParseQuery(query)
		_, body := request(t, s, "GET", "/api/v1/rules", form)
		if got := strings.Count(body, `"type":"`); got != want {
			t.Errorf("rules?%s lists %d rules, want %d", query, got, want)
		}
	}
	_, body = request(t, s, "GET", "/api/v1/alerts", nil)
	if got := strings.Count(body, `"state":"`); got != 2 {
		t.Errorf("alerts lists %d, want 2: %s", got, body)
	}

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, file)
	eventually(t, "the alert is pending since before the restart", func() bool {
		alerts := s.AlertRules()[1].Alerts
		return len(alerts) == 1 && alerts[0].ActiveSince.Sub(since).Abs() < 30*time.Second && alerts[0].State == "pending" &&
			!alerts[0].ActiveSince.After(since.Add(time.Second))
	})
}

func TestARuleThatFailsSaysWhyAndTheOthersGoOn(t *testing.T) {
	s := openStore(t, t.TempDir(), writeFile(t, "r.yml", `
groups:
  - name: g
    rules:
      - {alert: Broken, expr: 'vector(1) * on() group_left() (vector(1) or label_replace(vector(2), "a", "b", "", ""))'}
      - {alert: Sound, expr: vector(1)}
`))
	<-s.rules.running // after the first evaluation
	rules := s.AlertRules()
	if rules[0].Name != "Sound" || rules[0].State != "firing" {
		t.Errorf("first is %+v, want Sound, firing", rules[0])
	}
	if rules[1].LastError == "" {
		t.Errorf("second is %+v, want an error", rules[1])
	}
}

func TestBadRuleFilesAreRefusedOnOneLineThatNamesThem(t *testing.T) {
	empty := t.TempDir()
	for name, c := range map[string]struct{ content, want string }{
		"not YAML":      {"groups: [", "did not find expected node content"},
		"unknown field": {"groups:\n- name: g\n  rulez: []\n", "field rulez not found"},
		"bad PromQL":    {"groups:\n- name: g\n  rules:\n  - {record: a, expr: 'sum('}\n", "could not parse expression"},
		"bad template":  {"groups:\n- name: g\n  rules:\n  - {alert: a, expr: b, annotations: {x: '{{ .No'}}\n", "template"},
		"two mistakes":  {"groups:\n- name: g\n  rules:\n  - {record: a, expr: 'sum('}\n  - {record: b, expr: 'sum('}\n", "(and 1 more)"},
		"no groups":     {"{}\n", "it holds no rule group"},
	} {
		file := writeFile(t, "rules.yml", c.content)
		_, err := RuleFiles([]string{file})
		if err == nil || !strings.HasPrefix(err.Error(), "rules: "+file+": ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with the file and %q", name, err, c.want)
		}
	}
	for path, want := range map[string]string{empty: "holds no .yml", filepath.Join(empty, "none.yml"): "no such file"} {
		if _, err := RuleFiles([]string{path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	good := writeFile(t, "a.yaml", shopRules)
	if files, err := RuleFiles([]string{filepath.Dir(good), good}); err != nil || len(files) != 2 {
		t.Errorf("a folder and a file: %v, %v", files, err)
	}
}
