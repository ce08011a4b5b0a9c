package checkup_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/checkup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is the machines of a store: each part is a host of its name. All is well
// there, but for what a test changes.
type world struct {
	hosts map[string]http.HandlerFunc
	delay time.Duration // before each answer

	mu    sync.Mutex
	asked []string
}

func newWorld() *world {
	return &world{hosts: map[string]http.HandlerFunc{
		"main": service("pass", map[string]string{
			"postgres": "pass", "redis": "pass", "payments": "pass", "promotions": "pass", "crm": "pass", "inventory": "pass",
		}),
		"payments":         service("pass", map[string]string{"postgres": "pass", "payment-provider": "pass"}),
		"promotions":       service("pass", map[string]string{"postgres": "pass"}),
		"payment-provider": json200(`{"status":"healthy"}`),
		"crm":              json200(`{"status":"healthy"}`),
		"inventory":        json200(`{"status":"healthy"}`),
		"lens":             plain("lens is ready"),
		"prometheus":       prometheus("3.5"),
		"otel-collector":   json200(`{"status":"Server available"}`),
		"tempo":            plain("ready"),
		"loki":             plain("ready"),
		"alertmanager":     plain("OK"),
		"grafana":          json200(`{"database":"ok"}`),
		"frontend":         page,
	}}
}

func service(status string, checks map[string]string, output ...string) http.HandlerFunc {
	results := map[string]any{}
	for name, s := range checks {
		result := map[string]any{"status": s, "observedValue": 1.5, "observedUnit": "ms"}
		if s == "fail" && len(output) > 0 {
			result["output"] = output[0]
		}
		results[name+":responseTime"] = []any{result}
	}
	document := map[string]any{"status": status, "checks": results}
	if len(output) > 0 {
		document["output"] = output[0]
	}
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/health+json")
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if status == "fail" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(document)
	}
}

func answering(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		fmt.Fprint(w, body)
	}
}

