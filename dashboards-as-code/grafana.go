package dashboards

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"

	"github.com/otelkit/kit/query"
)

// schemaVersion is that of Grafana 12; newer ones migrate it on load.
const schemaVersion = 42

// datasource is the variable that chooses the Prometheus to ask.
const datasource = "prometheus"

// Grafana writes the dashboard as JSON of Grafana's schema v1, the same byte for
// byte each time. An error says everything that is wrong, with the panel's
// title. strategy is how Prometheus translates names; "" means its default.
func Grafana(d Dashboard, strategy query.Strategy) ([]byte, error) {
	if err := d.validate(); err != nil {
		return nil, err
	}
	g := grafana{dashboard: d, target: query.Target{Strategy: strategy}}
	m := g.render()
	if len(g.faults) > 0 {
		return nil, errors.Join(g.faults...)
	}
	return encode(m)
}

// model is a dashboard of schema v1.
//
//lint:ignore SA1019 schema v2 is a preview that provisioning tools do not know yet; Grafana migrates v1 on load
type model = dashboard.Dashboard

// grafana renders one dashboard and collects what is wrong with it.
type grafana struct {
	dashboard Dashboard
	target    query.Target
	faults    []error
}

func (g *grafana) render() model {
	d := g.dashboard
	m := *dashboard.NewDashboard()
	m.Uid = &d.UID
	m.Title = &d.Title
	m.Description = ptr(strings.TrimSpace(d.Description + "\n\n" + d.Notice))
	m.Tags = d.Tags
	m.Editable = ptr(false)
	m.GraphTooltip = ptr(dashboard.DashboardCursorSyncCrosshair)
	m.SchemaVersion = schemaVersion
	m.Time = &dashboard.DashboardDashboardTime{From: "now-" + query.Duration(orDefault(d.Range, time.Hour)), To: "now"}
	m.Refresh = ptr(query.Duration(orDefault(d.Refresh, 30*time.Second)))
	m.Templating.List = []dashboard.VariableModel{
		datasourceVariable(),
		g.variable("job", "Service", nil),
		g.variable("instance", "Instance", []query.Filter{query.Variable("job", "job")}),
	}
	for _, link := range d.Links {
		m.Links = append(m.Links, grafanaLink(link))
	}
	m.Panels = g.panels()
	return m
}

func grafanaLink(l Link) dashboard.DashboardLink {
	return dashboard.DashboardLink{
		Title: l.Title, Url: &l.URL, Type: dashboard.DashboardLinkTypeLink,
		Icon: "external link", Tags: []string{}, TargetBlank: true,
		// Placement stays nil: the library's default hides links in a menu.
	}
}

func datasourceVariable() dashboard.VariableModel {
	return dashboard.VariableModel{
		Type: dashboard.VariableTypeDatasource, Name: datasource, Label: ptr("Data source"),
		Query: &dashboard.StringOrMap{String: ptr("prometheus")},
		Multi: ptr(false), IncludeAll: ptr(false),
		Refresh: ptr(dashboard.VariableRefreshOnDashboardLoad), Hide: ptr(dashboard.VariableHideDontHide),
	}
}

// variable lets the reader choose among the values of an attribute.
func (g *grafana) variable(name, label string, filters []query.Filter) dashboard.VariableModel {
	values, err := query.LabelValues(g.dashboard.Instances, name, g.target, filters...)
	if err != nil {
		g.fault(fmt.Errorf("variable %q: %w", name, err))
	}
	return dashboard.VariableModel{
		Type: dashboard.VariableTypeQuery, Name: name, Label: &label,
		Datasource: dataSourceRef(),
		Query:      &dashboard.StringOrMap{Map: map[string]any{"qryType": 1, "query": values, "refId": "Variable-" + name}},
		Definition: &values,
		Multi:      ptr(true), IncludeAll: ptr(true), AllValue: ptr(".+"),
		Current: &dashboard.VariableOption{
			Selected: ptr(true),
			Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
			Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
		},
		Refresh: ptr(dashboard.VariableRefreshOnTimeRangeChanged), Sort: ptr(dashboard.VariableSortAlphabeticalAsc),
		Hide: ptr(dashboard.VariableHideDontHide),
	}
}

