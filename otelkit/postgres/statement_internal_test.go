package postgres

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

func TestStatementsAreReadOnce(t *testing.T) {
	var c statements
	first := c.of("select * from orders")
	if c.of("select * from orders") != first {
		t.Error("it was read again")
	}
	if n := testing.AllocsPerRun(1000, func() { c.of("select * from orders") }); n != 0 {
		t.Errorf("asking again costs %v allocations, want none", n)
	}
}

func TestTextsThatNeverComeAgainTakeNoMemoryFromThoseThatDo(t *testing.T) {
	var c statements
	first := c.of("select * from orders")
	for i := range 10 * maxStatements {
		c.of(fmt.Sprintf("select * from orders where id = %d", i))
		if i%100 == 0 && c.of("select * from orders") != first {
			t.Fatalf("forgotten after %d others", i)
		}
	}
	c.of("select " + strings.Repeat("1,", maxKey))
	if n := len(c.young) + len(c.old); n > 2*maxStatements {
		t.Errorf("%d statements are remembered", n)
	}
	for text := range c.young {
		if len(text) > maxKey {
			t.Errorf("a text of %d bytes is remembered", len(text))
		}
	}
}

func TestWhatIsKnownOfALongTextDoesNotKeepIt(t *testing.T) { // series have its operation, which is a part of it
	sql := "INSERT INTO orders VALUES " + strings.Repeat("(1),", 1<<20)
	start := uintptr(unsafe.Pointer(unsafe.StringData(sql)))
	s := read(sql, nil)
	for _, part := range []string{s.operation, s.collection, s.text} {
		if at := uintptr(unsafe.Pointer(unsafe.StringData(part))); part == "" || start <= at && at < start+uintptr(len(sql)) {
			t.Errorf("%q is a part of a text of %d bytes", part, len(sql))
		}
	}
	runtime.KeepAlive(sql)
}

func TestStatementsAreForConcurrentUse(t *testing.T) {
	var c statements
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 2 * maxStatements {
				if got := c.of(fmt.Sprintf("select * from t%d", i)).collection; got != fmt.Sprintf("t%d", i) {
					t.Errorf("table %s of t%d", got, i)
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkStatement(b *testing.B) {
	const sql = "select o.id, l.sku from orders o join order_lines l on l.order_id = o.id where o.id = $1 and o.state = 'paid'"
	b.Run("known", func(b *testing.B) {
		var c statements
		b.ReportAllocs()
		for b.Loop() {
			c.of(sql)
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read(sql, nil)
		}
	})
}