func json200(body string) http.HandlerFunc { return answering("application/json", body) }
func plain(body string) http.HandlerFunc   { return answering("text/plain; charset=utf-8", body) }
func page(w http.ResponseWriter, r *http.Request) {
	answering("text/html; charset=utf-8", "<!doctype html>")(w, r)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// prometheus has telemetry that is so many seconds old, or none.
func prometheus(ages ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/-/ready" {
			return
		}
		var results []string
		for _, age := range ages {
			results = append(results, `{"metric":{},"value":[1,"`+age+`"]}`)
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, strings.Join(results, ","))
	}
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.asked = append(w.asked, r.URL.Host+r.URL.Path)
	w.mu.Unlock()
	handler := w.hosts[r.URL.Host]
	if handler == nil {
		return nil, errors.New("connection refused")
	}
	select {
	case <-time.After(w.delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	answer := httptest.NewRecorder()
	handler(answer, r)
	return answer.Result(), nil
}

// look looks at the parts named, or at all that can be asked.
func (w *world) look(t *testing.T, cfg checkup.Config, names ...string) checkup.Report {
	t.Helper()
	if len(names) == 0 {
		names = checkup.Addressable()
	}
	cfg.Transport, cfg.Addresses = w, map[string]string{}
	for _, name := range names {
		cfg.Addresses[name] = "http://" + name + "/"
	}
	report, err := checkup.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestAStoreInWhichAllIsWellIsHealthy(t *testing.T) {
	report := newWorld().look(t, checkup.Config{})
	if report.Overall != checkup.Healthy {
		t.Fatalf("got\n%v", report)
	}
	for _, name := range append(checkup.Addressable(), "postgres", "redis", "main-telemetry", "payments-telemetry", "promotions-telemetry") {
		if result := report.Results[name]; result.Status != checkup.Healthy || result.Error != "" || result.Impact != "" {
			t.Errorf("%s is %+v", name, result)
		}
	}
}

func TestWhatIsWrongIsFoundWithItsCauseAndWhatItMeans(t *testing.T) {
	without := func(names ...string) []string {
		return slices.DeleteFunc(checkup.Addressable(), func(name string) bool { return slices.Contains(names, name) })
	}
	for name, test := range map[string]struct {
		names   []string // of those who are asked; nil for all
		change  func(*world)
		overall checkup.Status
		part    string
		status  checkup.Status
		err     string
	}{
		"a third party is away": {
			change:  func(w *world) { delete(w.hosts, "crm") },
			overall: checkup.Degraded, part: "crm", status: checkup.Unhealthy, err: "connection refused",
		},
		"a third party fails": {
			change:  func(w *world) { w.hosts["inventory"] = status(500) },
			overall: checkup.Degraded, part: "inventory", status: checkup.Unhealthy, err: "answers 500 Internal Server Error to GET /health",
		},
		"a third party that cannot be asked is away": {
			names: without("payment-provider"),
			change: func(w *world) {
				w.hosts["payments"] = service("warn", map[string]string{"postgres": "pass", "payment-provider": "fail"}, "refused")
			},
			overall: checkup.Degraded, part: "payment-provider", status: checkup.Unhealthy, err: "payments: refused",
		},
		// The original took its single-page application, which has a page for every
		// path, for its payment provider.
		"another program is at the address": {
			change:  func(w *world) { w.hosts["payment-provider"] = page },
			overall: checkup.Degraded, part: "payment-provider", status: checkup.Unhealthy, err: "answers GET /health with a page; is payment-provider at that address?",
		},
		"another program is at main's address": {
			change:  func(w *world) { w.hosts["main"] = page },
			overall: checkup.Unhealthy, part: "main", status: checkup.Unhealthy, err: "not how it is; is main at that address?",
		},
		"something that redirects": {
			change: func(w *world) {
				w.hosts["tempo"] = func(w http.ResponseWriter, r *http.Request) {
					http.Redirect(w, r, "http://loki/ready", http.StatusFound)
				}
			},
			overall: checkup.Degraded, part: "tempo", status: checkup.Unhealthy, err: "answers 302 Found",
		},
		"no page at the front end": {
			change:  func(w *world) { w.hosts["frontend"] = json200("{}") },
			overall: checkup.Unhealthy, part: "frontend", status: checkup.Unhealthy, err: "with no page; is frontend at that address?",
		},
		"Redis is away": {
			change: func(w *world) {
				w.hosts["main"] = service("warn", map[string]string{"postgres": "pass", "redis": "fail"}, "refused")
			},
			overall: checkup.Degraded, part: "redis", status: checkup.Unhealthy, err: "main: refused",
		},
		"a run of a check has failed once": {
			change: func(w *world) {
				w.hosts["main"] = service("pass", map[string]string{"postgres": "pass", "redis": "warn"})
			},
			overall: checkup.Degraded, part: "redis", status: checkup.Degraded, err: "main says so",
		},
		"main misses Redis and tells no stranger why": {
			change: func(w *world) {
				w.hosts["main"] = service("warn", map[string]string{"postgres": "pass", "redis": "fail"})
			},
			overall: checkup.Degraded, part: "main", status: checkup.Degraded, err: "says that it misses redis",
		},
		"only one service misses PostgreSQL": {
			change:  func(w *world) { w.hosts["promotions"] = service("fail", map[string]string{"postgres": "fail"}) },
			overall: checkup.Unhealthy, part: "postgres", status: checkup.Unhealthy, err: "promotions says so",
		},
		"only main misses PostgreSQL": {
			change:  func(w *world) { w.hosts["main"] = service("fail", map[string]string{"postgres": "fail"}) },
			overall: checkup.Unhealthy, part: "postgres", status: checkup.Unhealthy, err: "main says so",
		},
		"a noncritical service is not ready": {
			names:   []string{"promotions", "lens"},
			change:  func(w *world) { w.hosts["promotions"] = service("fail", nil); w.hosts["lens"] = prometheus("1") },
			overall: checkup.Degraded, part: "promotions", status: checkup.Unhealthy, err: "takes no requests",
		},
		"nobody can tell of Redis": {
			change:  func(w *world) { delete(w.hosts, "main") },
			overall: checkup.Unhealthy, part: "redis", status: checkup.Unknown, err: "no service that uses it has answered",
		},
		"payments is away": {
			change:  func(w *world) { delete(w.hosts, "payments") },
			overall: checkup.Unhealthy, part: "payments", status: checkup.Unhealthy, err: "connection refused",
		},
		"telemetry is late": {
			change:  func(w *world) { w.hosts["prometheus"] = prometheus("271.4") },
			overall: checkup.Degraded, part: "main-telemetry", status: checkup.Unhealthy, err: "the newest is 4m31s old",
		},
		"no telemetry has arrived": {
			change:  func(w *world) { w.hosts["prometheus"] = prometheus() },
			overall: checkup.Degraded, part: "payments-telemetry", status: checkup.Unhealthy, err: "none has arrived",
		},
		"metrics cannot be asked for": {
			change:  func(w *world) { w.hosts["prometheus"] = status(500) },
			overall: checkup.Degraded, part: "main-telemetry", status: checkup.Unknown, err: "500 Internal Server Error",
		},
		"what answers for metrics is something else": {
			change:  func(w *world) { w.hosts["prometheus"] = json200(`{"data":3}`) },
			overall: checkup.Degraded, part: "main-telemetry", status: checkup.Unknown, err: "cannot be asked for",
		},
		"nobody answers": {
			change:  func(w *world) { clear(w.hosts) },
			overall: checkup.Unknown, part: "main", status: checkup.Unhealthy, err: "connection refused",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			test.change(w)
			report := w.look(t, checkup.Config{}, test.names...)
			result := report.Results[test.part]
			if report.Overall != test.overall || result.Status != test.status || !strings.Contains(result.Error, test.err) {
				t.Errorf("got %s, and of %s %+v; want %s, and %s because of %q in\n%v", report.Overall, test.part, result, test.overall, test.status, test.err, report)
			}
			if (result.Impact == "") != (result.Status == checkup.Degraded) {
				t.Errorf("without %s, which is %s, this does not work: %q", test.part, result.Status, result.Impact)
			}
		})
	}
}

func TestWhoNeedsWhatIsAwayIsNamed(t *testing.T) {
	w := newWorld()
	delete(w.hosts, "payments")
	delete(w.hosts, "lens")
	report := w.look(t, checkup.Config{}, "main", "payments", "lens")
	if got := report.Results["payments"].NeededBy; !slices.Equal(got, []string{"payments-telemetry", "main"}) {
		t.Errorf("payments is needed by %v", got)
	}
	if got := report.Results["lens"].NeededBy; !slices.Equal(got, []string{"main-telemetry", "payments-telemetry"}) {
		t.Errorf("lens is needed by %v", got)
	}
}

func TestAllAreAskedAtOnceAndNobodyIsWaitedForLongerThanIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = 4 * time.Second
		if report := w.look(t, checkup.Config{}); report.Took != 4*time.Second || report.Overall != checkup.Healthy {
			t.Errorf("took %v:\n%v", report.Took, report)
		}
		report := w.look(t, checkup.Config{Timeout: time.Second})
		if report.Took != time.Second || report.Overall != checkup.Unknown || report.Results["main"].Error != "no answer within 1s" {
			t.Errorf("took %v:\n%v", report.Took, report)
		}
	})
}

