package dashboard

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const shop = `{
  "uid": "shop", "title": "Shop", "tags": ["webstore"], "schemaVersion": 42,
  "templating": {"list": [
    {"name": "datasource", "type": "datasource", "current": {"value": "prometheus"}},
    {"name": "country", "type": "query", "allValue": ".+", "current": {"value": ["$__all"]}},
    {"name": "method", "type": "custom", "label": "Method", "current": {"value": "card"}}
  ]},
  "panels": [
    {"id": 1, "type": "timeseries", "title": "Checkouts", "description": "How many?", "datasource": {"type": "prometheus", "uid": "${datasource}"},
     "fieldConfig": {"defaults": {"unit": "reqps"}},
     "targets": [
       {"refId": "A", "expr": "sum by (country) (rate(checkouts_total{country=~\"$country\", method=\"${method}\"}[$__rate_interval]))", "legendFormat": "{{country}}", "range": true},
       {"refId": "B", "expr": "hidden(", "hide": true}]},
    {"id": 2, "type": "row", "title": "Details", "collapsed": true, "panels": [
      {"id": 3, "type": "logs", "title": "Logs", "datasource": {"type": "loki", "uid": "x"}, "targets": [{"refId": "A", "expr": "{service_name=\"main\"}"}]},
      {"id": 4, "type": "stat", "title": "Now", "targets": [{"refId": "A", "expr": "up", "instant": true}]}]},
    {"id": 5, "type": "table", "title": "Slow", "datasource": "-- Mixed --", "targets": [{"refId": "A", "query": "{ duration > 1s }", "datasource": {"type": "tempo"}}]},
    {"id": 6, "type": "text", "title": "Note", "options": {"content": "read me"}}
  ]
}`

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// parens is PromQL enough for these tests.
func parens(expr string) error {
	if strings.Count(expr, "(") != strings.Count(expr, ")") {
		return errors.New("unclosed\nleft parenthesis")
	}
	return nil
}

func TestADashboardIsReadWithItsRowsSourcesAndUnits(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "shop.json", shop)
	write(t, dir, "README.md", "not a dashboard")
	all, err := Load(dir, parens)
	if err != nil || len(all) != 1 {
		t.Fatalf("Load = %d dashboards, %v", len(all), err)
	}
	d := all[0]
	if d.UID != "shop" || d.Title != "Shop" || len(d.Tags) != 1 || len(d.Variables) != 2 || string(d.JSON) != shop {
		t.Errorf("got %+v", d)
	}
	var got []string
	for _, p := range d.Panels {
		line := p.Row + "/" + p.Type + " " + p.Title + " " + p.Unit + p.Text
		for _, target := range p.Targets {
			line += " " + string(target.Source) + ":" + target.RefID
			if target.Instant {
				line += "!"
			}
		}
		got = append(got, line)
	}
	want := []string{
		"/timeseries Checkouts reqps prometheus:A",
		"Details/logs Logs  loki:A",
		"Details/stat Now  prometheus:A!",
		"Details/table Slow  tempo:A",
		"Details/text Note read me",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("panels:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestVariablesAreFilledIn(t *testing.T) {
	d := Dashboard{Variables: []Variable{
		{Name: "country", All: ".+"}, {Name: "method", All: ".*", Current: []string{"card"}},
	}}
	in := Interval{Range: time.Hour, Step: 15 * time.Second, Rate: time.Minute}
	for _, c := range []struct {
		expr   string
		values Values
		want   string
	}{
		{`{c=~"$country",m="$method"}`, nil, `{c=~".+",m="card"}`},
		{`{c=~"${country}"}`, Values{"country": {"DE"}}, `{c=~"DE"}`},
		{`{c=~"[[country]]"}`, Values{"country": {"DE", "U.S"}}, `{c=~"(DE|U\\.S)"}`},
		{`{c=~"${country:regex}"}`, Values{"country": {`x"} or up{a="`}}, `{c=~"x\"} or up{a=\""}`},
		{`rate(x[$__rate_interval])[$__range:$__interval] * $__range_s * ${__interval_ms}`, nil, `rate(x[60000ms])[3600000ms:15000ms] * 3600 * 15000`},
		{`label_replace(x, "a", "$1", "b", "(.*)") $unknown`, nil, `label_replace(x, "a", "$1", "b", "(.*)") $unknown`},
	} {
		if got := d.Interpolate(c.expr, c.values, in); got != c.want {
			t.Errorf("%s with %v:\n got %s\nwant %s", c.expr, c.values, got, c.want)
		}
	}
}

func TestLegendsNameSeries(t *testing.T) {
	labels := map[string]string{"__name__": "x", "b": "2", "a": "1"}
	for format, want := range map[string]string{"{{a}} of {{ b }}{{c}}": "1 of 2", "": "a=1, b=2", "__auto": "a=1, b=2", "p95": "p95"} {
		if got := Legend(format, labels); got != want {
			t.Errorf("%q: %q, want %q", format, got, want)
		}
	}
	if got := Legend("", map[string]string{"__name__": "x"}); got != "x" {
		t.Errorf("a series with a name only: %q", got)
	}
}

func TestBadDashboardsAreRefusedOnOneLineThatNamesTheFile(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"not JSON":      {"{", "not a Grafana dashboard"},
		"wrong type":    {`{"uid": 5}`, "not a Grafana dashboard"},
		"Perses":        {`{"kind": "Dashboard", "spec": {}}`, "it has no uid or no title"},
		"no panel type": {`{"uid": "a", "title": "A", "panels": [{"title": "P"}]}`, `panel "P" has no type`},
		"bad PromQL":    {`{"uid": "a", "title": "A", "panels": [{"type": "stat", "title": "P", "targets": [{"refId": "A", "expr": "sum("}]}]}`, `panel "P", query A: unclosed left parenthesis`},
		"no query":      {`{"uid": "a", "title": "A", "panels": [{"type": "stat", "title": "P", "targets": [{"refId": "A"}]}]}`, `panel "P", query A: it is empty`},
	} {
		dir := t.TempDir()
		write(t, dir, "bad.json", c.content)
		_, err := Load(dir, parens)
		if err == nil || !strings.HasPrefix(err.Error(), "dashboards: "+filepath.Join(dir, "bad.json")+": ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with the file and %q", name, err, c.want)
		}
	}
	twins := t.TempDir()
	write(t, twins, "a.json", shop)
	write(t, twins, "b.json", shop)
	if _, err := Load(twins, parens); err == nil || !strings.Contains(err.Error(), `uid "shop" is also that of `+filepath.Join(twins, "a.json")) {
		t.Errorf("twins: %v", err)
	}
	for dir, want := range map[string]string{t.TempDir(): "holds no .json file", "/nowhere": "no such file"} {
		if _, err := Load(dir, parens); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", dir, err, want)
		}
	}
}
