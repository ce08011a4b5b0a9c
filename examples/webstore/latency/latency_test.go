package latency_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelkit/kit/examples/webstore/latency"
)

func TestWaitTakesTheTimeBetweenMinAndMax(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delay := latency.Delay{Min: 100 * time.Millisecond, Max: 300 * time.Millisecond}
		for range 100 {
			start := time.Now()
			if _, err := delay.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took < delay.Min || took > delay.Max {
				t.Fatalf("waited %v, want %v to %v", took, delay.Min, delay.Max)
			}
		}
	})
}

func TestSlowCasesTakeTheExtraTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delay := latency.Delay{SlowChance: 1, SlowMin: time.Second, SlowMax: time.Second}
		start := time.Now()
		slow, err := delay.Wait(t.Context(), 2)
		if took := time.Since(start); !slow || err != nil || took != 2*time.Second {
			t.Errorf("waited %v (slow %v, %v), want 2s at scale 2", took, slow, err)
		}
	})
}

func TestScaleZeroDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		delay := latency.Delay{Min: time.Hour, Max: time.Hour, SlowChance: 1, SlowMin: time.Hour, SlowMax: time.Hour}
		if slow, err := delay.Wait(t.Context(), 0); slow || err != nil || time.Since(start) != 0 {
			t.Errorf("waited %v (slow %v, %v), want 0", time.Since(start), slow, err)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (latency.Delay{Min: time.Hour}).Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestDrawGoesFromMinToMaxAsTheNumbersDo(t *testing.T) {
	delay := latency.Delay{Min: 100, Max: 300, SlowChance: 0.5, SlowMin: 1000, SlowMax: 2000}
	for number, want := range map[float64]time.Duration{
		0:           100 + 1000,
		0.25:        150 + 1250,
		0.5:         200, // not below the chance
		1 - 0x1p-53: 300,
	} {
		got, slow := delay.Draw(func() float64 { return number })
		if got != want || slow != (number < 0.5) {
			t.Errorf("%v: drew %d (slow %v), want %d", number, got, slow, want)
		}
	}
}
