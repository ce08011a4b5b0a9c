package datadir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestADirectoryIsHeldByOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	first, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(path)
	if want := "in use by another lens (process "; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("second Open: %v, want an error with %q", err, want)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatalf("Open after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestADirectoryThatIsNotOursIsRefusedAndLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		file, content, want string
	}{
		"somebody's files": {"thesis.tex", "work of years", "not lens' own (it holds thesis.tex)"},
		"another version":  {"LAYOUT", "lens data, layout 99\n", `LAYOUT says "lens data, layout 99"`},
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			if err := os.WriteFile(filepath.Join(path, c.file), []byte(c.content), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Open(path)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open: %v, want an error with %q", err, c.want)
			}
			if got, _ := os.ReadFile(filepath.Join(path, c.file)); string(got) != c.content {
				t.Errorf("%s is now %q", c.file, got)
			}
		})
	}
}

func TestAPathThatCannotBeADirectoryIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Open(filepath.Join(file, "data"))
	if want := "cannot be made: not a directory; choose another one"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Open: %v, want an error with %q", err, want)
	}
}

func TestATemporaryDirectoryIsGoneAfterClose(t *testing.T) {
	d, err := OpenTemp()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(d.Path()); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", d.Path(), err)
	}
}
