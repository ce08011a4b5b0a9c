package thirdparty

import (
	"slices"
	"strconv"
	"testing"
)

func TestAMemoryForgetsTheOldestOfTooManyKeys(t *testing.T) {
	var m Memory[int]
	for i := range mostKeys {
		if forgotten, full := m.Put(strconv.Itoa(i), i); full {
			t.Fatalf("it forgot %d at key %d", forgotten, i)
		}
	}
	if forgotten, full := m.Put("0", -1); full { // known already
		t.Errorf("it forgot %d for a key that it knew", forgotten)
	}
	if forgotten, full := m.Put("new", 7); !full || forgotten != -1 {
		t.Errorf("of too many keys it forgot %d (%v), want that of the first", forgotten, full)
	}
	if _, ok := m.Get("0"); ok {
		t.Error("the oldest key is still known")
	}
	if value, ok := m.Get("new"); !ok || value != 7 {
		t.Errorf("the newest key gives %d, %v", value, ok)
	}
	all := slices.Collect(m.All())
	if len(all) != mostKeys || all[0] != 1 || all[mostKeys-1] != 7 {
		t.Errorf("it holds %d values from %d to %d, want %d from 1 to 7", len(all), all[0], all[len(all)-1], mostKeys)
	}
}
