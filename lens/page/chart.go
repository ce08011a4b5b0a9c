package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/otelkit/kit/lens/promstore"
)

// The drawing area, in the units of the SVG's viewBox.
const (
	chartWidth, chartHeight = 640.0, 220.0
	left, right             = 70.0, 10.0
	top, bottom             = 10.0, 24.0
	gridLines               = 4
	xStep                   = 5 * time.Minute
)

// A chart is a line chart: what its template draws as SVG.
type chart struct {
	Title string
	Unit  string
	Lines []chartLine
	More  int // lines that there was no room for
	Dots  []chartDot
	YAxis []tick
	XAxis []tick

	start, end time.Time
	low, high  float64
	seen       map[promstore.Exemplar]bool
}

// A chartLine is one series: what is drawn, and what its legend says.
type chartLine struct {
	Label          string
	Color          int
	Path           string // of the SVG
	Last, Min, Max string
	points         []promstore.Point
}

// A chartDot is an exemplar.
type chartDot struct {
	X, Y    float64
	TraceID string
	Title   string
}

type tick struct {
	At    float64 // across or down
	Label string
}

func newChart(title, unit string, start, end time.Time) *chart {
	return &chart{Title: title, Unit: unit, start: start, end: end, low: math.Inf(1), high: math.Inf(-1), seen: map[promstore.Exemplar]bool{}}
}

// add adds a series, unless the chart is full.
func (c *chart) add(label string, points []promstore.Point) {
	var finite []promstore.Point
	for _, p := range points {
		if !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
			finite = append(finite, p)
		}
	}
	if len(finite) == 0 {
		return
	}
	if len(c.Lines) == maxLines {
		c.More++
		return
	}
	line := chartLine{Label: label, Color: len(c.Lines) % colors, points: finite}
	low, high := finite[0].Value, finite[0].Value
	for _, p := range finite {
		low, high = min(low, p.Value), max(high, p.Value)
	}
	line.Last, line.Min, line.Max = formatUnit(c.Unit, finite[len(finite)-1].Value), formatUnit(c.Unit, low), formatUnit(c.Unit, high)
	c.low, c.high = min(c.low, low), max(c.high, high)
	c.Lines = append(c.Lines, line)
}

// addExemplars adds the latest exemplars that are not there yet, as the queries
// of a chart often select the same series; their values widen the scale.
func (c *chart) addExemplars(found []promstore.Exemplar) {
	for _, e := range found[max(len(found)-maxDots, 0):] {
		if c.seen[e] {
			continue
		}
		c.seen[e] = true
		c.low, c.high = min(c.low, e.Value), max(c.high, e.Value)
		c.Dots = append(c.Dots, chartDot{
			X: c.x(e.Time), Y: e.Value, TraceID: e.TraceID,
			Title: fmt.Sprintf("%s at %s: trace %s", formatUnit(c.Unit, e.Value), e.Time.Format(time.TimeOnly), e.TraceID),
		})
	}
}

// finish lays the chart out and says whether there is anything on it.
func (c *chart) finish() bool {
	if len(c.Lines) == 0 && len(c.Dots) == 0 {
		return false
	}
	if c.low > 0 {
		c.low = 0 // a line's height means something from zero on only
	}
	if c.high <= c.low {
		c.high = c.low + 1
	}
	for i := range c.Lines {
		c.Lines[i].Path = c.path(c.Lines[i].points)
	}
	for i := range c.Dots {
		c.Dots[i].Y = c.y(c.Dots[i].Y)
	}
	step := niceStep((c.high - c.low) / gridLines)
	for v := math.Ceil(c.low/step) * step; v <= c.high+step/1e6; v += step {
		c.YAxis = append(c.YAxis, tick{c.y(v), formatUnit(c.Unit, v)})
	}
	for at := c.start.Truncate(xStep).Add(xStep); !at.After(c.end); at = at.Add(xStep) {
		c.XAxis = append(c.XAxis, tick{c.x(at), at.Format("15:04")})
	}
	return true
}

// path draws points, with a gap where some are missing. A lone point becomes a
// short dash.
func (c *chart) path(points []promstore.Point) string {
	var b strings.Builder
	for i, p := range points {
		command := "L"
		if i == 0 || p.Time.Sub(points[i-1].Time) > dashboardStep*3/2 {
			command = "M"
		}
		b.WriteString(command + coordinate(c.x(p.Time)) + "," + coordinate(c.y(p.Value)))
		if alone := command == "M" && (i+1 == len(points) || points[i+1].Time.Sub(p.Time) > dashboardStep*3/2); alone {
			b.WriteString("h3")
		}
	}
	return b.String()
}

func (c *chart) x(t time.Time) float64 {
	return left + (chartWidth-left-right)*float64(t.Sub(c.start))/float64(c.end.Sub(c.start))
}

func (c *chart) y(v float64) float64 {
	return chartHeight - bottom - (chartHeight-top-bottom)*(v-c.low)/(c.high-c.low)
}

func coordinate(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// niceStep returns the next of 1, 2, 5, 10, 20, 50, ... that is not below v.
func niceStep(v float64) float64 {
	magnitude := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*magnitude >= v {
			return m * magnitude
		}
	}
	return 10 * magnitude
}
