package dashboard

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Interval is what Grafana's own variables become.
type Interval struct {
	Range time.Duration // $__range
	Step  time.Duration // $__interval
	Rate  time.Duration // $__rate_interval
}

// SomeInterval serves to check a query.
var SomeInterval = Interval{Range: 15 * time.Minute, Step: 15 * time.Second, Rate: 4 * time.Minute}

// reference matches $name, ${name}, ${name:format} and [[name]].
var reference = regexp.MustCompile(`\$(\w+)|\$\{(\w+)(?::\w+)?\}|\[\[(\w+)(?::\w+)?\]\]`)

// Interpolate puts values into a query: those chosen, else what each variable
// is at first, else its pattern for all. Several values become a pattern of
// alternatives. What is not a variable stays.
func (d Dashboard) Interpolate(expr string, chosen Values, in Interval) string {
	return reference.ReplaceAllStringFunc(expr, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		name := m[1] + m[2] + m[3]
		if v, ok := in.builtin(name); ok {
			return v
		}
		i := slices.IndexFunc(d.Variables, func(v Variable) bool { return v.Name == name })
		if i < 0 {
			return ref
		}
		return d.Variables[i].text(chosen[name])
	})
}

func (in Interval) builtin(name string) (string, bool) {
	switch name {
	case "__range":
		return promDuration(in.Range), true
	case "__range_s":
		return strconv.Itoa(int(in.Range.Seconds())), true
	case "__range_ms":
		return strconv.FormatInt(in.Range.Milliseconds(), 10), true
	case "__interval", "__auto":
		return promDuration(in.Step), true
	case "__interval_ms":
		return strconv.FormatInt(in.Step.Milliseconds(), 10), true
	case "__rate_interval":
		return promDuration(in.Rate), true
	default:
		return "", false
	}
}

func promDuration(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// text returns what stands in a query for a variable.
func (v Variable) text(chosen []string) string {
	if len(chosen) == 0 {
		chosen = v.Current
	}
	switch len(chosen) {
	case 0:
		return v.All
	case 1:
		return escape(chosen[0])
	}
	alternatives := make([]string, len(chosen))
	for i, c := range chosen {
		alternatives[i] = escape(regexp.QuoteMeta(c))
	}
	return "(" + strings.Join(alternatives, "|") + ")"
}

// escape keeps a value inside the quotes that it stands in.
func escape(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }

// Legend names a series: the format with its {{label}}s filled in, or, without
// a format, all labels.
func Legend(format string, labels map[string]string) string {
	if format != "" && format != "__auto" {
		return label.ReplaceAllStringFunc(format, func(ref string) string {
			return labels[label.FindStringSubmatch(ref)[1]]
		})
	}
	var parts []string
	for name, value := range labels {
		if name != "__name__" {
			parts = append(parts, name+"="+value)
		}
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		return labels["__name__"]
	}
	return strings.Join(parts, ", ")
}

var label = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)
