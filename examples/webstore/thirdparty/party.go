package thirdparty

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/latency"
)

// Party has calls end as its table says. It is safe for concurrent use.
type Party struct {
	table                      Table
	troubles                   []Trouble
	faults                     *faults.Board
	latencyScale, failureScale float64

	mu   sync.Mutex
	rand *rand.Rand

	ids atomic.Int64 // that were given
}

// New returns a party whose calls end as the table says, and as faults have it while
// they are on. Of cfg it does not use Addr and Ready.
func New(cfg Config, table Table, troubles ...Trouble) *Party {
	return &Party{
		table:        table,
		troubles:     troubles,
		faults:       cfg.Faults,
		latencyScale: cfg.LatencyScale,
		failureScale: cfg.FailureScale,
		rand:         rand.New(rand.NewPCG(cfg.Seed, cfg.Seed)),
	}
}

// fate is what becomes of a call.
type fate struct {
	latency time.Duration
	failure *Failure    // nil if it goes well
	hangs   faults.Name // until that is over; "" if it does not
}

// decide says what becomes of a call. It is the one place where that is decided.
func (p *Party) decide(call, country string) fate {
	behaviour := p.table.row(call, country)
	p.mu.Lock()
	defer p.mu.Unlock()
	duration, _ := behaviour.Latency.Draw(p.rand.Float64)
	decided := fate{latency: time.Duration(float64(duration) * p.latencyScale)}
	if p.rand.Float64() < behaviour.Failure*p.failureScale {
		decided.failure = &behaviour.Failures[p.rand.IntN(len(behaviour.Failures))]
	}
	p.trouble(&decided, call, country)
	return decided
}

// Do answers a call, about a country or "", whose pattern in its [http.ServeMux] is in the
// table.
//
// effect does what is asked for and returns the answer, unless the call fails at
// the door. If it is to be refused, effect gets the refusal, which it has to answer
// with, and to remember, if it has not decided about the call's key before.
//
// As with a real third party, the effect comes before the answer is on its way:
// it has happened for a caller that does not wait, too.
func (p *Party) Do(w http.ResponseWriter, r *http.Request, country string, effect func(refusal *Failure) Reply) {
	decided := p.decide(r.Pattern, country)
	var reply Reply
	switch failure := decided.failure; {
	case failure == nil || failure.Final:
		reply = effect(failure)
	case failure.Lost:
		effect(nil)
		reply = failure.Reply()
	default:
		reply = failure.Reply()
	}
	if latency.Sleep(r.Context(), decided.latency) != nil {
		return // nobody is there to be answered
	}
	if decided.hangs != "" && p.faults.Hang(r.Context(), decided.hangs, country) != nil {
		return // nor here
	}
	reply.Write(w)
}

// ID returns a new id, such as TXN-1767225600000-1 for the prefix TXN. With the time
// in it, it is none that was given before a restart, which others may have kept.
func (p *Party) ID(prefix string) string {
	return fmt.Sprintf("%s-%d-%d", prefix, time.Now().UnixMilli(), p.ids.Add(1))
}
