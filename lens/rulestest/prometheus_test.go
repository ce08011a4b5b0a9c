package rulestest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The generated files, through links in testdata: of files that a test opens
// outside its module, `go test` does not notice that they changed, and would
// repeat yesterday's result.
const (
	rulesFile     = "testdata/alerts/webstore-rules.yaml"
	unitTestsFile = "testdata/alerts/webstore-rules_test.yaml"
	dashboardsDir = "testdata/dashboards"
	runbooksDir   = "testdata/runbooks"
)

// sampled is how often the series of a scenario have a sample: the interval at
// which OpenTelemetry's SDK exports unless told otherwise.
const sampled = time.Minute

// prometheus evaluates the generated rules over given series, in its own time.
type prometheus struct {
	t      *testing.T
	loader *promqltest.LazyLoader
	groups []*rules.Group
	now    time.Time
	began  map[string]time.Duration // when an alert first fired
}

// load starts a Prometheus at time 0 over series in promtool's notation. It
// evaluates the rules of the given objectives, or all if none is given: those of
// which there are no series would only say so.
func load(t *testing.T, series map[string]string, objectives ...string) *prometheus {
	t.Helper()
	input := fmt.Sprintf("load %s\n", sampled)
	for _, name := range slices.Sorted(maps.Keys(series)) {
		input += "  " + name + " " + series[name] + "\n"
	}
	loader, err := promqltest.NewLazyLoader(input, promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := loader.Close(); err != nil {
			t.Error(err)
		}
	})
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:  rules.EngineQueryFunc(loader.QueryEngine(), loader.Storage()),
		Appendable: loader.Storage(),
		Queryable:  loader.Storage(),
		Context:    t.Context(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     promslog.NewNopLogger(),
		Parser:     parser.NewParser(parser.Options{}),
	})
	loaded, errs := manager.LoadGroups(sampled, labels.EmptyLabels(), "", nil, false, rulesFile)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	p := &prometheus{t: t, loader: loader, now: time.Unix(0, 0).UTC(), began: map[string]time.Duration{}}
	p.groups = slices.SortedFunc(maps.Values(loaded), func(a, b *rules.Group) int { return strings.Compare(a.Name(), b.Name()) })
	p.groups = slices.DeleteFunc(p.groups, func(g *rules.Group) bool {
		objective := strings.TrimSuffix(strings.TrimPrefix(g.Name(), "slo:"), ":long")
		return len(objectives) > 0 && !slices.Contains(objectives, objective)
	})
	for _, g := range p.groups {
		for _, r := range g.AlertingRules() {
			r.SetRestored(true)
		}
	}
	return p
}

// run lets time pass until a moment after the start, and evaluates each group
// at its own interval.
func (p *prometheus) run(until time.Duration) {
	p.t.Helper()
	const tick = 30 * time.Second
	for ; p.elapsed() <= until; p.now = p.now.Add(tick) {
		p.loader.WithSamplesTill(p.now, func(err error) {
			if err != nil {
				p.t.Fatal(err)
			}
			for _, g := range p.groups {
				if p.elapsed()%g.Interval() == 0 {
					p.evaluate(g)
				}
			}
		})
	}
}

func (p *prometheus) elapsed() time.Duration { return p.now.Sub(time.Unix(0, 0)) }

func (p *prometheus) evaluate(g *rules.Group) {
	g.Eval(p.loader.Context(), p.now)
	for _, r := range g.Rules() {
		if err := r.LastError(); err != nil {
			p.t.Fatalf("%s at %s: %v", r.Name(), p.elapsed(), err)
		}
	}
	for _, alert := range p.firing() {
		name := alert.Labels.Get(labels.AlertName)
		if _, ok := p.began[name]; !ok {
			p.began[name] = p.elapsed()
		}
	}
}

// firing returns the alerts that fire now.
func (p *prometheus) firing() []*rules.Alert {
	var list []*rules.Alert
	for _, g := range p.groups {
		for _, r := range g.AlertingRules() {
			for _, alert := range r.ActiveAlerts() {
				if alert.State == rules.StateFiring {
					list = append(list, alert)
				}
			}
		}
	}
	return list
}

// names returns the names of the alerts that fire now.
func (p *prometheus) names() []string {
	var names []string
	for _, alert := range p.firing() {
		names = append(names, alert.Labels.Get(labels.AlertName))
	}
	slices.Sort(names)
	return names
}

// ever returns the names of the alerts that have fired.
func (p *prometheus) ever() []string { return slices.Sorted(maps.Keys(p.began)) }

// value evaluates an expression that has one result.
func (p *prometheus) value(expr string) float64 {
	p.t.Helper()
	// The last evaluation was one tick ago.
	vector, err := rules.EngineQueryFunc(p.loader.QueryEngine(), p.loader.Storage())(p.loader.Context(), expr, p.now.Add(-30*time.Second))
	if err != nil {
		p.t.Fatalf("%s: %v", expr, err)
	}
	if len(vector) != 1 {
		p.t.Fatalf("%s at %s has %d results, want one", expr, p.elapsed(), len(vector))
	}
	return vector[0].F
}

// stretch is some time of even traffic, in events a minute.
type stretch struct {
	lasts     time.Duration
	good, bad float64
}

// counters writes what two counters of good and bad events show over stretches
// of traffic, in promtool's notation.
func counters(stretches ...stretch) (good, bad string) {
	write := func(rate func(stretch) float64) string {
		values := []string{"0"}
		total := 0.0
		for _, s := range stretches {
			for range int(s.lasts / sampled) {
				total += rate(s) * sampled.Minutes()
				values = append(values, fmt.Sprint(math.Round(total)))
			}
		}
		return strings.Join(values, " ")
	}
	return write(func(s stretch) float64 { return s.good }), write(func(s stretch) float64 { return s.bad })
}