// panels places rows and panels: a row's title, then its panels from left to
// right, a new line where the next would pass the 24th column.
func (g *grafana) panels() []dashboard.PanelOrRowPanel {
	var list []dashboard.PanelOrRowPanel
	top := 0
	for _, row := range g.dashboard.Rows {
		title := *dashboard.NewRowPanel()
		title.Id = id(row.Title)
		title.Title = &row.Title
		title.GridPos = grid(0, top, 24, 1)
		list = append(list, dashboard.PanelOrRowPanel{RowPanel: &title})
		top++
		left, line := 0, 0
		for _, p := range row.Panels {
			width, height := p.size()
			if left+width > 24 {
				left, top, line = 0, top+line, 0
			}
			panel := g.panel(p)
			panel.Id = ptr(id(row.Title + "/" + p.Title))
			panel.GridPos = grid(left, top, width, height)
			list = append(list, dashboard.PanelOrRowPanel{Panel: &panel})
			left, line = left+width, max(line, height)
		}
		top += line
	}
	return list
}

func (g *grafana) panel(p Panel) dashboard.Panel {
	panel := dashboard.Panel{
		Type: string(p.kind()), Title: &p.Title, Description: &p.Description,
		Datasource: dataSourceRef(), Targets: g.targets(p),
	}
	ucum, _ := p.unit() // validated before
	unit, err := grafanaUnit(ucum)
	if err != nil {
		g.fault(fmt.Errorf("panel %q: %w", p.Title, err))
	}
	switch p.kind() {
	case Stat:
		panel.Options, panel.FieldConfig = statOptions(), p.fields(unit, nil)
	case Heatmap:
		panel.Options, panel.FieldConfig = heatmapOptions(unit), p.fields("short", heatmapField())
	default:
		panel.Options, panel.FieldConfig = timeSeriesOptions(), p.fields(unit, p.timeSeriesField())
	}
	return panel
}

// targets are the panel's queries, under the dashboard's variables.
func (g *grafana) targets(p Panel) []variants.Dataquery {
	var list []variants.Dataquery
	asked := map[string]bool{} // histograms whose exemplars a query before brings
	for i, q := range p.Queries {
		expr, err := q.Expr.Where(query.Variable("job", "job"), query.Variable("instance", "instance")).PromQL(g.target)
		if err != nil {
			g.fault(fmt.Errorf("panel %q: %w", p.Title, err))
			continue
		}
		exemplars := p.kind() != Stat && q.Expr.Exemplars()
		for _, m := range q.Expr.Metrics() {
			exemplars = exemplars && !asked[m.Name]
			asked[m.Name] = asked[m.Name] || exemplars
		}
		target := prometheus.Dataquery{
			RefId: ptr(string(rune('A' + i))), Datasource: dataSourceRef(), EditorMode: ptr(prometheus.QueryEditorModeCode),
			Expr: expr, Range: ptr(true), Instant: ptr(false),
			Format: ptr(prometheus.PromQueryFormatTimeSeries), Exemplar: &exemplars,
			LegendFormat: ptr(g.legend(p, q)),
		}
		if p.kind() == Heatmap {
			target.Format = ptr(prometheus.PromQueryFormatHeatmap)
		}
		list = append(list, target)
	}
	return list
}

// legend names the series of a query.
func (g *grafana) legend(p Panel, q Query) string {
	if q.Legend != "" {
		return q.Legend
	}
	labels, err := q.Expr.Labels(g.target)
	if err != nil {
		g.fault(fmt.Errorf("panel %q: %w", p.Title, err))
	}
	if len(labels) == 0 {
		return p.Title
	}
	return "{{" + strings.Join(labels, "}} {{") + "}}"
}

func (g *grafana) fault(err error) {
	g.faults = append(g.faults, fmt.Errorf("dashboards: %q: %w", g.dashboard.Title, err))
}

func dataSourceRef() *common.DataSourceRef {
	return &common.DataSourceRef{Type: ptr("prometheus"), Uid: ptr("${" + datasource + "}")}
}

func grid(x, y, w, h int) *dashboard.GridPos {
	return &dashboard.GridPos{X: uint32(x), Y: uint32(y), W: uint32(w), H: uint32(h)}
}

// id is the number of a row or panel: from its title, never 0, which Grafana
// cannot link to.
func id(title string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(title))
	return h.Sum32()>>1 | 1
}

// encode writes the model with sorted keys, which the library's own encoder
// does not, and without the escapes that it puts for & and >.
func encode(m model) ([]byte, error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("dashboards: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, fmt.Errorf("dashboards: %w", err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("dashboards: %w", err)
	}
	return out.Bytes(), nil
}

func ptr[T any](v T) *T { return &v }

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
