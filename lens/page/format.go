package page

import (
	"html/template"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/otelkit/kit/lens/logstore"
)

var functions = template.FuncMap{
	"unit":     formatUnit,
	"duration": formatDuration,
	"clock":    func(t time.Time) string { return t.Format("15:04:05.000") },
	"datetime": func(t time.Time) string { return t.Format("2006-01-02 15:04:05") },
	"rfc3339":  func(t time.Time) string { return t.Format(time.RFC3339Nano) },
	"xy":       coordinate,
	"traceOf":  func(r logstore.Record) string { return r.Metadata["trace_id"] },
}

// scale is how large numbers of a kind are shortened.
type scale struct {
	factor float64
	suffix string
}

var (
	seconds = []scale{{86400, " d"}, {3600, " h"}, {60, " min"}, {1, " s"}, {1e-3, " ms"}, {1e-6, " µs"}, {1e-9, " ns"}}
	binary  = []scale{{1 << 40, " TiB"}, {1 << 30, " GiB"}, {1 << 20, " MiB"}, {1 << 10, " KiB"}, {1, " B"}}
	decimal = []scale{{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e3, " k"}, {1, ""}}
)

// per are Grafana's units that are a number and a word.
var per = map[string]string{
	"reqps": " req/s", "ops": " ops/s", "cps": " /s", "rps": " reads/s", "wps": " writes/s", "iops": " io/s", "mps": " msg/s",
	"currencyUSD": " $", "currencyEUR": " €", "currencyGBP": " £", "currencyJPY": " ¥",
}

// formatUnit prints a value in one of Grafana's units, with three digits that
// count. A unit that it does not know stands after the number.
func formatUnit(unit string, v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	if math.IsInf(v, 0) {
		return "∞"
	}
	switch unit {
	case "s":
		return shorten(v, seconds)
	case "ms":
		return shorten(v/1e3, seconds)
	case "µs":
		return shorten(v/1e6, seconds)
	case "ns":
		return shorten(v/1e9, seconds)
	case "percentunit":
		return digits(v*100) + " %"
	case "percent":
		return digits(v) + " %"
	case "bytes", "decbytes":
		return shorten(v, binary)
	case "Bps", "binBps":
		return shorten(v, binary) + "/s"
	case "", "none", "short":
		return shorten(v, decimal)
	}
	if word, ok := per[unit]; ok {
		return shorten(v, decimal) + word
	}
	return shorten(v, decimal) + " " + unit
}

func formatDuration(d time.Duration) string { return formatUnit("s", d.Seconds()) }

func shorten(v float64, scales []scale) string {
	if v == 0 {
		i := slices.IndexFunc(scales, func(s scale) bool { return s.factor == 1 })
		return "0" + scales[i].suffix
	}
	for _, s := range scales {
		if math.Abs(v) >= s.factor*(1-1e-9) {
			return digits(v/s.factor) + s.suffix
		}
	}
	smallest := scales[len(scales)-1]
	return digits(v/smallest.factor) + smallest.suffix
}

// digits prints three digits that count, and whole numbers whole.
func digits(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e6 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	precision := max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	return strconv.FormatFloat(v, 'f', min(precision, 6), 64)
}
