package inventory_test

import (
	"net/http"
	"testing"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/inventory"
)

func broken(t *testing.T, name faults.Name, o faults.Options) (s stock, end func()) {
	t.Helper()
	board := faults.NewBoard(faults.Inventory, "the key")
	t.Cleanup(board.Close)
	s = start(t, inventory.Config{Faults: board})
	if _, err := board.Start(name, o); err != nil {
		t.Fatal(err)
	}
	return s, func() {
		t.Helper()
		if err := board.Stop(name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFaultInventoryOutOfStock(t *testing.T) {
	s, end := broken(t, faults.InventoryOutOfStock, faults.Options{Market: "JP"})
	if check := s.check(1, 1, "JP"); check.Status != http.StatusOK || check.Body["available"] != false || check.Body["stock"] != 0.0 {
		t.Errorf("check: %d %v, want nothing available", check.Status, check.Body)
	}
	if none := s.reserve("one", 1, 1, "JP"); none.Status != http.StatusConflict || none.Code() != "out_of_stock" || none.Body["available_stock"] != 0.0 {
		t.Errorf("reservation: %d %v, want 409 out_of_stock", none.Status, none.Body)
	}
	if other := s.reserve("other", 1, 1, "DE"); other.Status != http.StatusCreated {
		t.Errorf("in another market: %d %v, want 201", other.Status, other.Body)
	}
	end()
	if after := s.reserve("one", 1, 1, "JP"); after.Status != http.StatusCreated {
		t.Errorf("after the fault: %d %v, want 201", after.Status, after.Body)
	}
}

func TestFaultInventoryFailing(t *testing.T) {
	s, end := broken(t, faults.InventoryFailing, faults.Options{})
	for range 20 {
		for _, answer := range []int{s.check(1, 1, "DE").Status, s.reserve("one", 1, 1, "DE").Status, s.release("none").Status} {
			if answer != http.StatusInternalServerError && answer != http.StatusServiceUnavailable {
				t.Errorf("status %d, want 500 or 503", answer)
			}
		}
	}
	end()
	if after := s.reserve("one", 1, 1, "DE"); after.Status != http.StatusCreated || len(s.reservations()) != 1 {
		t.Errorf("after the fault: %d %v, want 201 and one reservation", after.Status, after.Body)
	}
}
