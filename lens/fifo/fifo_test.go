package fifo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testConfig(path string) Config {
	return Config{
		Path:    path,
		Table:   "note",
		Time:    "time_ns",
		Version: 1,
		Schema:  "CREATE TABLE note (id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, text TEXT NOT NULL UNIQUE)",
		Insert:  "INSERT OR IGNORE INTO note (time_ns, text) VALUES (?, ?)",
	}
}

func open(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// notes returns n rows with texts from, from+1, ... as letters.
func notes(from, n int, at time.Time) [][]any {
	rows := make([][]any, n)
	for i := range rows {
		rows[i] = []any{at.UnixNano(), strings.Repeat("x", 100) + string(rune('A'+from+i))}
	}
	return rows
}

func texts(t *testing.T, s *Store) string {
	t.Helper()
	var got string
	err := s.DB().QueryRowContext(t.Context(), "SELECT coalesce(group_concat(replace(text, 'x', ''), ''), '') FROM (SELECT text FROM note ORDER BY id)").Scan(&got)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func write(t *testing.T, s *Store, rows [][]any) int64 {
	t.Helper()
	n, err := s.Write(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatWriteAcceptedIsReadAtOnceAndAfterReopening(t *testing.T) {
	cfg := testConfig(filepath.Join(t.TempDir(), "odd name?#%.db"))
	s := open(t, cfg)
	if got := write(t, s, notes(0, 3, time.Now())); got != 3 {
		t.Errorf("stored %d, want 3", got)
	}
	if got := write(t, s, notes(2, 2, time.Now())); got != 1 {
		t.Errorf("stored %d of a repeated and a new row, want 1", got)
	}
	if got := texts(t, s); got != "ABCD" {
		t.Errorf("read %q, want ABCD", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, cfg)
	write(t, again, notes(4, 1, time.Now()))
	if got := texts(t, again); got != "ABCDE" {
		t.Errorf("read %q after reopening, want ABCDE", got)
	}
	if u, err := again.Usage(t.Context()); err != nil || u.Rows != 5 || u.Bytes == 0 {
		t.Errorf("Usage = %+v, %v", u, err)
	}
}

func TestTheOldestRowsMakeRoom(t *testing.T) {
	var evicted int64
	cfg := testConfig(filepath.Join(t.TempDir(), "a.db"))
	cfg.MaxRows = 3
	cfg.OnEvict = func(n int64) { evicted += n }
	s := open(t, cfg)
	for i := range 10 {
		write(t, s, notes(i, 1, time.Now()))
	}
	if err := s.Close(); err != nil { // the writer has settled
		t.Fatal(err)
	}
	if evicted != 7 {
		t.Errorf("evicted %d, want 7", evicted)
	}
	if got := texts(t, open(t, cfg)); got != "HIJ" {
		t.Errorf("left %q, want HIJ", got)
	}
}

func TestTheFileStaysWithinItsBytes(t *testing.T) {
	cfg := testConfig(filepath.Join(t.TempDir(), "a.db"))
	cfg.Schema = "CREATE TABLE note (id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, text TEXT NOT NULL)"
	cfg.MaxBytes = 1 << 20
	s := open(t, cfg)
	row := []any{time.Now().UnixNano(), strings.Repeat("long ", 200)}
	rows := make([][]any, 500)
	for i := range rows {
		rows[i] = row
	}
	for range 20 { // 10 MB in all
		write(t, s, rows)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > cfg.MaxBytes {
		t.Errorf("file has %d bytes, want at most %d", info.Size(), cfg.MaxBytes)
	}
	if info.Size() < cfg.MaxBytes/2 {
		t.Errorf("file has %d bytes: eviction threw away far more than it had to", info.Size())
	}

	cfg.MaxBytes = 1 << 18
	smaller := open(t, cfg)
	if err := smaller.Close(); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(cfg.Path); info.Size() > cfg.MaxBytes {
		t.Errorf("file has %d bytes after reopening with a lower limit of %d", info.Size(), cfg.MaxBytes)
	}
}

func TestRowsLeaveWhenTheyAreTooOld(t *testing.T) {
	cfg := testConfig(filepath.Join(t.TempDir(), "a.db"))
	s := open(t, cfg)
	write(t, s, notes(0, 2, time.Now().Add(-time.Hour)))
	write(t, s, notes(2, 2, time.Now()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.MaxAge = time.Minute
	s = open(t, cfg)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.MaxAge = 0
	if got := texts(t, open(t, cfg)); got != "CD" {
		t.Errorf("left %q, want CD", got)
	}
}

func TestAnEmptiedTableStartsAfresh(t *testing.T) {
	cfg := testConfig(filepath.Join(t.TempDir(), "a.db"))
	cfg.MaxBytes = 1 // nothing fits
	s := open(t, cfg)
	write(t, s, notes(0, 3, time.Now()))
	write(t, s, notes(3, 3, time.Now()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.MaxBytes = 0
	again := open(t, cfg)
	write(t, again, notes(6, 2, time.Now()))
	if got := texts(t, again); got != "GH" {
		t.Errorf("left %q, want GH", got)
	}
}

func TestABadRowDoesNotTakeItsNeighboursAlong(t *testing.T) {
	cfg := testConfig(filepath.Join(t.TempDir(), "a.db"))
	cfg.Insert = "INSERT INTO note (time_ns, text) VALUES (?, ?)"
	s := open(t, cfg)
	good := &request{rows: notes(0, 2, time.Now()), reply: make(chan reply, 1)}
	bad := &request{rows: [][]any{{time.Now().UnixNano(), nil}}, reply: make(chan reply, 1)}
	release := holdWriter(t, s)
	s.queue <- bad
	s.queue <- good
	release()
	if got := <-bad.reply; got.err == nil {
		t.Errorf("bad request: %+v, want an error", got)
	}
	if got := <-good.reply; got.err != nil || got.stored != 2 {
		t.Errorf("good request: %+v, want 2 stored", got)
	}
}

// holdWriter keeps the database's only writing connection until release.
func holdWriter(t *testing.T, s *Store) (release func()) {
	t.Helper()
	tx, err := s.write.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

func TestProducersThatOutrunTheDiskAreToldAndNotHeldForEver(t *testing.T) {
	cfg := testConfig(filepath.Join(t.TempDir(), "a.db"))
	cfg.MaxWait = time.Millisecond
	s := open(t, cfg)
	release := holdWriter(t, s)
	full := make([][]any, queueRows)
	for i := range full {
		full[i] = []any{time.Now().UnixNano(), "same"}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := s.Write(context.Background(), full); err != nil {
			t.Errorf("the write that fills the queue: %v", err)
		}
	})
	for s.room.TryAcquire(1) { // until the writer above has its place
		s.room.Release(1)
	}
	if _, err := s.Write(t.Context(), notes(0, 1, time.Now())); !errors.Is(err, ErrBusy) {
		t.Errorf("Write on a full queue: %v, want ErrBusy", err)
	}
	release()
	wg.Wait()
	write(t, s, notes(0, 1, time.Now()))
}

func TestWriteAfterCloseSaysSo(t *testing.T) {
	s := open(t, testConfig(filepath.Join(t.TempDir(), "a.db")))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := s.Write(t.Context(), notes(0, 1, time.Now())); !errors.Is(err, ErrClosed) {
			t.Fatalf("Write after Close: %v, want ErrClosed", err)
		}
	}
}

func TestADamagedOrForeignFileIsNamedAndLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(t *testing.T, path string)
		want   string
	}{
		"not SQLite": {
			damage: func(t *testing.T, path string) { writeFile(t, path, []byte(strings.Repeat("not a database ", 99))) },
			want:   "not a database",
		},
		"cut short": {
			damage: func(t *testing.T, path string) {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				writeFile(t, path, data[:len(data)/2])
			},
			want: "malformed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(filepath.Join(t.TempDir(), "a.db"))
			s := open(t, cfg)
			for i := range 50 {
				rows := notes(0, 1, time.Now())
				rows[0][1] = strings.Repeat(string(rune('A'+i)), 2000)
				write(t, s, rows)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			c.damage(t, cfg.Path)
			before, _ := os.ReadFile(cfg.Path)
			_, err := Open(t.Context(), cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), cfg.Path+" cannot be used") {
				t.Errorf("Open: %v, want an error that names the file and says %q", err, c.want)
			}
			if after, _ := os.ReadFile(cfg.Path); string(after) != string(before) {
				t.Error("Open changed the file")
			}
		})
	}
}

func TestAFileOfAnotherVersionIsRefused(t *testing.T) {
	cfg := testConfig(filepath.Join(t.TempDir(), "a.db"))
	if err := open(t, cfg).Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Version = 2
	_, err := Open(t.Context(), cfg)
	if want := "schema has version 1 and this lens needs 2"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Open: %v, want an error with %q", err, want)
	}
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
