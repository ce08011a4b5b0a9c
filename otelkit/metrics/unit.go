package metrics

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The part of UCUM (unitsofmeasure.org, case-sensitive codes) that telemetry
// meets. Anything else is most often a spelling: "ms " for "ms", "sec" for "s".
var (
	metricAtoms = []string{
		"m", "s", "g", "K", "A", "cd", "mol", "rad", "sr", "Hz", "N", "Pa", "J", "W", "C", "V", "F",
		"Ohm", "S", "Wb", "Cel", "T", "H", "lm", "lx", "Bq", "l", "L", "bar", "eV", "By", "bit", "Bd", "t",
	}
	plainAtoms     = []string{"%", "min", "h", "d", "wk", "mo", "a", "deg", "[ppm]", "[ppb]"}
	prefixes       = []string{"Y", "Z", "E", "P", "T", "G", "M", "k", "h", "da", "d", "c", "m", "u", "n", "p", "f"}
	binaryPrefixes = []string{"Ki", "Mi", "Gi", "Ti"}

	componentPattern = regexp.MustCompile(`^([^{}0-9+-]*|1|10[*^])([+-]?[0-9]+)?(\{[!-z|~]+\})?$`)

	spelled = map[string]string{
		"sec": "s", "secs": "s", "second": "s", "seconds": "s", "millisecond": "ms", "milliseconds": "ms",
		"minute": "min", "minutes": "min", "hour": "h", "hours": "h", "day": "d", "days": "d",
		"byte": "By", "bytes": "By", "B": "By", "b": "bit or By", "KB": "kBy", "kB": "kBy", "MB": "MBy", "GB": "GBy",
		"percent": "%", "ratio": "1", "usd": "{USD}", "USD": "{USD}", "celsius": "Cel",
	}
)

func validateUnit(unit string) error {
	if unit == "" {
		return errors.New(`no Unit; say what is measured in UCUM, such as "s", "By" or "{checkout}"`)
	}
	for component := range strings.FieldsFuncSeq(strings.ReplaceAll(unit, "/", "./"), func(r rune) bool { return r == '.' }) {
		if err := validateUnitComponent(strings.TrimPrefix(component, "/")); err != nil {
			return fmt.Errorf("unit %q is not UCUM: %w", unit, err)
		}
	}
	return nil
}

func validateUnitComponent(component string) error {
	match := componentPattern.FindStringSubmatch(component)
	if component == "" || match == nil {
		return fmt.Errorf("%q cannot be read; write a unit, or what is counted in braces, such as {item}", component)
	}
	atom, number, annotation := match[1], match[2], match[3]
	if atom == "" && number+annotation != "" || isAtom(atom) || strings.HasPrefix(atom, "10") {
		return nil
	}
	if right, ok := spelled[atom]; ok {
		return fmt.Errorf("%q is written %q", atom, right)
	}
	return fmt.Errorf("no unit is called %q; for what is counted write {%s}", atom, atom)
}

func isAtom(code string) bool {
	if slices.Contains(plainAtoms, code) || slices.Contains(metricAtoms, code) {
		return true
	}
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(code, p); ok && slices.Contains(metricAtoms, rest) {
			return true
		}
	}
	for _, p := range binaryPrefixes {
		if rest, ok := strings.CutPrefix(code, p); ok && (rest == "By" || rest == "bit") {
			return true
		}
	}
	return false
}
