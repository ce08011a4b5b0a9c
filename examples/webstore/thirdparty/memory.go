package thirdparty

import "iter"

// mostKeys is how many keys a memory holds at most.
const mostKeys = 100_000

// Memory is what a third party knows, by a key. It holds 100,000 keys, and of more
// forgets the oldest. The zero Memory is empty. It is not safe for concurrent
// use.
type Memory[V any] struct {
	values map[string]V
	keys   []string // oldest first
}

// Get returns what is known of a key.
func (m *Memory[V]) Get(key string) (V, bool) {
	value, ok := m.values[key]
	return value, ok
}

// Put sets what is known of a key. If there was no room for a new one it returns
// what was forgotten.
func (m *Memory[V]) Put(key string, value V) (forgotten V, full bool) {
	if m.values == nil {
		m.values = map[string]V{}
	}
	if _, known := m.values[key]; !known {
		m.keys = append(m.keys, key)
	}
	m.values[key] = value
	if len(m.keys) <= mostKeys {
		return forgotten, false
	}
	oldest := m.keys[0]
	m.keys = m.keys[1:]
	forgotten = m.values[oldest]
	delete(m.values, oldest)
	return forgotten, true
}

// All is everything that is known, oldest key first.
func (m *Memory[V]) All() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, key := range m.keys {
			if !yield(m.values[key]) {
				return
			}
		}
	}
}
