package promotions

import (
	"net/http"
	"testing"
	"time"

	"github.com/otelkit/kit/examples/webstore/faults"
)

func TestFaultPromotionsSlow(t *testing.T) {
	f := start(t)
	board := faults.NewBoard(faults.Promotions, "the key")
	t.Cleanup(board.Close)
	f.promotions.faults = board
	took := func() time.Duration {
		began := time.Now()
		f.do("POST", "/api/promotions/check", `{"user_id": "anna", "country": "US", "amount": 1000, "currency": "USD"}`).is(t, http.StatusOK)
		return time.Since(began)
	}
	if _, err := board.Start(faults.PromotionsSlow, faults.Options{Intensity: 0.5}); err != nil {
		t.Fatal(err)
	}
	if d := took(); d < 500*time.Millisecond {
		t.Errorf("an answer took %v, want the half second that is added", d)
	}
	if err := board.Stop(faults.PromotionsSlow); err != nil {
		t.Fatal(err)
	}
	for took() >= 500*time.Millisecond { // on a machine that is busy not at once
		if t.Context().Err() != nil {
			t.Fatal("answers stay slow")
		}
	}
}