func TestALayerIsCheckedAlone(t *testing.T) {
	for layer, want := range map[checkup.Layer]struct{ parts, asked []string }{
		checkup.Datastores:   {[]string{"postgres", "redis"}, []string{"main", "payments", "promotions"}},
		checkup.Services:     {[]string{"main", "payments", "promotions"}, []string{"main", "payments", "promotions"}},
		checkup.ThirdParties: {[]string{"crm", "inventory", "payment-provider"}, []string{"crm", "inventory", "main", "payment-provider", "payments", "promotions"}},
		checkup.FrontEnd:     {[]string{"frontend"}, []string{"frontend"}},
		checkup.Telemetry: {
			[]string{"alertmanager", "grafana", "lens", "loki", "main-telemetry", "otel-collector", "payments-telemetry", "prometheus", "promotions-telemetry", "tempo"},
			[]string{"alertmanager", "grafana", "lens", "loki", "otel-collector", "prometheus", "tempo"},
		},
	} {
		t.Run(layer.String(), func(t *testing.T) {
			w := newWorld()
			report := w.look(t, checkup.Config{Layer: layer})
			if got := slices.Sorted(maps.Keys(report.Results)); !slices.Equal(got, want.parts) {
				t.Errorf("the report tells of %v, want %v", got, want.parts)
			}
			asked := map[string]bool{}
			for _, path := range w.asked {
				host, _, _ := strings.Cut(path, "/")
				asked[host] = true
			}
			if got := slices.Sorted(maps.Keys(asked)); !slices.Equal(got, want.asked) {
				t.Errorf("%v were asked, want %v", got, want.asked)
			}
		})
	}
}

