package slo_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/slo"
)

type outcome string

func (outcome) Values() []outcome { return []outcome{"completed", "declined", "failed"} }

type attrs struct {
	Outcome outcome `attr:"shop.outcome"`
	Status  int     `attr:"http.response.status_code,limit=60"`
}

var (
	catalog  = metrics.NewCatalog("example.com/shop")
	orders   = metrics.NewCounter[attrs](catalog, metrics.Definition{Name: "shop.orders", Unit: "{order}", Help: "Orders."})
	inFlight = metrics.NewUpDownCounter[metrics.None](catalog, metrics.Definition{Name: "shop.in_flight", Unit: "{order}", Help: "Orders in flight."})
)

// valid returns an objective with nothing wrong, after change.
func valid(change func(*slo.SLO)) slo.SLO {
	s := slo.SLO{
		Name: "orders", Help: "Orders that do not fail.", Service: "shop", Objective: 0.999,
		Events: orders, Bad: []slo.Match{{Key: "shop.outcome", Pattern: "failed"}},
	}
	change(&s)
	return s
}

func TestAnObjectiveThatIsRightIsValid(t *testing.T) {
	if err := catalog.Err(); err != nil {
		t.Fatal(err)
	}
	if err := valid(func(*slo.SLO) {}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateSaysWhatIsWrongAndWhatWouldBeRight(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*slo.SLO)
		want   string
	}{
		"name with a space": {func(s *slo.SLO) { s.Name = "Orders SLO" }, `such as "main-availability"`},
		"no help":           {func(s *slo.SLO) { s.Help = "" }, "no Help"},
		"no service":        {func(s *slo.SLO) { s.Service = "" }, "no Service"},
		"percent":           {func(s *slo.SLO) { s.Objective = 99.5 }, "write 0.995 for 99.5%"},
		"all good":          {func(s *slo.SLO) { s.Objective = 1 }, "not between 0 and 1"},
		"short window":      {func(s *slo.SLO) { s.Window = time.Hour }, "window 1h0m0s has to be whole days"},
		"broken day":        {func(s *slo.SLO) { s.Window = 30*24*time.Hour + time.Second }, "whole days"},
		"no events":         {func(s *slo.SLO) { s.Events = nil }, "no Events"},
		"not events":        {func(s *slo.SLO) { s.Events = inFlight }, "is of kind updowncounter, which counts no events"},
		"no bad":            {func(s *slo.SLO) { s.Bad = nil }, "no Bad"},
		"misspelt key":      {func(s *slo.SLO) { s.Bad[0].Key = "shop.outcom" }, `slo_test.go`},
		"value not in set":  {func(s *slo.SLO) { s.Bad[0].Pattern = "broken" }, "matches none of its values: completed, declined, failed"},
		"not a pattern":     {func(s *slo.SLO) { s.Where = []slo.Match{{Key: "http.response.status_code", Pattern: "5("}} }, "missing closing"},
	} {
		t.Run(name, func(t *testing.T) {
			err := valid(tc.change).Validate()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Validate() = %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestTheBudgetHasNoDustOfBinaryFractions(t *testing.T) { // Sloth v0.16 prints 0.9990000000000001
	for objective, want := range map[float64]float64{0.999: 0.001, 0.995: 0.005, 0.9: 0.1, 0.9995: 0.0005} {
		if got := (slo.SLO{Objective: objective}).Budget(); got != want {
			t.Errorf("budget of %v = %v, want %v", objective, got, want)
		}
	}
}

func TestAMatchMatchesTheWholeValueAsPrometheusDoes(t *testing.T) {
	match := slo.Match{Key: "http.response.status_code", Pattern: "5.."}
	for value, want := range map[string]bool{"500": true, "503": true, "1503": false, "5000": false, "404": false} {
		if got := match.Accepts(value); got != want {
			t.Errorf("%q accepts %q: %v, want %v", match.Pattern, value, got, want)
		}
	}
}

func ExampleSLO() {
	s := slo.SLO{
		Name:      "orders",
		Help:      "Orders that end without failing; a declined card is no failure.",
		Service:   "shop",
		Objective: 0.999,
		Events:    orders,
		Bad:       []slo.Match{{Key: "shop.outcome", Pattern: "failed"}},
	}
	fmt.Println(s.Validate(), s.Budget(), s.Period())
	// Output: <nil> 0.001 720h0m0s
}
