package page

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/otelkit/kit/lens/dashboard"
	"github.com/otelkit/kit/lens/logstore"
	"github.com/otelkit/kit/lens/tracestore"
)

const (
	dashboardRange = 15 * time.Minute
	dashboardStep  = 10 * time.Second
	maxLines       = 20 // of one chart
	maxDots        = 60
)

type dashboardView struct {
	dashboard.Dashboard
	Choices []choice
	Rows    []panelRow
	Rate    time.Duration
}

// A choice is a variable and what is chosen.
type choice struct {
	dashboard.Variable
	Value string
}

type panelRow struct {
	Title  string
	Panels []panelView
}

// A panelView is a panel with its data. Only what its kind needs is set.
type panelView struct {
	dashboard.Panel
	Stats  []stat
	Chart  *chart
	Logs   []logstore.Record
	Traces []tracestore.Hit
	Errors []string
}

type stat struct{ Label, Value string }

func (p *Page) dashboard(r *http.Request) (string, any, error) {
	uid := r.PathValue("uid")
	i := slices.IndexFunc(p.Dashboards, func(d dashboard.Dashboard) bool { return d.UID == uid })
	if i < 0 {
		return "", nil, notFound{"dashboard " + uid}
	}
	v := dashboardView{Dashboard: p.Dashboards[i], Rate: p.rateWindow()}
	chosen := dashboard.Values{}
	for _, variable := range v.Variables {
		value := r.FormValue("var-" + variable.Name)
		if value != "" {
			chosen[variable.Name] = []string{value}
		}
		v.Choices = append(v.Choices, choice{variable, value})
	}
	for _, panel := range v.Panels {
		if len(v.Rows) == 0 || v.Rows[len(v.Rows)-1].Title != panel.Row {
			v.Rows = append(v.Rows, panelRow{Title: panel.Row})
		}
		row := &v.Rows[len(v.Rows)-1]
		row.Panels = append(row.Panels, p.panel(r.Context(), v, panel, chosen))
	}
	return v.Title, v, nil
}

// panel runs the queries of a panel. What fails is shown in its place.
func (p *Page) panel(ctx context.Context, d dashboardView, panel dashboard.Panel, chosen dashboard.Values) panelView {
	v := panelView{Panel: panel}
	end := p.now()
	start := end.Add(-dashboardRange)
	plot := newChart(panel.Title, panel.Unit, start, end)
	for _, t := range panel.Targets {
		expr := d.Interpolate(t.Expr, chosen, dashboard.Interval{Range: dashboardRange, Step: dashboardStep, Rate: d.Rate})
		var err error
		switch t.Source {
		case dashboard.Prometheus:
			err = p.prometheusTarget(ctx, &v, plot, t, expr)
		case dashboard.Loki:
			var found []logstore.Record
			found, err = p.Logs.Query(ctx, logstore.Query{LogQL: expr, Start: start, End: end, Limit: listItems})
			v.Logs = append(v.Logs, found...)
		case dashboard.Tempo:
			var found []tracestore.Hit
			found, err = p.Traces.Search(ctx, tracestore.Search{Query: expr, Start: start, End: end, Limit: listItems})
			v.Traces = append(v.Traces, found...)
		default:
			v.Errors = append(v.Errors, "lens has no data of "+string(t.Source)+": query "+t.RefID+" was not run")
		}
		if err != nil {
			v.Errors = append(v.Errors, "query "+t.RefID+": "+err.Error())
		}
	}
	if plot.finish() {
		v.Chart = plot
	}
	return v
}

func (p *Page) prometheusTarget(ctx context.Context, v *panelView, plot *chart, t dashboard.Target, expr string) error {
	if v.Type == "stat" || v.Type == "gauge" || v.Type == "bargauge" || t.Instant {
		found, err := p.Metrics.Instant(ctx, expr, plot.end)
		for _, s := range found {
			v.Stats = append(v.Stats, stat{dashboard.Legend(t.Legend, s.Labels), formatUnit(v.Unit, s.Points[0].Value)})
		}
		return err
	}
	// Steps at round times, so that a reload draws the same points.
	found, err := p.Metrics.Range(ctx, expr, plot.start.Truncate(dashboardStep), plot.end.Truncate(dashboardStep), dashboardStep)
	if err != nil {
		return err
	}
	for _, s := range found {
		plot.add(dashboard.Legend(t.Legend, s.Labels), s.Points)
	}
	// An exemplar is one measurement: it has a place among quantiles, and none
	// among rates.
	if strings.Contains(expr, "histogram_quantile") {
		exemplars, err := p.Metrics.Exemplars(ctx, expr, plot.start, plot.end)
		if err != nil {
			return err
		}
		plot.addExemplars(exemplars)
	}
	return nil
}
