//go:build linux

package child_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/otelkit/kit/internal/child"
)

func TestAChildDoesNotOutliveAParentThatIsKilled(t *testing.T) {
	ended, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ended.Close()
	cmd := as("parent")
	cmd.ExtraFiles = []*os.File{held}
	out, next := lines(t)
	parent := start(t, cmd, out)
	held.Close()
	if got := next(); got != "ready" {
		t.Fatalf("got %q", got)
	}
	if err := syscall.Kill(parent.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// The pipe ends when nobody holds it: neither the parent nor its child.
	if _, err := io.ReadAll(ended); err != nil {
		t.Fatal(err)
	}
}

// Linux sends the death signal when the thread that forked ends, and a locked
// goroutine takes its thread along.
func TestAChildOutlivesTheThreadThatAskedForIt(t *testing.T) {
	cmd := as("echo")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, next := lines(t)
	var p *child.Process
	thread := make(chan int)
	onThreadThatEnds(func() {
		p, err = child.Start(cmd, out, syscall.SIGKILL)
		thread <- syscall.Gettid()
	})
	task := filepath.Join("/proc/self/task", strconv.Itoa(<-thread))
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := os.Stat(task); gone == nil; _, gone = os.Stat(task) {
		runtime.Gosched()
	}
	go func() { // a child that died has no more to say
		<-p.Done()
		out.Close()
	}()
	fmt.Fprintln(input, "still here")
	if got := next(); got != "still here" {
		t.Fatalf("got %q", got)
	}
	input.Close()
	<-p.Done()
}

// onThreadThatEnds runs f on a thread that ends after it. The process's first
// thread never does, so a goroutine that has got that one keeps it while
// another runs f.
func onThreadThatEnds(f func()) {
	go func() {
		runtime.LockOSThread()
		if syscall.Gettid() != syscall.Getpid() {
			f()
			return
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			f()
		}()
		<-done
		runtime.UnlockOSThread()
	}()
}
