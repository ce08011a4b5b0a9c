//go:build unix

package platform

import (
	"os"
	"strings"
	"testing"
)

func TestALogIsContinuedAndKeepsOneFullFileBesideTheCurrent(t *testing.T) {
	dir := &Dir{Path: t.TempDir()}
	var log *logFile
	for _, text := range []string{"oldest\n", "old----\n", "new----\n", "newest\n"} {
		var err error
		if log, err = dir.openLog("main"); err != nil { // as each run does
			t.Fatal(err)
		}
		log.max = 16
		if _, err := log.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		log.Close()
	}
	for path, want := range map[string]string{
		log.path + ".1": "oldest\nold----\n",
		log.path:        "new----\nnewest\n",
	} {
		if got, err := os.ReadFile(path); string(got) != want {
			t.Errorf("%s is %q (%v), want %q", path, got, err, want)
		}
	}
	log, err := dir.openLog("main")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	log.max = 16
	long := strings.Repeat("x", 100)
	if _, err := log.Write([]byte(long)); err != nil { // more than fits goes in whole
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(log.path); string(got) != long {
		t.Errorf("the log is %q", got)
	}
	if files, _ := os.ReadDir(dir.Path + "/logs"); len(files) != 2 {
		t.Errorf("there are %d files, want 2", len(files))
	}
}
