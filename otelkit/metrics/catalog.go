package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Catalog holds the definitions of one instrumentation scope, in general those
// of one package. It is safe for concurrent use.
type Catalog struct {
	scope string

	mu      sync.Mutex
	metrics []Metric
	buckets map[string]*boundaries // of histograms, by name
	zeros   []func(*Recorder)
	errs    []error
}

// NewCatalog returns an empty catalog. scope becomes the name of the
// instrumentation scope: by convention the import path of the package that
// records.
func NewCatalog(scope string) *Catalog {
	c := &Catalog{scope: scope}
	if scope == "" {
		c.errs = append(c.errs, errors.New("metrics: catalog without a scope: name the package that records, by its import path"))
	}
	return c
}

// Scope returns the name of the instrumentation scope.
func (c *Catalog) Scope() string { return c.scope }

// Metrics returns what the catalog holds, sorted by name, wrong definitions
// left out.
func (c *Catalog) Metrics() []Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := slices.Clone(c.metrics)
	for i, m := range list {
		if b, ok := c.buckets[m.Name]; ok {
			list[i].Buckets = b.current()
		}
	}
	slices.SortFunc(list, func(a, b Metric) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Series returns the worst-case number of Prometheus series of one instance
// that records everything in the catalog.
func (c *Catalog) Series() int {
	n := 0
	for _, m := range c.Metrics() {
		n += m.Series()
	}
	return n
}

// Err returns what is wrong with the catalog's definitions, one error a
// definition and fault, each with the definition's name and line; nil if
// nothing is.
func (c *Catalog) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.errs...)
}

// add takes a definition into the catalog and returns why it is wrong, if it
// is. zero, if not nil, starts the definition's closed series at 0.
func (c *Catalog) add(m Metric, schemaErrs []error, zero func(*Recorder)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	faults := append(validate(m), schemaErrs...)
	for _, other := range c.metrics {
		if flat(other.Name) == flat(m.Name) {
			faults = append(faults, fmt.Errorf("defined before at %s%s; a metric is defined once", other.Source, differently(other.Name, m.Name)))
		}
	}
	if len(faults) == 0 {
		c.metrics = append(c.metrics, m)
		if zero != nil {
			c.zeros = append(c.zeros, zero)
		}
		return nil
	}
	for i, fault := range faults {
		faults[i] = fmt.Errorf("metrics: %q (%s): %w", m.Name, m.Source, fault)
	}
	c.errs = append(c.errs, faults...)
	return errors.Join(faults...)
}

// grow tells the catalog of boundaries that may still grow.
func (c *Catalog) grow(name string, b *boundaries) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.buckets == nil {
		c.buckets = map[string]*boundaries{}
	}
	c.buckets[name] = b
}

// fault keeps what is wrong with a definition that was right when it was made.
func (c *Catalog) fault(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}

// flat is the name as Prometheus sees it, where "a.b" and "a_b" are one.
func flat(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), ".", "_")
}

func differently(before, now string) string {
	if before == now {
		return ""
	}
	return fmt.Sprintf(" as %q, which Prometheus writes the same way", before)
}
