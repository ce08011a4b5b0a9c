package dashboards

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/query"
)

// Dashboard is a dashboard. UID, Title, Description, Instances and Rows are
// required.
type Dashboard struct {
	UID         string // stable, as every link to the dashboard holds it: at most 40 of a-z, 0-9, "-"
	Title       string
	Description string   // whom it is for and what it answers
	Notice      string   // what generated it from what; stands at the end of the description, as JSON has no comments
	Tags        []string // to find it by
	Links       []Link   // shown at its head

	// Instances is a metric that every service on the dashboard records. Its
	// jobs and instances are the choices of the variables "job" and "instance",
	// which apply to every query.
	Instances metrics.Defined

	Range   time.Duration // shown at first; 0 means the last hour
	Refresh time.Duration // how often it is drawn anew; 0 means 30 s

	Rows []Row
}

// Link leads from a dashboard to another page.
type Link struct {
	Title string
	URL   string
}

// Row is a line of panels under a title.
type Row struct {
	Title  string
	Panels []Panel
}

// Kind is how a panel draws.
type Kind string

// The kinds of panel.
const (
	TimeSeries Kind = "timeseries" // lines over time, with exemplars where histograms have them
	Stat       Kind = "stat"       // the last value, large
	Heatmap    Kind = "heatmap"    // the distribution over time of one query.Buckets, with exemplars
)

// Panel answers one question. Title, Description and Queries are required.
type Panel struct {
	Title       string
	Description string // what it shows and how to read it
	Kind        Kind   // "" means TimeSeries
	Queries     []Query

	// Unit of the values in UCUM; "" means that of the queries, which then have
	// to agree.
	Unit string
	// Thresholds colour values from there up, in increasing order. Below the
	// first they have the colour of Base; "" means Good.
	Thresholds []Threshold
	Base       Level
	// Stacked draws the series on top of each other: their sum is the top line.
	Stacked bool

	Width  int // of 24 columns; 0 means 12, for a Stat 6
	Height int // 0 means 8, for a Stat 4
}

// Query is one of the queries that a panel draws.
type Query struct {
	Expr query.Expr
	// Legend names the series; "" means by the attributes that tell them apart,
	// or by the panel's title when there are none.
	Legend string
}

// Threshold is a value from which on another level holds.
type Threshold struct {
	From  float64
	Level Level
}

// Level is how bad something is, shown as a colour.
type Level string

// The levels.
const (
	Good Level = "green"
	Warn Level = "orange"
	Bad  Level = "red"
)

var uidPattern = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// Metrics returns the metrics that are on the dashboard, each once, by name.
func (d Dashboard) Metrics() []metrics.Metric {
	var list []metrics.Metric
	for _, row := range d.Rows {
		for _, panel := range row.Panels {
			for _, q := range panel.Queries {
				list = append(list, q.Expr.Metrics()...)
			}
		}
	}
	slices.SortFunc(list, func(a, b metrics.Metric) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b metrics.Metric) bool { return a.Name == b.Name })
}

// validate returns what the dashboard lacks, its queries left aside.
func (d Dashboard) validate() error {
	var faults []error
	if !uidPattern.MatchString(d.UID) {
		faults = append(faults, errors.New(`the UID has to be at most 40 lower case letters, digits and hyphens, such as "webstore-overview"`))
	}
	if d.Title == "" {
		faults = append(faults, errors.New("no Title"))
	}
	if d.Description == "" {
		faults = append(faults, errors.New("no Description; say whom it is for and what it answers"))
	}
	if d.Instances == nil {
		faults = append(faults, errors.New("no Instances; give a metric that every service on the dashboard records"))
	}
	if len(d.Rows) == 0 {
		faults = append(faults, errors.New("no Rows"))
	}
	ids := map[uint32]string{}
	once := func(title string) {
		if other, ok := ids[id(title)]; ok {
			faults = append(faults, fmt.Errorf("%q has the id of %q; change a title", title, other))
		}
		ids[id(title)] = title
	}
	for _, row := range d.Rows {
		once(row.Title)
		for _, panel := range row.Panels {
			once(row.Title + "/" + panel.Title)
			if err := panel.validate(); err != nil {
				faults = append(faults, fmt.Errorf("panel %q: %w", panel.Title, err))
			}
		}
	}
	for i, fault := range faults {
		faults[i] = fmt.Errorf("dashboards: %q: %w", d.Title, fault)
	}
	return errors.Join(faults...)
}

func (p Panel) validate() error {
	var faults []error
	if p.Title == "" {
		faults = append(faults, errors.New("no Title; name what it shows"))
	}
	if p.Description == "" {
		faults = append(faults, errors.New("no Description; say what it shows and how to read it"))
	}
	if len(p.Queries) == 0 {
		faults = append(faults, errors.New("no Queries"))
	}
	if w, h := p.size(); w < 1 || w > 24 || h < 1 {
		faults = append(faults, fmt.Errorf("%d wide and %d high; a dashboard has 24 columns", w, h))
	}
	if !slices.IsSortedFunc(p.Thresholds, func(a, b Threshold) int { return cmp.Compare(a.From, b.From) }) {
		faults = append(faults, errors.New("thresholds have to increase"))
	}
	faults = append(faults, p.validateKind())
	if _, err := p.unit(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func (p Panel) validateKind() error {
	switch p.kind() {
	case TimeSeries, Stat:
		for _, q := range p.Queries {
			if slices.Contains(q.Expr.Keys(), "le") {
				return errors.New("query.Buckets is for a Heatmap; take a query.Quantile here")
			}
		}
		return nil
	case Heatmap:
		if len(p.Queries) != 1 || !slices.Contains(p.Queries[0].Expr.Keys(), "le") {
			return errors.New("a Heatmap draws one query, a query.Buckets")
		}
		return nil
	default:
		return fmt.Errorf("kind %q; there are %s, %s and %s", p.Kind, TimeSeries, Stat, Heatmap)
	}
}

func (p Panel) kind() Kind {
	if p.Kind == "" {
		return TimeSeries
	}
	return p.Kind
}

// size is the panel's width and height in the grid.
func (p Panel) size() (width, height int) {
	width, height = 12, 8
	if p.Kind == Stat {
		width, height = 6, 4
	}
	if p.Width != 0 {
		width = p.Width
	}
	if p.Height != 0 {
		height = p.Height
	}
	return width, height
}

// unit is the unit of the panel's values in UCUM.
func (p Panel) unit() (string, error) {
	if p.Unit != "" {
		return p.Unit, nil
	}
	unit := ""
	for i, q := range p.Queries {
		if i > 0 && q.Expr.Unit() != unit {
			return "", fmt.Errorf("its queries have the units %q and %q, which one axis cannot show; state Unit, or make two panels", unit, q.Expr.Unit())
		}
		unit = q.Expr.Unit()
	}
	return unit, nil
}
