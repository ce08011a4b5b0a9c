package alerts

import (
	"fmt"
	"strings"
	"time"

	"github.com/otelkit/kit/otelkit/slo"
	"github.com/otelkit/kit/query"
)

// BurnRate keeps one objective: it records how fast the error budget burns and
// alerts when it burns too fast. SLO, Dashboard and Runbooks are required.
type BurnRate struct {
	// SLO is the objective.
	SLO slo.SLO
	// By are attributes by which the objective is kept apart, beside job and
	// deployment.environment.name: each value has a budget of its own.
	By []string
	// MinBad is the least number of bad events within an alert's long window, so
	// that one failed request of a quiet night does not page; 0 means 5.
	MinBad float64
	// Dashboard is the URL of the dashboard that shows the objective, without a
	// query. A path such as "/d/overview" is read where the alert is shown.
	Dashboard string
	// Runbooks is the URL of the folder where the runbook pages are published.
	Runbooks string
}

const (
	day = 24 * time.Hour

	baseInterval = 30 * time.Second
	longInterval = 2 * time.Minute

	noDataWindow = 15 * time.Minute
)

// burn is one of the alerts: it fires when share of the budget is spent within
// the long window, and is still being spent within the short one.
//
// The windows and shares are those of the SRE workbook, table 5-8 and its
// extension by a three-day window. keep holds the alert while an outage
// flickers.
type burn struct {
	name        string
	severity    Severity
	long, short time.Duration
	share       float64
	hold        time.Duration
	keep        time.Duration
}

var burns = []burn{
	{"Fast", Page, time.Hour, 5 * time.Minute, 0.02, 0, 5 * time.Minute},
	{"Medium", Page, 6 * time.Hour, 30 * time.Minute, 0.05, 0, 15 * time.Minute},
	{"Slow", Ticket, day, 2 * time.Hour, 0.10, 30 * time.Minute, time.Hour},
	{"Chronic", Ticket, 3 * day, 6 * time.Hour, 0.10, time.Hour, 3 * time.Hour},
}

// factor is how many times faster than evenly the budget burns when share of it
// is spent within the long window: 14.4 for 2% of 30 days in an hour.
func (b burn) factor(period time.Duration) float64 {
	return b.share * period.Hours() / b.long.Hours()
}

// ErrorRatio is the recorded share of bad events within a window: 5m, 30m, 1h,
// 2h, 6h, 24h, 72h or the objective's own.
func (b BurnRate) ErrorRatio(window time.Duration) query.Expr {
	return query.Recorded(b.ratio(window)).Where(b.mine())
}

// BudgetRemaining is the recorded share of the error budget that is left of the
// objective's window: 1 when nothing was bad, 0 when it is used up, below 0 when
// the objective is missed.
func (b BurnRate) BudgetRemaining() query.Expr {
	return query.Recorded(b.record("slo:error_budget_remaining", "1")).Where(b.mine())
}

// Burn is how many times faster than evenly the budget burns, within a window
// of ErrorRatio: at 1 it lasts exactly the objective's window.
func (b BurnRate) Burn(window time.Duration) query.Expr {
	return b.ErrorRatio(window).DividedBy(b.SLO.Budget())
}

// Factor is the burn rate over an hour at which somebody is paged.
func (b BurnRate) Factor() float64 { return burns[0].factor(b.SLO.Period()) }

