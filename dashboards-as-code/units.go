package dashboards

import (
	"fmt"
	"strings"
)

// grafanaUnits are Grafana's names of the units that telemetry meets.
var grafanaUnits = map[string]string{
	"":            "short",
	"1":           "percentunit",
	"%":           "percent",
	"s":           "s",
	"ms":          "ms",
	"us":          "µs",
	"ns":          "ns",
	"min":         "m",
	"h":           "h",
	"d":           "d",
	"By":          "bytes",
	"By/s":        "binBps",
	"bit":         "bits",
	"bit/s":       "bps",
	"Hz":          "hertz",
	"Cel":         "celsius",
	"{USD}":       "currencyUSD",
	"{USD}/s":     "currencyUSD",
	"{request}/s": "reqps",
}

// grafanaUnit is Grafana's name of a unit in UCUM. What is only counted, such
// as {checkout}, is a plain number.
func grafanaUnit(ucum string) (string, error) {
	if unit, ok := grafanaUnits[ucum]; ok {
		return unit, nil
	}
	counted, perSecond := strings.CutSuffix(ucum, "/s")
	if !strings.HasPrefix(counted, "{") || !strings.HasSuffix(counted, "}") {
		return "", fmt.Errorf("Grafana has no unit for %q; state another Unit for the panel", ucum)
	}
	if perSecond {
		return "cps", nil
	}
	return "short", nil
}
