package ratelimit

// key is whose units of which limit are counted.
type key struct {
	limit *limit
	key   string
}

// table is a map with a bound, from keys to what is worth something until a time.
// It is not safe for concurrent use.
//
// Keys come from strangers, so their number has no bound of its own. When the table
// is full, a new key takes the place of one that has run out, or else of one that
// would do so soon: of a few that are looked at, the first to end.
type table[V any] struct {
	max     int
	entries map[key]entry[V]
}

type entry[V any] struct {
	value V
	ends  int64 // when the value is worth nothing any more, in microseconds
}

func newTable[V any](size int) table[V] {
	return table[V]{max: size, entries: map[key]entry[V]{}}
}

// get returns the value of a key, the zero value if there is none or it has run out.
func (t *table[V]) get(k key, now int64) V {
	e, ok := t.entries[k]
	if !ok || e.ends <= now {
		var none V
		return none
	}
	return e.value
}

// set sets the value of a key until a time. It says whether another key's value
// had to go that was still worth something.
func (t *table[V]) set(k key, value V, ends, now int64) (evicted bool) {
	if _, ok := t.entries[k]; !ok && len(t.entries) >= t.max {
		evicted = t.makeRoom(now)
	}
	t.entries[k] = entry[V]{value, ends}
	return evicted
}

// looked is how many entries makeRoom looks at. Go begins to range over a map at
// random.
const looked = 8

func (t *table[V]) makeRoom(now int64) (evicted bool) {
	var first key
	n, ends := 0, int64(0)
	for k, e := range t.entries {
		if n == 0 || e.ends < ends {
			first, ends = k, e.ends
		}
		if n++; n == looked {
			break
		}
	}
	delete(t.entries, first)
	return ends > now
}