// Groups returns the rules, or why there can be none: an objective that is
// wrong, or one so low that an alert of it could never fire.
func (b BurnRate) Groups() ([]Group, error) {
	if err := b.validate(); err != nil {
		return nil, err
	}
	base := Group{Name: "slo:" + b.SLO.Name, Interval: baseInterval, Records: []Recording{
		b.recording(b.events(), query.Events(b.SLO).By(b.keys()...).Over(5*time.Minute)),
		// The raw events stand on the right again: the recorded series has the
		// label slo already, and would not pair.
		b.recording(b.bad(), b.badEvents().By(b.keys()...).Over(5*time.Minute)),
	}}
	for _, window := range []time.Duration{5 * time.Minute, 30 * time.Minute, time.Hour} {
		direct := query.Divide(b.badEvents(), query.Events(b.SLO)).By(b.keys()...).Over(window)
		base.Records = append(base.Records, b.recording(b.ratio(window), direct))
	}
	for _, window := range []time.Duration{2 * time.Hour, 6 * time.Hour} {
		base.Records = append(base.Records, b.recording(b.ratio(window), b.weighted(window)))
	}
	long := Group{Name: "slo:" + b.SLO.Name + ":long", Interval: longInterval}
	for _, window := range []time.Duration{day, 3 * day, b.SLO.Period()} {
		long.Records = append(long.Records, b.recording(b.ratio(window), b.weighted(window)))
	}
	long.Records = append(long.Records, b.recording(b.record("slo:error_budget_remaining", "1"),
		query.Complement(b.Burn(b.SLO.Period()))))

	// Rules of a group are evaluated in order, so the alerts see what was
	// recorded in the same round.
	base.Alerts = []Alert{b.alert(burns[0]), b.alert(burns[1]), b.noData()}
	long.Alerts = []Alert{b.alert(burns[2]), b.alert(burns[3])}
	return []Group{base, long}, nil
}

func (b BurnRate) validate() error {
	if err := b.SLO.Validate(); err != nil {
		return err
	}
	for _, alert := range burns {
		factor := alert.factor(b.SLO.Period())
		if factor*b.SLO.Budget() >= 1 {
			return fmt.Errorf("alerts: %q: objective %s is too low: %s of its budget in %s means that more than all events are bad, so the alert could never fire; it takes an objective above %s",
				b.SLO.Name, percent(b.SLO.Objective), percent(alert.share), query.Duration(alert.long), percent(1-1/factor))
		}
	}
	return nil
}

// keys are the attributes by which the objective is kept apart.
func (b BurnRate) keys() []string {
	return append([]string{"job", "deployment.environment.name"}, b.By...)
}

// mine keeps the recorded series of this objective.
func (b BurnRate) mine() query.Filter { return query.Equal("slo", b.SLO.Name) }

func (b BurnRate) record(name, unit string) query.Record {
	return query.Record{Name: name, Unit: unit, Keys: append(b.keys(), "slo")}
}

func (b BurnRate) events() query.Record { return b.record("slo:events:rate5m", "{event}/s") }
func (b BurnRate) bad() query.Record    { return b.record("slo:bad_events:rate5m", "{event}/s") }

func (b BurnRate) ratio(window time.Duration) query.Record {
	return b.record("slo:error_ratio:"+query.Duration(window), "1")
}

func (b BurnRate) recording(r query.Record, e query.Expr) Recording {
	return Recording{Record: r, Expr: e, Labels: map[string]string{"slo": b.SLO.Name}}
}

// weighted is the error ratio of a long window from two recorded series. Each
// minute counts by its traffic; an average of ratios would let a quiet night
// weigh as much as a busy day.
func (b BurnRate) weighted(window time.Duration) query.Expr {
	return query.Divide(query.SumOverTime(b.bad()), query.SumOverTime(b.events())).Where(b.mine()).Over(window)
}

// badEvents is how many bad events there are per second, and 0 where there are
// events and none of them is bad. Slow events are counted wherever there are any
// events; failures have no series before the first.
func (b BurnRate) badEvents() query.Expr {
	if _, ok := b.SLO.Boundary(); ok {
		return query.BadEvents(b.SLO)
	}
	return query.OrZero(query.BadEvents(b.SLO), query.Events(b.SLO))
}

// badCount is the number of bad events within a window: the sum of the rates
// that were recorded, times the seconds between them.
func (b BurnRate) badCount(window time.Duration) query.Expr {
	return query.SumOverTime(b.bad()).Where(b.mine()).Over(window).Times(baseInterval.Seconds())
}

