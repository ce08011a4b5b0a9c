package page

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/otelkit/kit/lens/dashboard"
	"github.com/otelkit/kit/lens/logstore"
	"github.com/otelkit/kit/lens/promstore"
	"github.com/otelkit/kit/lens/tracestore"
)

const (
	recent    = time.Hour // how far the lists look back
	listItems = 15
)

type homeView struct {
	Services   []serviceLine
	Window     time.Duration // of the rates
	Alerts     []promstore.AlertRule
	Dashboards []dashboard.Dashboard
	Traces     []tracestore.Hit
	Logs       []logstore.Record
}

// A serviceLine says how a service does; NaN where it has no HTTP server.
type serviceLine struct {
	Name     string
	LastSeen time.Time
	Rate     float64 // requests per second
	Errors   float64 // the share of requests answered with 5xx
	P95      float64 // seconds
}

func (p *Page) home(r *http.Request) (string, any, error) {
	ctx, now := r.Context(), p.now()
	v := homeView{Window: p.rateWindow(), Alerts: p.Metrics.AlertRules(), Dashboards: p.Dashboards}
	var err error
	if v.Services, err = p.services(ctx, now, v.Window); err != nil {
		return "", nil, err
	}
	if v.Traces, err = p.Traces.Search(ctx, tracestore.Search{Start: now.Add(-recent), Limit: listItems}); err != nil {
		return "", nil, err
	}
	v.Logs, err = p.Logs.Query(ctx, logstore.Query{LogQL: "{}", Start: now.Add(-recent), Limit: listItems})
	return "Home", v, err
}

// rateWindow is wide enough to hold four exports.
func (p *Page) rateWindow() time.Duration { return 4 * p.Metrics.ExportInterval() }

// services returns the services seen lately in traces, in logs and as HTTP
// servers.
func (p *Page) services(ctx context.Context, now time.Time, window time.Duration) ([]serviceLine, error) {
	lines := map[string]*serviceLine{}
	line := func(name string) *serviceLine {
		if lines[name] == nil {
			lines[name] = &serviceLine{Name: name, Rate: math.NaN(), Errors: math.NaN(), P95: math.NaN()}
		}
		return lines[name]
	}
	seen, err := p.Traces.Services(ctx, now.Add(-recent))
	if err != nil {
		return nil, err
	}
	for _, s := range seen {
		line(s.Name).LastSeen = s.LastSeen
	}
	logging, err := p.Logs.LabelValues(ctx, "service_name", now.Add(-recent), now)
	if err != nil {
		return nil, err
	}
	for _, name := range logging {
		line(name)
	}
	for _, q := range []struct {
		expr string
		set  func(*serviceLine, float64)
	}{
		{`sum by (service_name) (rate(http_server_request_duration_seconds_count[%s]))`,
			func(l *serviceLine, v float64) { l.Rate = v }},
		{`(sum by (service_name) (rate(http_server_request_duration_seconds_count{http_response_status_code=~"5.."}[%[1]s])) or 0 * sum by (service_name) (rate(http_server_request_duration_seconds_count[%[1]s]))) / sum by (service_name) (rate(http_server_request_duration_seconds_count[%[1]s]))`,
			func(l *serviceLine, v float64) { l.Errors = v }},
		{`histogram_quantile(0.95, sum by (service_name, le) (rate(http_server_request_duration_seconds_bucket[%s])))`,
			func(l *serviceLine, v float64) { l.P95 = v }},
	} {
		found, err := p.Metrics.Instant(ctx, fmt.Sprintf(q.expr, fmt.Sprintf("%dms", window.Milliseconds())), now)
		if err != nil {
			return nil, err
		}
		for _, series := range found {
			if name := series.Labels["service_name"]; name != "" {
				q.set(line(name), series.Points[0].Value)
			}
		}
	}
	out := make([]serviceLine, 0, len(lines))
	for _, l := range lines {
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b serviceLine) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
