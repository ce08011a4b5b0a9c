package metrics

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

var (
	namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$`)
	keyPattern  = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$`)
)

// unitWords are units as people write them into names. The unit of a metric is
// metadata (OpenTelemetry semantic conventions, "Metrics: Units"), and
// Prometheus' name gets its suffix from there: "x.seconds" would end as
// x_seconds_seconds.
var unitWords = []string{
	"seconds", "second", "milliseconds", "millis", "ms", "microseconds", "nanoseconds", "ns",
	"bytes", "byte", "kilobytes", "megabytes", "kb", "mb", "percent", "ratio", "usd", "eur",
}

// sdkBuckets are the boundaries that an SDK uses when nobody says any. They
// suit milliseconds.
var sdkBuckets = []float64{0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000}

// reservedKeys belong to Prometheus.
var reservedKeys = []string{"le", "quantile", "job", "instance", "name"}

// personalKeys are attributes of OpenTelemetry's semantic conventions whose
// values identify a person or a device, so they have no bound and outlive the
// person's consent. They belong on spans and logs.
var personalKeys = []string{
	"client.address", "client.ip", "source.address", "user.id", "user.name", "user.email",
	"user.full_name", "user.hash", "enduser.id", "session.id", "device.id",
}

// validate returns every fault of a definition, its attributes left aside.
func validate(m Metric) []error {
	var errs []error
	errs = append(errs, validateName(m)...)
	if m.Help == "" {
		errs = append(errs, errors.New("no Help; say in one sentence what is measured"))
	}
	if err := validateUnit(m.Unit); err != nil {
		errs = append(errs, err)
	}
	if err := validateBuckets(m); err != nil {
		errs = append(errs, err)
	}
	if err := validateLimit(m); err != nil {
		errs = append(errs, err)
	}
	return errs
}

func validateName(m Metric) []error {
	if m.Name == "" {
		return []error{errors.New("no Name")}
	}
	if !namePattern.MatchString(m.Name) || len(m.Name) > 255 {
		return []error{errors.New(`the name has to be lower case with a namespace before the first dot, such as "webstore.payment.duration"`)}
	}
	var errs []error
	for word := range strings.FieldsFuncSeq(m.Name, func(r rune) bool { return r == '.' || r == '_' }) {
		switch {
		case slices.Contains(unitWords, word):
			errs = append(errs, fmt.Errorf("the name holds the unit %q; leave it to Unit, from which Prometheus gets its suffix", word))
		case word == "total" && m.Kind == KindCounter:
			errs = append(errs, errors.New(`the name holds "total", which Prometheus adds to every counter; leave it out`))
		}
	}
	return errs
}

func validateKey(key string) error {
	switch {
	case !keyPattern.MatchString(key):
		return fmt.Errorf(`key %q has to be lower case, with dots between namespaces, such as "webstore.market"`, key)
	case slices.Contains(reservedKeys, key):
		return fmt.Errorf("key %q is a label of Prometheus' own; choose another", key)
	case slices.Contains(personalKeys, key):
		return fmt.Errorf("key %q identifies a person, which no metric may; put it on spans and logs", key)
	}
	return nil
}

func validateBuckets(m Metric) error {
	if m.Kind != KindHistogram {
		if len(m.Buckets) > 0 {
			return fmt.Errorf("a %s has no buckets; leave Buckets out", m.Kind)
		}
		return nil
	}
	if len(m.Buckets) == 0 {
		if m.Unit == "s" {
			return errors.New(`unit "s" with the default boundaries 0..10000 puts nearly every measurement into one bucket; set Buckets, or use metrics.DurationBuckets()`)
		}
		return errors.New("no Buckets; the default boundaries 0..10000 are meant for milliseconds")
	}
	for i, b := range m.Buckets {
		if math.IsNaN(b) || math.IsInf(b, 0) {
			return fmt.Errorf("boundary %v is not finite; the +Inf bucket is there by itself", b)
		}
		if i > 0 && b <= m.Buckets[i-1] {
			return fmt.Errorf("boundary %v stands after %v; boundaries have to increase", b, m.Buckets[i-1])
		}
	}
	if m.Unit == "s" && allIn(m.Buckets, sdkBuckets) && m.Buckets[len(m.Buckets)-1] >= 100 {
		return fmt.Errorf(`unit "s" with boundaries %v, which are meant for milliseconds; use metrics.DurationBuckets()`, m.Buckets)
	}
	return nil
}

func allIn(list, set []float64) bool {
	return !slices.ContainsFunc(list, func(b float64) bool { return !slices.Contains(set, b) })
}

func validateLimit(m Metric) error {
	if m.Limit < 1 {
		return fmt.Errorf("limit %d is not a number of attribute sets, 1 or more", m.Limit)
	}
	if n := m.combinations(); n > m.Limit && m.Limit == DefaultLimit {
		return fmt.Errorf("its attributes allow %d sets, more than %d; bound them tighter, or set Limit to the most that this metric may have", n, DefaultLimit)
	}
	return nil
}
