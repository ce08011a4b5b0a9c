package page

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/otelkit/kit/lens/logstore"
)

type logsView struct {
	Service, Level, Text, Trace string // the filters
	Services, Levels            []string
	Query                       string // what they come to in LogQL
	Error                       string
	Records                     []logstore.Record
}

func (p *Page) logs(r *http.Request) (string, any, error) {
	v := logsView{
		Service: r.FormValue("service"), Level: r.FormValue("level"),
		Text: r.FormValue("text"), Trace: strings.TrimSpace(r.FormValue("trace")),
	}
	now := p.now()
	var err error
	if v.Services, err = p.Logs.LabelValues(r.Context(), "service_name", now.Add(-recent), now); err != nil {
		return "", nil, err
	}
	if v.Levels, err = p.Logs.LabelValues(r.Context(), "level", now.Add(-recent), now); err != nil {
		return "", nil, err
	}
	v.Query = v.logQL()
	v.Records, err = p.Logs.Query(r.Context(), logstore.Query{LogQL: v.Query, Limit: 200})
	if errors.Is(err, logstore.ErrBadQuery) {
		v.Error, err = err.Error(), nil
	}
	return "Logs", v, err
}

// logQL puts the filters together.
func (v logsView) logQL() string {
	var labels []string
	if v.Service != "" {
		labels = append(labels, fmt.Sprintf("service_name=%q", v.Service))
	}
	if v.Level != "" {
		labels = append(labels, fmt.Sprintf("level=%q", v.Level))
	}
	query := "{" + strings.Join(labels, ", ") + "}"
	if v.Text != "" {
		query += fmt.Sprintf(" |= %q", v.Text)
	}
	if v.Trace != "" {
		query += fmt.Sprintf(" | trace_id=%q", v.Trace)
	}
	return query
}
