// Package dashboard reads dashboards in Grafana's JSON (schema v1: rows,
// panels[].targets[].expr, templating.list), the form that the generators of
// otelkit write, and puts values for variables into their queries.
//
// It keeps what a plain page can draw and the file as it came, for others to
// read. It reads strictly: a dashboard without a uid, a panel without a type,
// a query that does not parse are errors that name the file.
package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A Dashboard is one file.
type Dashboard struct {
	UID         string
	Title       string
	Description string
	Tags        []string
	File        string
	Variables   []Variable
	Panels      []Panel
	JSON        json.RawMessage // the file
}

// A Panel answers one question.
type Panel struct {
	ID          int
	Title       string
	Description string
	Type        string // "timeseries", "stat", "logs", ...
	Row         string // the title of the row that it stands in, or ""
	Unit        string // Grafana's id: "s", "reqps", "percentunit", ...
	Text        string // of a text panel
	Targets     []Target
}

// A Target is one query of a panel.
type Target struct {
	Source  Source
	Expr    string
	Legend  string // with {{label}} in it, or ""
	RefID   string
	Instant bool
}

// A Source is the kind of back end that a query is for.
type Source string

// The sources that lens is. A query for another one is kept and not run.
const (
	Prometheus Source = "prometheus"
	Loki       Source = "loki"
	Tempo      Source = "tempo"
)

// A Variable is a choice of the reader's.
type Variable struct {
	Name    string
	Label   string
	Current []string // what is chosen at first; nothing stands for all
	All     string   // the pattern that stands for all
}

// Load reads the .json files of a folder. checkExpr returns what is wrong with
// a Prometheus query, if anything; the query has its variables filled in.
func Load(dir string, checkExpr func(string) error) ([]Dashboard, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("dashboards: %w", err)
	}
	if len(files) == 0 {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("dashboards: %w", err)
		}
		return nil, fmt.Errorf("dashboards: %s holds no .json file", dir)
	}
	var out []Dashboard
	by := map[string]string{}
	for _, file := range files {
		d, err := read(file)
		if err != nil {
			return nil, fmt.Errorf("dashboards: %s: %w", file, err)
		}
		if err := d.check(checkExpr); err != nil {
			return nil, fmt.Errorf("dashboards: %s: %w", file, err)
		}
		if other, taken := by[d.UID]; taken {
			return nil, fmt.Errorf("dashboards: %s: uid %q is also that of %s", file, d.UID, other)
		}
		by[d.UID] = file
		out = append(out, d)
	}
	return out, nil
}

func (d Dashboard) check(checkExpr func(string) error) error {
	if d.UID == "" || d.Title == "" {
		return errors.New("it has no uid or no title: is it a Grafana dashboard of schema v1?")
	}
	for _, p := range d.Panels {
		if p.Type == "" {
			return fmt.Errorf("panel %q has no type", p.Title)
		}
		for _, t := range p.Targets {
			if t.Source != Prometheus {
				continue
			}
			if t.Expr == "" {
				return fmt.Errorf("panel %q, query %s: it is empty", p.Title, t.RefID)
			}
			if err := checkExpr(d.Interpolate(t.Expr, nil, SomeInterval)); err != nil {
				return fmt.Errorf("panel %q, query %s: %s", p.Title, t.RefID, strings.Join(strings.Fields(err.Error()), " "))
			}
		}
	}
	return nil
}

// The parts of Grafana's JSON that matter here.
type (
	file struct {
		UID         string      `json:"uid"`
		Title       string      `json:"title"`
		Description string      `json:"description"`
		Tags        []string    `json:"tags"`
		Panels      []filePanel `json:"panels"`
		Templating  struct {
			List []fileVariable `json:"list"`
		} `json:"templating"`
	}
	filePanel struct {
		ID          int         `json:"id"`
		Title       string      `json:"title"`
		Description string      `json:"description"`
		Type        string      `json:"type"`
		Panels      []filePanel `json:"panels"` // of a collapsed row
		Datasource  datasource  `json:"datasource"`
		FieldConfig struct {
			Defaults struct {
				Unit string `json:"unit"`
			} `json:"defaults"`
		} `json:"fieldConfig"`
		Options struct {
			Content string `json:"content"`
		} `json:"options"`
		Targets []struct {
			RefID        string     `json:"refId"`
			Expr         string     `json:"expr"`
			Query        string     `json:"query"` // Tempo's
			LegendFormat string     `json:"legendFormat"`
			Instant      bool       `json:"instant"`
			Range        bool       `json:"range"`
			Hide         bool       `json:"hide"`
			Datasource   datasource `json:"datasource"`
		} `json:"targets"`
	}
	fileVariable struct {
		Name     string `json:"name"`
		Label    string `json:"label"`
		Type     string `json:"type"`
		AllValue string `json:"allValue"`
		Current  struct {
			Value stringOrList `json:"value"`
		} `json:"current"`
	}
)

// datasource is the type of a data source. Older files have a name in place of
// the object; they say nothing about the type.
type datasource string

func (d *datasource) UnmarshalJSON(data []byte) error {
	var object struct {
		Type string `json:"type"`
	}
	if len(data) > 0 && data[0] == '{' {
		if err := json.Unmarshal(data, &object); err != nil {
			return err
		}
	}
	*d = datasource(object.Type)
	return nil
}

type stringOrList []string

func (s *stringOrList) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*s = nil
		if one != "" {
			*s = stringOrList{one}
		}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(s))
}

func read(path string) (Dashboard, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Dashboard{}, err
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return Dashboard{}, fmt.Errorf("not a Grafana dashboard: %w", err)
	}
	d := Dashboard{UID: f.UID, Title: f.Title, Description: f.Description, Tags: f.Tags, File: path, JSON: data}
	for _, v := range f.Templating.List {
		if v.Type != "datasource" {
			d.Variables = append(d.Variables, variable(v))
		}
	}
	row := ""
	for _, p := range f.Panels {
		if p.Type != "row" {
			d.Panels = append(d.Panels, panel(p, row))
			continue
		}
		row = p.Title
		for _, inner := range p.Panels {
			d.Panels = append(d.Panels, panel(inner, row))
		}
	}
	return d, nil
}

func variable(v fileVariable) Variable {
	out := Variable{Name: v.Name, Label: v.Label, All: v.AllValue}
	if out.Label == "" {
		out.Label = v.Name
	}
	if out.All == "" {
		out.All = ".*"
	}
	for _, value := range v.Current.Value {
		if value != "$__all" {
			out.Current = append(out.Current, value)
		}
	}
	return out
}

func panel(p filePanel, row string) Panel {
	out := Panel{ID: p.ID, Title: p.Title, Description: p.Description, Type: p.Type, Row: row,
		Unit: p.FieldConfig.Defaults.Unit, Text: p.Options.Content}
	for _, t := range p.Targets {
		if t.Hide {
			continue
		}
		target := Target{Source: source(t.Datasource, p.Datasource), Expr: t.Expr, Legend: t.LegendFormat, RefID: t.RefID, Instant: t.Instant && !t.Range}
		if target.Source == Tempo {
			target.Expr = t.Query
		}
		out.Targets = append(out.Targets, target)
	}
	return out
}

// source returns the kind of the first data source that tells it.
func source(candidates ...datasource) Source {
	for _, c := range candidates {
		if c != "" && c != "-- Mixed --" && c != "datasource" {
			return Source(c)
		}
	}
	return Prometheus
}

// Values are the readers' choices, by the name of a variable.
type Values map[string][]string
