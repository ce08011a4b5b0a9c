package payments

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/otelkit/kit/examples/webstore/paymentprovider"
)

// lifeline is all that joins one instance to the world. Once it is cut, nothing that
// the instance does reaches anybody: it may as well have been killed.
type lifeline struct {
	serving   sync.WaitGroup
	mu        sync.Mutex
	left      int  // messages that the instance may still send; below 0 there is no end to them
	arrives   bool // whether the one after them arrives, though its answer does not
	dead      bool
	listeners []net.Listener
	conns     []net.Conn
}

func newLifeline(t *testing.T) *lifeline {
	l := &lifeline{left: -1}
	t.Cleanup(func() {
		l.cut()
		l.serving.Wait()
	})
	return l
}

// to returns an address at which the instance reaches another one.
func (l *lifeline) to(t *testing.T, network, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.listeners = append(l.listeners, listener)
	l.serving.Go(func() {
		for {
			instance, err := listener.Accept()
			if err != nil {
				return
			}
			world, err := net.Dial(network, address)
			if err != nil {
				instance.Close()
				continue
			}
			if !l.join(instance, world) {
				return
			}
			l.serving.Go(func() { l.pipe(world, instance, l.sent) })
			l.serving.Go(func() { l.pipe(instance, world, func() (bool, bool) { return true, true }) })
		}
	})
	return listener.Addr().String()
}

// join keeps connections to be cut; false if it is too late.
func (l *lifeline) join(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, conns...)
	if l.dead {
		closeAll(conns)
	}
	return !l.dead
}

func (l *lifeline) pipe(to, from net.Conn, sent func() (pass, live bool)) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		pass, live := sent()
		if pass {
			_, err = to.Write(buffer[:n])
		}
		if !live {
			l.cut()
		}
		if err != nil || !live {
			return
		}
	}
}

// sent counts a message of the instance.
func (l *lifeline) sent() (pass, live bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.dead:
		return false, false
	case l.left == 0:
		return l.arrives, false
	case l.left > 0:
		l.left--
	}
	return true, true
}

// cutAfter has the instance die with the message after n more.
func (l *lifeline) cutAfter(n int, arrives bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left, l.arrives = n, arrives
}

func (l *lifeline) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	for _, listener := range l.listeners {
		listener.Close()
	}
	closeAll(l.conns)
}

func (l *lifeline) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

func closeAll(conns []net.Conn) {
	for _, conn := range conns {
		conn.Close()
	}
}

// mortal is an instance that can die.
type mortal struct {
	*fixture
	*lifeline
}

// startMortal starts an instance on a database of pgtest's.
func startMortal(t *testing.T, databaseURL, providerURL string, patience patience) mortal {
	t.Helper()
	line := newLifeline(t)
	database, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	database.Host = line.to(t, "unix", filepath.Join(database.Query().Get("host"), ".s.PGSQL.5432"))
	database.RawQuery = "sslmode=disable"
	provider, err := url.Parse(providerURL)
	if err != nil {
		t.Fatal(err)
	}
	return mortal{startOn(t, database.String(), "http://"+line.to(t, "tcp", provider.Host), patience), line}
}

// moody stands before a provider and mistreats who calls it.
type moody struct {
	provider http.Handler
	mu       sync.Mutex
	rand     *rand.Rand
	late     []func() // what has yet to arrive
}

func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller has died while it asked
	}
	take := func(w http.ResponseWriter) {
		taken := r.Clone(context.WithoutCancel(r.Context()))
		taken.Body = io.NopCloser(bytes.NewReader(body))
		m.provider.ServeHTTP(w, taken)
	}
	m.mu.Lock()
	mood := m.rand.IntN(16)
	m.mu.Unlock()
	switch mood {
	case 0: // not even looked at
		w.WriteHeader(http.StatusInternalServerError)
	case 1:
		w.WriteHeader(http.StatusTooManyRequests)
	case 2: // never answered
		<-r.Context().Done()
	case 3: // the answer is lost
		take(httptest.NewRecorder())
		panic(http.ErrAbortHandler)
	case 4: // the answer does not come
		take(httptest.NewRecorder())
		<-r.Context().Done()
	case 5: // the answer is not the provider's
		take(httptest.NewRecorder())
		w.WriteHeader(http.StatusForbidden)
	case 6: // the answer is wrong
		take(httptest.NewRecorder())
		w.WriteHeader(http.StatusServiceUnavailable)
	case 7: // it arrives when nobody thinks of it any more
		m.mu.Lock()
		m.late = append(m.late, func() { take(httptest.NewRecorder()) })
		m.mu.Unlock()
		panic(http.ErrAbortHandler)
	default:
		take(w)
	}
}

// arrive has happen what was late.
func (m *moody) arrive() {
	m.mu.Lock()
	late := m.late
	m.late = nil
	m.mu.Unlock()
	for _, happens := range late {
		happens()
	}
}

// promise is what a caller was told about a key.
type promise struct {
	key, what string
	state     State  // that an answer of 200 said, or that its problem means
	charge    string // of an answer of 200
}

