package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/internal/testlimit"
)

// The program under test, built by TestMain.
var webstore string

// roleVariable has the test binary play another program.
const roleVariable = "WEBSTORE_TEST_ROLE"

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleVariable)]; ok {
		role()
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "webstore-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if err := errors.Join(build(dir), adoptOrphans()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if code := m.Run(); code != 0 {
			return code
		}
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}())
}

// build builds the program as this test is built, race detector and all. The
// directory is open to all, because some runs are another user's.
func build(dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	webstore = filepath.Join(dir, "webstore")
	args := []string{"build", "-o", webstore}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// roles is the programs that the test binary plays.
var roles = map[string]func(){
	"lens":         lens,
	"damaged lens": damagedLens,
	"sleepy lens":  sleepyLens,
}

// lens listens where it is told to, is ready, and prints what it is asked: of
// lens, up needs no more. The tests of folder e2e run the real one.
func lens() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var server http.Server
	server.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { fmt.Println(r.Method, r.URL.Path) })
	for i, arg := range os.Args {
		if !strings.HasSuffix(arg, "addr") {
			continue
		}
		listener, err := net.Listen("tcp", os.Args[i+1])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		go server.Serve(listener)
	}
	for _, flag := range []string{"--dashboards", "--rules"} {
		if _, err := os.Stat(os.Args[slices.Index(os.Args, flag)+1]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	<-ctx.Done()
	os.Exit(0)
}

func damagedLens() {
	fmt.Fprintln(os.Stderr, "lens: /data/lens/traces.db is damaged; nothing was changed: move it away")
	os.Exit(1)
}

// sleepyLens is never ready.
func sleepyLens() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	os.Exit(0)
}

// process is a run of webstore.
type process struct {
	t         *testing.T
	cmd       *exec.Cmd
	out, errs output
	ended     chan struct{}
}

// output is what a process has printed so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// command prepares a run of webstore that finds a lens and nothing of the
// user's.
func command(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(webstore, args...), ended: make(chan struct{})}
	p.cmd.Dir = "/"
	p.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
		"WEBSTORE_LENS=" + self, roleVariable + "=lens",
		"GORACE=atexit_sleep_ms=0", // a second for each process, else
	}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errs
	return p
}

func (p *process) start() *process {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState tells
		close(p.ended)
	}()
	p.t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		<-p.ended
	})
	return p
}

// status waits for the end and returns the exit status, -1 if a signal ended
// it.
func (p *process) status() int {
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) String() string {
	return fmt.Sprintf("%s\noutput:\n%serrors:\n%s", p.cmd, p.out.String(), p.errs.String())
}

// eventually waits until try returns no error. What does not come is told by its
// last one.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	ctx := testlimit.Context(t)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited for %s: %v", what, err)
		case <-tick.C:
		}
	}
}
