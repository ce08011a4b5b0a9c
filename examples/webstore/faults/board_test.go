package faults_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func board(t *testing.T, service string) *faults.Board {
	t.Helper()
	b := faults.NewBoard(service, "the key")
	t.Cleanup(b.Close)
	return b
}

func begin(t *testing.T, b *faults.Board, name faults.Name, o faults.Options) {
	t.Helper()
	if _, err := b.Start(name, o); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutAKeyThereAreNoFaults(t *testing.T) {
	b := faults.NewBoard(faults.Main, "")
	if b != nil {
		t.Fatal("a board without a key")
	}
	if b.On(faults.Panics) || b.Hits(faults.Panics, "") || b.Intensity(faults.Panics) != 0 || len(b.Active()) > 0 ||
		b.Wait(t.Context(), faults.MainLatency, "") != nil || b.Dialer(faults.RedisAway) != nil || faults.NewControl(b, nil) != nil {
		t.Error("a nil board has faults")
	}
	b.While(faults.Panics, nil)
	b.Close()
}

func TestAFaultEndsByItself(t *testing.T) {
	for _, lasts := range []time.Duration{0, time.Second, faults.LongestFor} {
		synctest.Test(t, func(t *testing.T) {
			b := board(t, faults.Main)
			var ended atomic.Bool
			b.While(faults.MainLatency, func(ctx context.Context, _ faults.Active) {
				<-ctx.Done()
				ended.Store(true)
			})
			begin(t, b, faults.MainLatency, faults.Options{For: lasts})
			if lasts == 0 {
				lasts = faults.DefaultFor
			}
			if on := b.Active(); len(on) != 1 || !on[0].Ends.Equal(time.Now().Add(lasts)) {
				t.Errorf("on are %v, want one until in %v", on, lasts)
			}
			time.Sleep(lasts - time.Millisecond)
			synctest.Wait()
			if !b.On(faults.MainLatency) || ended.Load() {
				t.Error("it ended before its time")
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if b.On(faults.MainLatency) || !ended.Load() {
				t.Error("it did not end")
			}
		})
	}
}

func TestAFaultThatIsStartedAnewLastsFromThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, faults.Main)
		begin(t, b, faults.MainLatency, faults.Options{For: time.Minute, Intensity: 1})
		time.Sleep(50 * time.Second)
		begin(t, b, faults.MainLatency, faults.Options{For: time.Minute, Intensity: 2})
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if got := b.Intensity(faults.MainLatency); got != 2 {
			t.Errorf("intensity %v, want 2: the first start's end is not the second's", got)
		}
	})
}

func TestStoppingWaitsForWhatTheFaultDid(t *testing.T) {
	b := board(t, faults.Main)
	running := make(chan bool, 1)
	over := false
	b.While(faults.Panics, func(ctx context.Context, _ faults.Active) {
		running <- true
		<-ctx.Done()
		over = true
	})
	begin(t, b, faults.Panics, faults.Options{})
	<-running
	if err := b.Stop(faults.Panics); err != nil {
		t.Fatal(err)
	}
	if !over || b.On(faults.Panics) {
		t.Errorf("over %v, on %v; want it over and off", over, b.On(faults.Panics))
	}
	if err := b.Stop(faults.Panics); err != nil {
		t.Errorf("stopping what is off: %v", err)
	}
}

func TestAMarketsFaultLeavesTheOthersAlone(t *testing.T) {
	b := board(t, faults.PaymentProvider)
	begin(t, b, faults.ProviderDeclining, faults.Options{Market: "BR"})
	if !b.OnIn(faults.ProviderDeclining, "BR") || !b.Hits(faults.ProviderDeclining, "BR") {
		t.Error("it does not strike its market")
	}
	if b.OnIn(faults.ProviderDeclining, "DE") || b.Hits(faults.ProviderDeclining, "DE") {
		t.Error("it strikes another market")
	}
}

func TestAShareIsStruck(t *testing.T) {
	b := board(t, faults.Main)
	begin(t, b, faults.Panics, faults.Options{Intensity: 0.25})
	const n = 4000
	struck := 0
	for range n {
		if b.Hits(faults.Panics, "") {
			struck++
		}
	}
	// 250 of 4000 is nine standard deviations.
	if struck < n/4-250 || struck > n/4+250 {
		t.Errorf("%d of %d were struck, want a quarter", struck, n)
	}
}

