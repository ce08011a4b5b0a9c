package otelkit

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Catalog holds the metrics of the kit itself. Each kit records them; a service
// need not list the catalog in [Config.Catalogs].
var Catalog = metrics.NewCatalog("github.com/otelkit/kit/otelkit")

// Signal is a kind of telemetry.
type Signal string

// The signals.
const (
	SignalTraces   Signal = "traces"
	SignalMetrics  Signal = "metrics"
	SignalLogs     Signal = "logs"
	SignalProfiles Signal = "profiles"
)

// Values returns the closed set of signals.
func (Signal) Values() []Signal {
	return []Signal{SignalTraces, SignalMetrics, SignalLogs, SignalProfiles}
}

// Cause is why telemetry was lost.
type Cause string

// The causes. Where OpenTelemetry's semantic conventions (v1.43.0, otel.sdk.*) have
// a value of error.type for one, it is that.
const (
	// CauseQueueFull: it came faster than it could be exported, as it does when
	// exports hang. Raise OTEL_BSP_MAX_QUEUE_SIZE or OTEL_BLRP_MAX_QUEUE_SIZE.
	CauseQueueFull Cause = "queue_full"
	// CauseRejected: the receiver will never take the batch, and answered so, with
	// 400 or Unauthenticated, or the exporter did not send it, since it was too
	// large.
	CauseRejected Cause = "rejected"
	// CausePartialSuccess: the receiver took the rest of the batch.
	CausePartialSuccess Cause = "partial_success"
	// CauseUnavailable: the receiver could not be reached, or cut the connection,
	// or asked to be tried again later (429, 503) until the time for it was over.
	CauseUnavailable Cause = "unavailable"
	// CauseTimeout: the receiver did not answer in time.
	CauseTimeout Cause = "timeout"
	// CauseShutdown: it was still to be exported when the time for Shutdown was over.
	CauseShutdown Cause = "shutdown"
	// CauseAlreadyShutdown: it was recorded after Shutdown had begun.
	CauseAlreadyShutdown Cause = "already_shutdown"
)

// Values returns the closed set of causes.
func (Cause) Values() []Cause {
	return []Cause{
		CauseQueueFull, CauseRejected, CausePartialSuccess, CauseUnavailable,
		CauseTimeout, CauseShutdown, CauseAlreadyShutdown,
	}
}

// LostAttrs tell lost telemetry apart.
type LostAttrs struct {
	Signal Signal `attr:"otelkit.telemetry.signal"`
	Cause  Cause  `attr:"error.type"`
}

// Lost counts the telemetry that the receiver did not confirm: spans, data points
// of metrics, log records and profiles. It is exported like any other metric, once
// the receiver is back; what is lost when the kit shuts down is in [Kit.Loss] and
// in the log alone.
var Lost = metrics.NewObservableCounter[LostAttrs](Catalog, metrics.Definition{
	Name: "otelkit.telemetry.lost",
	Unit: "{item}",
	Help: "Spans, metric data points, log records and profiles that did not reach their receiver, by why.",
})

// Loss is how much of one signal was lost for one cause.
type Loss struct {
	Signal Signal
	Cause  Cause
	Items  int64 // spans, data points of metrics, log records or profiles
}

// Loss returns what was lost since Start, by signal and cause; nothing was if it is
// empty. Of a signal, all that was recorded has been exported, waits to be, or is
// in here: for spans and log records from the first, for metrics from their
// collection. Exported means that the receiver confirmed it: what it got without
// being able to say so counts as lost.
//
// A metric that is exported cumulatively, as is the default, has not lost what it
// counted when a data point is lost: the next one has it. So an export that
// Shutdown cuts short in favour of the last one loses nothing.
//
// Not in here are the logger's lines, which standard output loses when it stalls or
// fails: otelkit.logs.dropped counts them, and [logs.Handler.Dropped], of
// Logger().Handler(). Nor is, with OTEL_CONFIG_FILE, what is lost of traces, metrics
// and logs: the SDK's own processors batch and export them then, and do not tell.
func (k *Kit) Loss() []Loss { return k.losses.snapshot() }

// losses counts what was lost and logs it: a cause's first loss, and from then on
// one line a minute with how much more it was.
type losses struct {
	logger *slog.Logger // writes lines only: a record about each lost record would never end
	now    func() time.Time

	tallies []*tally // in the order of expect; fixed when the service begins to record

	mu sync.Mutex // guards what the tallies say it does
}

// tally is what one signal lost for one cause.
type tally struct {
	LostAttrs
	lost atomic.Int64
	due  atomic.Bool // its line is about to be written

	err      error // the last one; guarded by losses.mu, as is what follows
	logged   int64 // of lost
	loggedAt time.Time
}

func newLosses(logger *slog.Logger) *losses {
	return &losses{logger: logger, now: time.Now}
}

// expect returns where the losses of a signal are counted.
func (l *losses) expect(signal Signal) map[Cause]*tally {
	tallies := map[Cause]*tally{}
	for _, cause := range Cause("").Values() {
		tallies[cause] = &tally{LostAttrs: LostAttrs{signal, cause}}
		l.tallies = append(l.tallies, tallies[cause])
	}
	return tallies
}

// add counts a loss and logs it.
func (l *losses) add(t *tally, items int, err error) {
	if items <= 0 {
		return
	}
	t.lost.Add(int64(items))
	l.mu.Lock()
	t.err = err
	l.mu.Unlock()
	l.log(t)
}

// addFromRequest counts the loss of one item. It waits for nothing, and certainly
// not for a line to be written.
func (l *losses) addFromRequest(t *tally) {
	t.lost.Add(1)
	if !t.due.Load() {
		l.logIn(t, 0)
	}
}

// logIn logs in some time, unless that is to be done already.
func (l *losses) logIn(t *tally, d time.Duration) {
	if !t.due.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(d, func() {
		t.due.Store(false) // before lost is read: what comes later is logged later
		l.log(t)
	})
}

// log logs what a tally has that is new, now or when a minute is over.
func (l *losses) log(t *tally) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.lost.Load() == t.logged {
		return
	}
	if wait := reportEvery - l.now().Sub(t.loggedAt); wait > 0 {
		l.logIn(t, wait)
		return
	}
	l.write(t)
}

// flush logs all that was not yet logged.
func (l *losses) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tallies {
		if t.lost.Load() > t.logged {
			l.write(t)
		}
	}
}

func (l *losses) write(t *tally) {
	lost := t.lost.Load()
	attrs := []slog.Attr{
		slog.String("signal", string(t.Signal)),
		slog.String("cause", string(t.Cause)),
		slog.Int64("items", lost-t.logged),
	}
	if t.err != nil {
		attrs = append(attrs, slog.Any("err", t.err))
	}
	l.logger.LogAttrs(context.Background(), slog.LevelWarn, "telemetry was lost", attrs...)
	t.logged, t.loggedAt = lost, l.now()
}

func (l *losses) snapshot() []Loss {
	var lost []Loss
	for _, t := range l.tallies {
		if items := t.lost.Load(); items > 0 {
			lost = append(lost, Loss{t.Signal, t.Cause, items})
		}
	}
	return lost
}

// observe is the callback of [Lost].
func (l *losses) observe(_ context.Context, observe func(float64, LostAttrs)) error {
	for _, t := range l.tallies {
		observe(float64(t.lost.Load()), t.LostAttrs)
	}
	return nil
}
