//go:build unix

package dirlock_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/internal/dirlock"
)

// The test binary plays a process that takes a lock and waits.
func TestMain(m *testing.M) {
	if dir := os.Getenv("DIRLOCK_TEST_DIR"); dir != "" {
		_, err := dirlock.Take(dir)
		fmt.Println(err)
		io.Copy(io.Discard, os.Stdin)
		return
	}
	goleak.VerifyTestMain(m)
}

func TestASecondTakeNamesTheHolder(t *testing.T) {
	dir := t.TempDir()
	lock, err := dirlock.Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	var held *dirlock.HeldError
	if _, err := dirlock.Take(dir); !errors.As(err, &held) || held.PID != os.Getpid() || held.Dir != dir {
		t.Fatalf("got %v, want that process %d holds %s", err, os.Getpid(), dir)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := dirlock.Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	again.Release()
}

func TestALockIsGoneWithAHolderThatIsKilled(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DIRLOCK_TEST_DIR="+dir)
	input, _ := cmd.StdinPipe()
	defer input.Close()
	output, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 6)
	if _, err := io.ReadFull(output, answer); err != nil || string(answer) != "<nil>\n" {
		t.Fatalf("the holder said %q (%v)", answer, err)
	}
	var held *dirlock.HeldError
	if _, err := dirlock.Take(dir); !errors.As(err, &held) || held.PID != cmd.Process.Pid {
		t.Fatalf("got %v, want that process %d holds it", err, cmd.Process.Pid)
	}
	cmd.Process.Kill()
	cmd.Wait()
	lock, err := dirlock.Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	lock.Release()
}

func TestADirectoryThatIsNotThereIsAnError(t *testing.T) {
	if _, err := dirlock.Take(t.TempDir() + "/missing"); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
}
