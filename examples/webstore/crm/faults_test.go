package crm_test

import (
	"net/http"
	"testing"

	"github.com/otelkit/kit/examples/webstore/crm"
	"github.com/otelkit/kit/examples/webstore/faults"
)

func TestFaultCRMFailing(t *testing.T) {
	board := faults.NewBoard(faults.CRM, "the key")
	t.Cleanup(board.Close)
	o := start(t, crm.Config{Faults: board})
	if _, err := board.Start(faults.CRMFailing, faults.Options{}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		for _, answer := range []int{o.order("order-1", "anna", "completed").Status, o.update("anna", "DE").Status} {
			if answer != http.StatusInternalServerError && answer != http.StatusServiceUnavailable {
				t.Errorf("status %d, want 500 or 503", answer)
			}
		}
	}
	if err := board.Stop(faults.CRMFailing); err != nil {
		t.Fatal(err)
	}
	if after := o.order("order-1", "anna", "completed"); after.Status != http.StatusCreated || len(o.orders()) != 1 {
		t.Errorf("after the fault: %d %v, want 201 and one order", after.Status, after.Body)
	}
}
