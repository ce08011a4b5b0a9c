package paymentprovider

import (
	"strconv"
	"testing"
)

func TestALedgerForgetsOldChargesAltogether(t *testing.T) {
	const most = 100_000
	ids := 0
	l := newLedger(func(string) string { ids++; return strconv.Itoa(ids) })
	order := Order{Amount: 1, Currency: "EUR"}
	for i := range most + 10 {
		l.charge(strconv.Itoa(i), order, nil)
	}
	if n := len(l.list()); n != most || len(l.charges) != most {
		t.Errorf("it knows %d charges by key and %d by id, want %d of each", n, len(l.charges), most)
	}
	if _, failure := l.get("10"); failure != notFound {
		t.Errorf("an old charge is still there: %v", failure)
	}
	if charge, failure := l.get("11"); failure != nil || charge.Key != "10" {
		t.Errorf("the oldest that it has to know is %v, %v", charge, failure)
	}
}