func (b BurnRate) minBad() float64 {
	if b.MinBad == 0 {
		return 5
	}
	return b.MinBad
}

// alert is the alert on one pair of windows.
func (b BurnRate) alert(w burn) Alert {
	threshold := w.factor(b.SLO.Period()) * b.SLO.Budget()
	name := b.alertName(w.name + "Burn")
	a := Alert{
		Name: name,
		Expr: b.ErrorRatio(w.long).Above(threshold).
			And(b.ErrorRatio(w.short).Above(threshold)).
			And(b.badCount(w.long).AtLeast(b.minBad())),
		For: w.hold, KeepFiring: w.keep,
		Severity: w.severity, Service: b.SLO.Service, Labels: map[string]string{"slo": b.SLO.Name},
		Dashboard:  b.dashboard(w.long),
		RunbookURL: b.runbook(name),
		Runbook:    b.burnRunbook(w, threshold),
	}
	a.Summary, a.Description = b.burnText(w, "{{ $labels.job }}", "{{ $value | humanizePercentage }}")
	b.proveBurn(&a, w, threshold)
	return a
}

// burnText is what an alert says, for a job and the share of bad events.
func (b BurnRate) burnText(w burn, job, value string) (summary, description string) {
	factor := w.factor(b.SLO.Period())
	summary = fmt.Sprintf("%s: %s of events were bad over %s, the error budget burns %s",
		job, value, query.Duration(w.long), pace(factor))
	description = fmt.Sprintf("%s Objective %s: %s over %s. At this pace the budget of all that time is gone in %s.",
		sentence(b.SLO.Help), b.SLO.Name, percent(b.SLO.Objective), days(b.SLO.Period()),
		days(time.Duration(float64(b.SLO.Period())/factor)))
	return summary, description
}

// noData is the alert on silence: an objective without events is neither kept
// nor missed, and all its other alerts are quiet.
func (b BurnRate) noData() Alert {
	name := b.alertName("NoData")
	a := Alert{
		Name:     name,
		Expr:     query.AbsentOverTime(b.events()).Where(b.mine()).Over(noDataWindow),
		For:      5 * time.Minute,
		Severity: Ticket, Service: b.SLO.Service, Labels: map[string]string{"slo": b.SLO.Name},
		Summary: fmt.Sprintf("%s: no telemetry about %s for %s", b.SLO.Service, b.SLO.Name, query.Duration(noDataWindow)),
		Description: fmt.Sprintf("%s Nothing says whether this holds: the service does not run, has not had a single event since it started, %sor its telemetry does not arrive.",
			sentence(b.SLO.Help), b.withoutBucket()),
		Dashboard:  b.dashboard(time.Hour),
		RunbookURL: b.runbook(name),
		Runbook:    b.noDataRunbook(),
	}
	b.proveNoData(&a)
	return a
}

// withoutBucket is the reason for silence that a latency objective has beside the
// others.
func (b BurnRate) withoutBucket() string {
	le, ok := b.SLO.Boundary()
	if !ok {
		return ""
	}
	m := b.SLO.Events.Metric()
	return fmt.Sprintf("was built without this objective, so that %s has no bucket that ends at %v %s, ", m.Name, le, m.Unit)
}

// alertName is the objective's name in CamelCase with a suffix.
func (b BurnRate) alertName(suffix string) string {
	var name strings.Builder
	for word := range strings.SplitSeq(b.SLO.Name, "-") {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String() + suffix
}

func (b BurnRate) dashboard(window time.Duration) string {
	if b.Dashboard == "" {
		return ""
	}
	return b.Dashboard + "?from=now-" + query.Duration(window) + "&to=now"
}

func (b BurnRate) runbook(alert string) string {
	if b.Runbooks == "" {
		return ""
	}
	return strings.TrimSuffix(b.Runbooks, "/") + "/" + alert + ".md"
}
