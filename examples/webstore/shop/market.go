package shop

import (
	"strings"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// parseMarket reads a market as people write it.
func parseMarket(s string) (telemetry.Market, error) {
	m := telemetry.Market(strings.ToUpper(s))
	if !m.Known() {
		return "", UnknownMarket.With("%q is not one of %v.", s, m.Values())
	}
	return m, nil
}
