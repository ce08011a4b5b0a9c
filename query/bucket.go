package query

import (
	"regexp"
	"strconv"
	"strings"
)

// bucketMatcher keeps the bucket that ends at a boundary. Prometheus spells the
// boundary 1 of a histogram that came by OTLP "1", and of one that it scraped
// "1.0"; large ones are written out, or have an exponent.
func bucketMatcher(le float64) string {
	pushed, scraped := otlpFloat(le), openMetricsFloat(le)
	if pushed == scraped {
		return "le=" + quote(pushed)
	}
	return "le=~" + quote(regexp.QuoteMeta(pushed)+"|"+regexp.QuoteMeta(scraped))
}

// otlpFloat spells a boundary as Prometheus does when it translates OTLP
// (prometheusremotewrite, addHistogramDataPoints).
func otlpFloat(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// openMetricsFloat spells a boundary as Prometheus does when it scrapes
// (labels.FormatOpenMetricsFloat, since 3.0 for every text format).
func openMetricsFloat(v float64) string {
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if strings.ContainsAny(text, "e.") {
		return text
	}
	return text + ".0"
}
