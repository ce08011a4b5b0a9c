package e2e_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lens reads what the store's telemetry became, by the same APIs that Grafana
// uses.
type lens struct {
	t   *testing.T
	url string
}

// get fetches a path into v and returns why it could not.
func (l lens) get(path string, query url.Values, v any) error {
	address := l.url + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	res, err := http.Get(address)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		var problem any
		_ = json.NewDecoder(res.Body).Decode(&problem)
		return fmt.Errorf("GET %s: %s %v", address, res.Status, problem)
	}
	return json.NewDecoder(res.Body).Decode(v)
}

// value evaluates an expression that has one result, or none, which is 0.
func (l lens) value(expr string) (float64, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any
			}
		}
	}
	if err := l.get("/api/v1/query", url.Values{"query": {expr}}, &answer); err != nil {
		return 0, err
	}
	switch results := answer.Data.Result; len(results) {
	case 0:
		return 0, nil
	case 1:
		text, _ := results[0].Value[1].(string)
		return strconv.ParseFloat(text, 64)
	default:
		return 0, fmt.Errorf("%s has %d results, want one", expr, len(results))
	}
}

// points counts the points of an expression over the last minutes that are
// numbers.
func (l lens) points(expr string) (int, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Values [][2]any
			}
		}
	}
	now := time.Now()
	err := l.get("/api/v1/query_range", url.Values{
		"query": {expr}, "step": {"5"},
		"start": {strconv.FormatInt(now.Add(-5*time.Minute).Unix(), 10)}, "end": {strconv.FormatInt(now.Unix(), 10)},
	}, &answer)
	n := 0
	for _, series := range answer.Data.Result {
		for _, point := range series.Values {
			if point[1] != "NaN" {
				n++
			}
		}
	}
	return n, err
}

// span is one span of a trace, with the service that it came from.
type span struct {
	service, name, kind, id, parent string
	attributes                      map[string]string
	links                           []string // the ids of the spans that it is linked to
}

func (s span) String() string {
	return fmt.Sprintf("%s %s %q (parent %s) %v", s.service, s.kind, s.name, s.parent, s.attributes)
}

type keyValue struct {
	Key   string
	Value map[string]any
}

func attributesOf(list []keyValue) map[string]string {
	attributes := map[string]string{}
	for _, kv := range list {
		for _, v := range kv.Value {
			attributes[kv.Key] = fmt.Sprint(v)
		}
	}
	return attributes
}

// hexID gives the id of a span, which Tempo's JSON writes in hex or in base64.
func hexID(id string) string {
	if len(id) == 16 || len(id) == 32 {
		return id
	}
	raw, err := base64.StdEncoding.DecodeString(id)
	if err != nil {
		return id
	}
	return hex.EncodeToString(raw)
}

// trace fetches a trace.
func (l lens) trace(id string) ([]span, error) {
	var answer struct {
		Batches []struct {
			Resource   struct{ Attributes []keyValue }
			ScopeSpans []struct {
				Spans []struct {
					SpanID       string
					ParentSpanID string
					Name         string
					Kind         any
					Attributes   []keyValue
					Links        []struct{ SpanID string }
				}
			}
		}
	}
	if err := l.get("/api/traces/"+id, nil, &answer); err != nil {
		return nil, err
	}
	kinds := map[string]string{"1": "INTERNAL", "2": "SERVER", "3": "CLIENT", "4": "PRODUCER", "5": "CONSUMER"}
	var spans []span
	for _, batch := range answer.Batches {
		service := attributesOf(batch.Resource.Attributes)["service.name"]
		for _, scope := range batch.ScopeSpans {
			for _, s := range scope.Spans {
				kind := strings.TrimPrefix(fmt.Sprint(s.Kind), "SPAN_KIND_")
				if name, ok := kinds[kind]; ok {
					kind = name
				}
				var links []string
				for _, link := range s.Links {
					links = append(links, hexID(link.SpanID))
				}
				spans = append(spans, span{
					service: service, name: s.Name, kind: kind, id: hexID(s.SpanID), parent: hexID(s.ParentSpanID),
					attributes: attributesOf(s.Attributes), links: links,
				})
			}
		}
	}
	return spans, nil
}

// search finds the ids of traces by TraceQL.
func (l lens) search(traceQL string) ([]string, error) {
	var answer struct {
		Traces []struct{ TraceID string }
	}
	if err := l.get("/api/search", url.Values{"q": {traceQL}, "limit": {"20"}}, &answer); err != nil {
		return nil, err
	}
	var ids []string
	for _, t := range answer.Traces {
		ids = append(ids, t.TraceID)
	}
	return ids, nil
}

// logs fetches the lines that a LogQL expression finds.
func (l lens) logs(logQL string) ([]string, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Values [][]any
			}
		}
	}
	err := l.get("/loki/api/v1/query_range", url.Values{
		"query": {logQL}, "limit": {"1000"},
		"start": {strconv.FormatInt(time.Now().Add(-time.Hour).UnixNano(), 10)}, "end": {strconv.FormatInt(time.Now().Add(time.Minute).UnixNano(), 10)},
	}, &answer)
	var lines []string
	for _, stream := range answer.Data.Result {
		for _, v := range stream.Values {
			lines = append(lines, fmt.Sprint(v[1]))
		}
	}
	return lines, err
}

// exemplars fetches the trace ids of the exemplars of a series selector.
func (l lens) exemplars(selector string) ([]string, error) {
	var answer struct {
		Data []struct {
			Exemplars []struct {
				Labels map[string]string
			}
		}
	}
	err := l.get("/api/v1/query_exemplars", url.Values{
		"query": {selector},
		"start": {strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)}, "end": {strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10)},
	}, &answer)
	var ids []string
	for _, series := range answer.Data {
		for _, e := range series.Exemplars {
			ids = append(ids, e.Labels["trace_id"])
		}
	}
	return ids, err
}

// rule is what lens says of a recording or alerting rule.
type rule struct {
	Name, Type, Health, LastError, State string
}

func (l lens) rules() ([]rule, error) {
	var answer struct {
		Data struct {
			Groups []struct{ Rules []rule }
		}
	}
	err := l.get("/api/v1/rules", nil, &answer)
	var rules []rule
	for _, g := range answer.Data.Groups {
		rules = append(rules, g.Rules...)
	}
	return rules, err
}

// dashboardQueries returns the queries of every panel, by dashboard, panel and
// number, with Grafana's variables filled in as it would.
func (l lens) dashboardQueries() map[string]string {
	l.t.Helper()
	var boards []struct{ UID string }
	if err := l.get("/api/dashboards", nil, &boards); err != nil {
		l.t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "20s", "$__interval", "5s", "$__range", "5m")
	queries := map[string]string{}
	for _, b := range boards {
		type panel struct {
			Title   string
			Targets []struct{ Expr string }
		}
		var board struct {
			Title  string
			Panels []struct {
				panel
				Panels []panel
			}
		}
		if err := l.get("/api/dashboards/"+b.UID, nil, &board); err != nil {
			l.t.Fatal(err)
		}
		for _, row := range board.Panels {
			for _, p := range append(row.Panels, row.panel) {
				for i, target := range p.Targets {
					queries[fmt.Sprintf("%s / %s / %d", board.Title, p.Title, i)] = variable.ReplaceAllString(fill.Replace(target.Expr), ".+")
				}
			}
		}
	}
	return queries
}

// variable is a dashboard variable, whose "all" is ".+".
var variable = regexp.MustCompile(`\$\{?[a-z_]+(:[a-z]+)?\}?`)
