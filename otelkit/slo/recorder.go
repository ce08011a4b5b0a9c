package slo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Catalog holds the metric that counts the events of objectives.
var Catalog = metrics.NewCatalog("github.com/otelkit/kit/otelkit/slo")

// Outcome is how an event was for whoever it was for.
type Outcome string

// The outcomes.
const (
	Good Outcome = "good"
	Bad  Outcome = "bad"
)

// Values returns both outcomes.
func (Outcome) Values() []Outcome { return []Outcome{Good, Bad} }

// EventAttrs tell apart events by their objective and outcome.
type EventAttrs struct {
	SLO     string  `attr:"otelkit.slo.name,limit=100"`
	Outcome Outcome `attr:"otelkit.slo.outcome"`
}

// Counted is the metric of objectives whose events a Recorder counts. Two series
// an objective are all it takes.
var Counted = metrics.NewCounter[EventAttrs](Catalog, metrics.Definition{
	Name: "otelkit.slo.events",
	Unit: "{event}",
	Help: "Events of service level objectives, by whether they were good or bad.",
})

// counted returns whether a Recorder counts the objective's events.
func (s SLO) counted() bool { return s.Events == metrics.Defined(Counted) }

// ofItsOwn fills in which events of Counted the objective is about.
func (s SLO) ofItsOwn() SLO {
	if len(s.Where)+len(s.Bad) > 0 {
		s.fault = errors.New("has Where or Bad; leave them out: the Recorder is told which events there are and which are bad")
		return s
	}
	s.Where = []Match{{Key: "otelkit.slo.name", Pattern: s.Name}}
	s.Bad = []Match{{Key: "otelkit.slo.outcome", Pattern: string(Bad)}}
	return s
}

// Kit is what a Recorder needs of a *otelkit.Kit.
type Kit interface {
	Recorder() *metrics.Recorder
}

// RecorderConfig configures a Recorder.
type RecorderConfig struct {
	SLO SLO // required: made by New, with Events: Counted
	Kit Kit // where events are counted; nil means the recorder in the context, or else the default one
}

// Recorder counts the events of one objective. It is safe for concurrent use.
//
// An event that is not the service's to be judged by, such as a request that is
// wrong or whose sender has gone, is not to be recorded at all.
type Recorder struct {
	threshold time.Duration
	good, bad EventAttrs
	recorder  *metrics.Recorder // nil means that of the context
	goods     context.Context   // with recorder, and no span
}

// NewRecorder returns what counts the events of an objective, or what is wrong
// with the objective. It starts both series at 0, so that the first bad event is seen as
// an increase; make it after otelkit.Start, or give the kit.
func NewRecorder(cfg RecorderConfig) (*Recorder, error) {
	if err := cfg.SLO.Validate(); err != nil {
		return nil, err
	}
	if !cfg.SLO.counted() {
		return nil, fmt.Errorf("slo: %q: its events are those of %q, which records them itself; a Recorder takes an objective with Events: slo.Counted", cfg.SLO.Name, cfg.SLO.Events.Metric().Name)
	}
	r := &Recorder{
		threshold: cfg.SLO.Threshold,
		good:      EventAttrs{cfg.SLO.Name, Good},
		bad:       EventAttrs{cfg.SLO.Name, Bad},
		goods:     context.Background(),
	}
	if cfg.Kit != nil {
		r.recorder = cfg.Kit.Recorder()
		r.goods = metrics.NewContext(r.goods, r.recorder)
	}
	Counted.Add(r.goods, 0, r.good)
	Counted.Add(r.goods, 0, r.bad)
	return r, nil
}

// Record counts an event. If it is bad and ctx holds a sampled span, the span's
// trace is its exemplar: a bad event is worth a look, a good one is not.
func (r *Recorder) Record(ctx context.Context, good bool) {
	if good {
		Counted.Add(r.withoutSpan(ctx), 1, r.good)
		return
	}
	if r.recorder != nil && r.recorder != metrics.FromContext(ctx) {
		ctx = metrics.NewContext(ctx, r.recorder)
	}
	Counted.Add(ctx, 1, r.bad)
}

// withoutSpan returns a context that counts where ctx does, and gives no exemplar.
func (r *Recorder) withoutSpan(ctx context.Context) context.Context {
	if r.recorder != nil {
		return r.goods
	}
	if held := metrics.FromContext(ctx); held != metrics.Default() {
		return metrics.NewContext(context.Background(), held)
	}
	return r.goods
}

// Latency counts an event by how long it took: it is good if that is at most the
// objective's Threshold. Without a Threshold it is good.
func (r *Recorder) Latency(ctx context.Context, took time.Duration) {
	r.Record(ctx, r.threshold == 0 || took <= r.threshold)
}

// Done counts a call that returned err: a failure is bad, anything else is judged
// by how long it took. A call that was cancelled (context.Canceled) is no event:
// whoever wanted the answer has gone. One that ran out of time
// (context.DeadlineExceeded) is bad.
func (r *Recorder) Done(ctx context.Context, took time.Duration, err error) {
	switch {
	case errors.Is(err, context.Canceled):
	case err != nil:
		r.Record(ctx, false)
	default:
		r.Latency(ctx, took)
	}
}