func TestWhatCannotBeCheckedIsSaid(t *testing.T) {
	for name, test := range map[string]struct {
		cfg  checkup.Config
		want string
	}{
		"nobody to ask":           {checkup.Config{}, "there is nothing to ask"},
		"nobody in that layer":    {checkup.Config{Layer: checkup.FrontEnd, Addresses: map[string]string{"main": "http://main"}}, "there is nothing to ask"},
		"no such layer":           {checkup.Config{Layer: 6}, "there is no layer 6; there are 1 (datastores), 2 (telemetry)"},
		"no such part":            {checkup.Config{Addresses: map[string]string{"mian": "http://main"}}, `no part "mian" that has an address; there are lens,`},
		"one that has no address": {checkup.Config{Addresses: map[string]string{"postgres": "http://db"}}, `no part "postgres" that has an address`},
		"no URL":                  {checkup.Config{Addresses: map[string]string{"main": "localhost:8000"}}, `"localhost:8000" is not where main is; give a URL`},
		"negative":                {checkup.Config{Timeout: -1}, "is negative"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := checkup.Run(t.Context(), test.cfg)
			if err == nil || !strings.HasPrefix(err.Error(), "checkup: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestTheReportSaysFirstHowEachPartIsAndThenWhatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = 2 * time.Millisecond
		delete(w.hosts, "payments")
		w.hosts["main"] = service("warn", map[string]string{"postgres": "pass", "payments": "fail"}, "payments: connection refused")
		report := w.look(t, checkup.Config{}, "main", "payments")
		const text = `LAYER         PART      STATUS     TIME    IMPORTANCE
1 datastores  postgres  healthy    1.5 ms  critical
3 services    main      degraded   2.0 ms  critical
3 services    payments  unhealthy          critical

main is degraded: payments: connection refused
payments is unhealthy: connection refused
    without it: nobody can pay; browsing and carts work
    needed by: main
unhealthy: 1 of 3 parts are well (2.0 ms)
`
		if got := report.String(); got != text {
			t.Errorf("got\n%swant\n%s", got, text)
		}
		got, err := json.MarshalIndent(report, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		const document = `{
 "overall_status": "unhealthy",
 "timestamp": "2000-01-01T00:00:00Z",
 "duration_seconds": 0.002,
 "services": {
  "main": {
   "status": "degraded",
   "layer": 3,
   "criticality": "critical",
   "response_time_ms": 2,
   "error": "payments: connection refused"
  },
  "payments": {
   "status": "unhealthy",
   "layer": 3,
   "criticality": "critical",
   "response_time_ms": null,
   "error": "connection refused",
   "impact": "nobody can pay; browsing and carts work",
   "needed_by": [
    "main"
   ]
  },
  "postgres": {
   "status": "healthy",
   "layer": 1,
   "criticality": "critical",
   "response_time_ms": 1.5,
   "error": ""
  }
 },
 "dependency_graph": {
  "main": [
   "postgres",
   "payments"
  ],
  "payments": [
   "postgres"
  ],
  "postgres": []
 }
}`
		if string(got) != document {
			t.Errorf("got\n%s\nwant\n%s", got, document)
		}
	})
}
