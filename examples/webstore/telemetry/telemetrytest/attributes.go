package telemetrytest

import "go.opentelemetry.io/otel/attribute"

// has reports whether a set holds the given pairs of key and value.
func has(set attribute.Set, pairs []string) bool {
	for i := 0; i+1 < len(pairs); i += 2 {
		if v, ok := set.Value(attribute.Key(pairs[i])); !ok || v.String() != pairs[i+1] {
			return false
		}
	}
	return true
}
