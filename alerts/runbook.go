package alerts

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/otelkit/kit/query"
)

// Runbook is the page that an alert sends its reader to.
type Runbook struct {
	Meaning string  // what is wrong when it fires
	Impact  string  // what users notice
	Checks  []Check // what to look at first, in order
	Action  string  // what to do
}

// Check is a question with the queries that answer it.
type Check struct {
	Question string
	Exprs    []query.Expr // in PromQL
	Text     string       // a query of another language, such as TraceQL
}

// Runbooks returns a Markdown page for every alert, by file name.
func (f File) Runbooks() (map[string][]byte, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	pages := map[string][]byte{}
	var faults []error
	for _, g := range f.Groups {
		for _, a := range g.Alerts {
			page, err := f.runbook(a)
			faults = append(faults, err)
			pages[a.Name+".md"] = page
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return pages, nil
}

func (f File) runbook(a Alert) ([]byte, error) {
	var page bytes.Buffer
	if f.Notice != "" {
		fmt.Fprintf(&page, "<!-- %s -->\n", f.Notice)
	}
	fmt.Fprintf(&page, "# %s\n\n%s\n\n", a.Name, a.Runbook.Meaning)
	fmt.Fprintf(&page, "Severity **%s**, service **%s**; fires %s%s.\n\n", a.Severity, a.Service, after(a.For), afterwards(a.KeepFiring))
	if a.Runbook.Impact != "" {
		fmt.Fprintf(&page, "## Impact\n\n%s\n\n", a.Runbook.Impact)
	}
	page.WriteString("## First checks\n\n")
	for i, c := range a.Runbook.Checks {
		fmt.Fprintf(&page, "%d. %s\n\n   ```\n", i+1, c.Question)
		for _, e := range c.Exprs {
			text, err := e.PromQL(f.target())
			if err != nil {
				return nil, fmt.Errorf("alerts: %q: runbook, %q: %w", a.Name, c.Question, err)
			}
			fmt.Fprintf(&page, "   %s\n", text)
		}
		if c.Text != "" {
			fmt.Fprintf(&page, "   %s\n", c.Text)
		}
		page.WriteString("   ```\n\n")
	}
	if a.Runbook.Action != "" {
		fmt.Fprintf(&page, "## What to do\n\n%s\n\n", a.Runbook.Action)
	}
	expr, err := a.Expr.PromQL(f.target())
	if err != nil {
		return nil, fmt.Errorf("alerts: %q: %w", a.Name, err)
	}
	fmt.Fprintf(&page, "## The rule\n\n```\n%s\n```\n", strings.ReplaceAll(expr, " and ", "\nand "))
	return page.Bytes(), nil
}

// burnRunbook explains an alert on a burning budget.
func (b BurnRate) burnRunbook(w burn, threshold float64) Runbook {
	period := b.SLO.Period()
	r := Runbook{
		Meaning: fmt.Sprintf("%s Of all events %s have to be good over %s. This alert fires when %s of what may go wrong in that time went wrong within %s, and goes on: more than %s of events were bad over %s and over the last %s, and at least %s of them.",
			sentence(b.SLO.Help), percent(b.SLO.Objective), days(period), percent(w.share), query.Duration(w.long),
			percent(threshold), query.Duration(w.long), query.Duration(w.short), number(b.minBad())),
		Action: "Stop what makes it worse first: undo the last change, or take the part that fails out of use. Look for the cause when users are served again. The alert ends when the short window is good.",
	}
	if w.severity == Page {
		r.Impact = fmt.Sprintf("Users meet it now. If it goes on like this, the budget of %s is gone within %s.",
			days(period), days(time.Duration(float64(period)/w.factor(period))))
	} else {
		r.Impact = "Too little for anybody to be woken, too much to leave: at this rate the objective is missed."
	}
	causes := Check{Question: "Do they have something in common? Bad events per second, by one attribute after the other:"}
	for _, a := range b.SLO.Events.Metric().Attributes {
		causes.Exprs = append(causes.Exprs, query.BadEvents(b.SLO).By(a.Key).Over(5*time.Minute))
	}
	still := Check{
		Question: "Is it still going on? The share of bad events over the last five minutes:",
		Exprs:    []query.Expr{b.ErrorRatio(5 * time.Minute)},
	}
	if _, ok := b.SLO.Boundary(); ok {
		still.Question = fmt.Sprintf("Is it still going on? The share of bad events over the last five minutes, and how long half of all and 99%% of all took, which is to be %s at most:", b.SLO.Threshold)
		still.Exprs = append(still.Exprs, query.EventQuantile(0.5, b.SLO).Over(5*time.Minute), query.EventQuantile(0.99, b.SLO).Over(5*time.Minute))
	}
	r.Checks = []Check{
		still,
		causes,
		b.traces(),
		{
			Question: "What does the service say? Its logs, in LogQL; a trace's id finds the lines of one request:",
			Text:     fmt.Sprintf("{service_name=%q}", b.SLO.Service),
		},
		{Question: "How much of the budget is left?", Exprs: []query.Expr{b.BudgetRemaining()}},
	}
	return r
}

// traces finds traces of bad events.
func (b BurnRate) traces() Check {
	if b.SLO.Threshold > 0 {
		return Check{
			Question: "What do they look like inside? Traces that took too long, in TraceQL:",
			Text:     fmt.Sprintf("{ resource.service.name = %q && duration > %s }", b.SLO.Service, b.SLO.Threshold),
		}
	}
	return Check{
		Question: "Traces with errors, in TraceQL:",
		Text:     fmt.Sprintf("{ resource.service.name = %q && status = error }", b.SLO.Service),
	}
}

// noDataRunbook explains the alert on silence.
func (b BurnRate) noDataRunbook() Runbook {
	return Runbook{
		Meaning: fmt.Sprintf("%s Nobody knows whether this holds: for %s there was not a single series of the events that are counted, so the other alerts of this objective cannot fire either.",
			sentence(b.SLO.Help), query.Duration(noDataWindow)),
		Impact: "Perhaps none, perhaps everything: an outage of the service looks the same as one of its telemetry. A service that has had no event since it started looks the same, too.",
		Checks: []Check{
			{Question: "Does anything arrive from any instance of the service?", Exprs: []query.Expr{query.Events(b.SLO).By("instance").Over(time.Hour)}},
			{Question: "Did it say anything before it went silent? Its logs, in LogQL:", Text: fmt.Sprintf("{service_name=%q}", b.SLO.Service)},
		},
		Action: "If the service does not run, start it and find out why it ended. If it runs, follow its telemetry: OTEL_EXPORTER_OTLP_ENDPOINT, what the service logs about its exports, what the back end refused." + b.bucketAction(),
	}
}

// bucketAction says what to do about a histogram without the bucket of a latency
// objective.
func (b BurnRate) bucketAction() string {
	le, ok := b.SLO.Boundary()
	if !ok {
		return ""
	}
	m := b.SLO.Events.Metric()
	return fmt.Sprintf(" If %s arrives, but without a bucket that ends at %v %s, the service was built without this objective: import the package that states it by slo.New.", m.Name, le, m.Unit)
}

func after(d time.Duration) string {
	if d == 0 {
		return "at once"
	}
	return "when it has been so for " + query.Duration(d)
}

func afterwards(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return ", and goes on for " + query.Duration(d) + " after it is over"
}