func TestWhatAFaultCannotBeIsSaid(t *testing.T) {
	b := board(t, faults.Main)
	for _, test := range []struct {
		name faults.Name
		o    faults.Options
		kind error
		want string
	}{
		{"nothing", faults.Options{}, faults.ErrUnknown, `main does not have "nothing"`},
		{faults.CRMFailing, faults.Options{}, faults.ErrUnknown, "main does not have"},
		{faults.Panics, faults.Options{For: -1}, faults.ErrOptions, "between 0 and 1h0m0s"},
		{faults.Panics, faults.Options{For: faults.LongestFor + 1}, faults.ErrOptions, "between 0 and 1h0m0s"},
		{faults.Panics, faults.Options{Market: "DE"}, faults.ErrOptions, "cannot be limited to a market"},
		{faults.Panics, faults.Options{Intensity: 1.1}, faults.ErrOptions, "share of requests from 0.01 to 1, not 1.1"},
		{faults.Panics, faults.Options{Intensity: -1}, faults.ErrOptions, "not -1"},
		{faults.RedisAway, faults.Options{Intensity: 1}, faults.ErrOptions, "has no intensity"},
	} {
		_, err := b.Start(test.name, test.o)
		if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %+v: %v, want %q", test.name, test.o, err, test.want)
		}
	}
	if _, err := board(t, faults.PaymentProvider).Start(faults.ProviderSlow, faults.Options{Market: "XX"}); !errors.Is(err, faults.ErrOptions) {
		t.Errorf("a market that does not exist: %v", err)
	}
	if err := b.Stop("nothing"); !errors.Is(err, faults.ErrUnknown) {
		t.Errorf("stopping nothing: %v", err)
	}
	if len(b.Active()) > 0 {
		t.Errorf("on are %v, want none", b.Active())
	}
}

func TestAClosedBoardStartsNothing(t *testing.T) {
	b := board(t, faults.Main)
	begin(t, b, faults.Panics, faults.Options{})
	b.Close()
	if b.On(faults.Panics) {
		t.Error("a fault outlived its board")
	}
	if _, err := b.Start(faults.Panics, faults.Options{}); err == nil {
		t.Error("a fault was started after the end")
	}
}

func TestEveryFaultOfTheTableIsWhole(t *testing.T) {
	services := []string{faults.Main, faults.Payments, faults.Promotions, faults.PaymentProvider, faults.CRM, faults.Inventory}
	seen := map[faults.Name]bool{}
	for _, f := range faults.All {
		if seen[f.Name] || f.Name == "" || !strings.HasSuffix(f.Does, ".") || len(f.Services) == 0 {
			t.Errorf("fault %+v is there twice or not whole", f)
		}
		seen[f.Name] = true
		for _, s := range f.Services {
			if !slices.Contains(services, s) {
				t.Errorf("%s is in %s, which there is not", f.Name, s)
			}
		}
		if i := f.Intensity; i.Means != "" && !(0 < i.Min && i.Min <= i.Default && i.Default <= i.Max) {
			t.Errorf("%s: intensity %+v", f.Name, i)
		}
	}
	var markets []string
	for _, m := range telemetry.Market("").Values() {
		markets = append(markets, string(m))
	}
	if !slices.Equal(markets, faults.Markets) {
		t.Errorf("markets %v, want those of the store, %v", faults.Markets, markets)
	}
}

func TestWhatIsAwayRefusesAndCutsItsConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	b := board(t, faults.Main)
	dial := b.Dialer(faults.RedisAway)
	connect := func() (net.Conn, error) { return dial(t.Context(), "tcp", listener.Addr().String()) }

	conn, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	begin(t, b, faults.RedisAway, faults.Options{})
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) { // returns when it is cut
		t.Errorf("reading from a connection of before: %v, want it cut", err)
	}
	_ = conn.Close()
	if _, err := connect(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: %v, want it refused", err)
	}
	if err := b.Stop(faults.RedisAway); err != nil {
		t.Fatal(err)
	}
	conn, err = connect()
	if err != nil {
		t.Fatalf("after the fault: %v", err)
	}
	_ = conn.Close()
}

func TestALeakIsBoundedAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan bool)
		go func() {
			faults.LeakHeap(ctx, faults.Active{Intensity: 1})
			close(ended)
		}()
		time.Sleep(time.Minute)
		stop()
		<-ended
	})
}

func BenchmarkOnWhileNoneIs(b *testing.B) {
	board := faults.NewBoard(faults.Main, "the key")
	for b.Loop() {
		board.On(faults.MainLatency)
	}
}

func BenchmarkOnWhileAnotherIs(b *testing.B) {
	board := faults.NewBoard(faults.Main, "the key")
	defer board.Close()
	if _, err := board.Start(faults.HeapLeak, faults.Options{}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		board.On(faults.MainLatency)
	}
}
