package health_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/health"
)

func TestWrongChecksAreRefusedWithWhatIsRight(t *testing.T) {
	ok := func(context.Context) error { return nil }
	good := health.Check{Name: "postgres", Run: ok}
	with := func(change func(*health.Check)) []health.Check {
		c := good
		change(&c)
		return []health.Check{c}
	}
	var many []health.Check
	for i := range 51 {
		many = append(many, health.Check{Name: fmt.Sprint("check ", i), Run: ok})
	}
	for name, test := range map[string]struct {
		checks []health.Check
		want   string
	}{
		"no name":           {with(func(c *health.Check) { c.Name = "" }), "say what is checked"},
		"colon in the name": {with(func(c *health.Check) { c.Name = "postgres:5432" }), "without a colon"},
		"no function":       {with(func(c *health.Check) { c.Run = nil }), "no Run"},
		"criticality":       {with(func(c *health.Check) { c.Criticality = "high" }), "there are [critical noncritical informational]"},
		"negative interval": {with(func(c *health.Check) { c.Interval = -1 }), "is negative"},
		"negative timeout":  {with(func(c *health.Check) { c.Timeout = -1 }), "is negative"},
		"long timeout":      {with(func(c *health.Check) { c.Timeout = 10 * time.Second }), "a timeout of 10s does not fit into an interval of 5s"},
		"negative times":    {with(func(c *health.Check) { c.FailAfter = -1 }), "FailAfter -1"},
		"twice":             {[]health.Check{good, good}, `check "postgres" stands twice`},
		"unknown need":      {with(func(c *health.Check) { c.DependsOn = []string{"disc"} }), `depends on "disc", which is no check`},
		"itself":            {with(func(c *health.Check) { c.DependsOn = []string{"postgres"} }), "depends on itself"},
		"circle": {[]health.Check{
			{Name: "a", Run: ok, DependsOn: []string{"b"}},
			{Name: "b", Run: ok, DependsOn: []string{"c"}},
			{Name: "c", Run: ok, DependsOn: []string{"a"}},
		}, `check "a" depends on itself, by way of b`},
		"too many": {many, "51 checks; more than 50"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := health.New(health.Config{Checks: test.checks})
			if err == nil || !strings.HasPrefix(err.Error(), "health: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want health: ... %s", err, test.want)
			}
		})
	}
	if _, err := health.New(health.Config{StartTimeout: -1}); err == nil {
		t.Error("a negative StartTimeout is taken")
	}
}

func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	_, err := health.New(health.Config{Checks: []health.Check{{Name: "a"}, {Name: "b", DependsOn: []string{"x"}}}})
	for _, want := range []string{`check "a": no Run`, `check "b": no Run`, `depends on "x"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func TestAShortIntervalShortensTheTimeout(t *testing.T) {
	_, err := health.New(health.Config{Checks: []health.Check{
		{Name: "quick", Interval: 100 * time.Millisecond, Run: func(context.Context) error { return nil }},
	}})
	if err != nil {
		t.Error(err)
	}
}