// Whatever is asked of two instances at the same time, however the provider behaves
// and whenever an instance dies, at most one charge is made for a key, none is kept of
// what is cancelled, the database agrees with the provider, and callers were told no lies.
func TestNoMoneyIsLostOrTakenTwice(t *testing.T) {
	real := paymentprovider.Handler(paymentprovider.Config{FailureScale: 8, Seed: 1})
	provider := &moody{provider: real, rand: rand.New(rand.NewPCG(1, 1))}
	providerURL := serve(t, provider)
	patient := impatient
	patient.rest = time.Millisecond
	calm := start(t, real, patient)
	hasty := patience{attempts: 3, attemptTimeout: 30 * time.Millisecond, pause: time.Millisecond, failures: 8, outOf: 10, rest: time.Millisecond}

	draw := rand.New(rand.NewPCG(2, 2))
	instances := make([]mortal, 2)
	deaths := 0
	states := map[State]int{}
	for round := range 20 {
		for i, instance := range instances {
			if instance.fixture == nil || instance.isDead() {
				instances[i] = startMortal(t, calm.databaseURL, providerURL, hasty)
			}
			if draw.IntN(2) == 0 {
				instances[i].cutAfter(draw.IntN(40), draw.IntN(2) == 0)
			}
		}

		var keys []string
		cancelled := map[string]bool{}
		var mu sync.Mutex
		var promises []promise
		var asking sync.WaitGroup
		for i := range 5 {
			key := fmt.Sprintf("order-%d-%d", round, i)
			keys = append(keys, key)
			answered := []chan struct{}{closed()}
			for range 2 + draw.IntN(4) {
				instance, what := instances[draw.IntN(2)], "pay"
				if draw.IntN(3) == 0 {
					what = "cancel"
					cancelled[key] = true
				}
				before, done := answered[draw.IntN(len(answered))], make(chan struct{})
				answered = append(answered, done)
				asking.Go(func() {
					defer close(done)
					<-before
					told, ok := ask(instance.fixture, what, key)
					if !ok || instance.isDead() {
						return // to nobody
					}
					mu.Lock()
					promises = append(promises, told)
					mu.Unlock()
				})
			}
		}
		asking.Wait()
		provider.arrive()
		for _, instance := range instances {
			if instance.isDead() {
				deaths++
			}
		}

		for _, key := range keys {
			row := calm.end(t, key, draw.IntN(2) == 0, cancelled)
			states[row.State]++
			checkLedger(t, real, row)
			for _, told := range promises {
				if told.key == key {
					checkPromise(t, told, row, cancelled[key])
				}
			}
		}
	}
	t.Logf("%d deaths; ends: %v", deaths, states)
	for _, state := range []State{StateAuthorised, StateDeclined, StateCancelled, StateRefunded} {
		if states[state] == 0 {
			t.Errorf("no payment ended as %s: the test met too little", state)
		}
	}
	if deaths == 0 {
		t.Error("no instance died: the test met too little")
	}
}

// closed is what nobody has to wait for.
func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// ask asks an instance for something and returns what it promised; false if it
// promised nothing.
func ask(f *fixture, what, key string) (promise, bool) {
	path, body := "/payments", order
	if what == "cancel" {
		path, body = "/payments/"+key+"/cancel", "{}"
	}
	status, answer := f.do("POST", path, body, "Idempotency-Key", key)
	told := promise{key: key, what: what}
	switch status {
	case http.StatusOK:
		state, _ := answer["state"].(string)
		told.state = State(state)
		told.charge, _ = answer["charge_id"].(string)
	case http.StatusPaymentRequired:
		told.state = StateDeclined
	case http.StatusConflict:
		told.state = StateCancelling
	default:
		return told, false
	}
	return told, true
}

// end does what who asked for a payment does when it has not heard of it: it asks
// again, or cancels, until the payment has an end. It returns the payment.
func (f *fixture) end(t *testing.T, key string, pay bool, cancelled map[string]bool) Payment {
	t.Helper()
	row, err := f.payments.store.payment(t.Context(), key)
	for err != nil || row.State == StatePending || row.State == StateCancelling {
		what := "pay"
		if row.State == StateCancelling || !pay {
			what = "cancel"
			cancelled[key] = true
		}
		ask(f, what, key)
		row, err = f.payments.store.payment(t.Context(), key)
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
	return row
}

// checkLedger compares a payment that has ended with what the provider has taken.
func checkLedger(t *testing.T, provider http.Handler, row Payment) {
	t.Helper()
	var ours []paymentprovider.Charge
	for _, charge := range charges(t, provider) {
		if charge.Key == row.Key {
			ours = append(ours, charge)
		}
	}
	switch row.State {
	case StateAuthorised:
		if len(ours) != 1 || ours[0].Refunded || ours[0].ID != row.ChargeID {
			t.Errorf("%s is authorised by charge %q, and the provider has %v", row.Key, row.ChargeID, ours)
		}
	case StateRefunded:
		if len(ours) != 1 || !ours[0].Refunded || ours[0].ID != row.ChargeID {
			t.Errorf("%s is refunded of charge %q, and the provider has %v", row.Key, row.ChargeID, ours)
		}
	default:
		if len(ours) != 0 {
			t.Errorf("%s is %s, and the provider has %v", row.Key, row.State, ours)
		}
	}
}

// checkPromise compares what a caller was told with how the payment ended.
func checkPromise(t *testing.T, told promise, row Payment, cancelled bool) {
	t.Helper()
	held := row.State == told.state
	switch {
	case told.what == "cancel": // whatever the state, it is one without money
		held = held && row.State != StateAuthorised
	case told.state == StateAuthorised: // and may have been cancelled afterwards
		held = row.ChargeID == told.charge && (held || cancelled && row.State == StateRefunded)
	case told.state == StateCancelling:
		held = row.State == StateCancelled || row.State == StateRefunded
	}
	if !held {
		t.Errorf("who asked to %s %s was told %s %s, and it ended as %s %s", told.what, told.key, told.state, told.charge, row.State, row.ChargeID)
	}
}
