package alerts

import (
	"testing"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/slo"
)

func TestASampleIsFoundForWhatEventsHaveToBe(t *testing.T) {
	match := func(pattern string) []slo.Match { return []slo.Match{{Key: "k", Pattern: pattern}} }
	closed := metrics.Attribute{Key: "k", Type: metrics.TypeString, Values: []string{"a", "b", "c"}}
	integer := metrics.Attribute{Key: "k", Type: metrics.TypeInt, Limit: 60}
	text := metrics.Attribute{Key: "k", Type: metrics.TypeString, Limit: 60}
	for name, tc := range map[string]struct {
		attribute         metrics.Attribute
		accepted, refused []slo.Match
		want              string
	}{
		"any":                         {closed, nil, nil, "a"},
		"one of a set":                {closed, match("b|c"), nil, "b"},
		"another of a set":            {closed, nil, match("a|b"), "c"},
		"a class of integers":         {integer, match("5.."), nil, "500"},
		"integers without a class":    {integer, nil, match("5.."), "200"},
		"a text":                      {text, match("/api/v[0-9]+/(orders|carts).*"), nil, "/api/v0/orders"},
		"any character and repeats":   {text, match("a.{2}b{2}"), nil, "axxbb"},
		"a text without a pattern":    {text, nil, match("/api/.*"), "other"},
		"what cannot be":              {closed, match("a"), match("a"), ""},
		"within one, without another": {integer, match("[45].."), match("5.."), "400"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := value(tc.attribute, tc.accepted, tc.refused); got != tc.want {
				t.Errorf("value %q, want %q", got, tc.want)
			}
		})
	}
}
