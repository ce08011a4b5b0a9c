//go:build unix

package platform_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/otelkit/kit/examples/webstore/platform"
)

// roles are the processes that the test binary plays.
var roles = map[string]func(){
	"service":  service,
	"stubborn": func() { signal.Ignore(syscall.SIGTERM); report("up"); select {} },
	"dying":    dying,
	"parent":   parent,
}

// report writes a line with the process's name to the test.
func report(what string) {
	conn, err := net.Dial("unix", os.Getenv("PLATFORM_TEST_REPORT"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Fprintln(conn, os.Getenv("PLATFORM_TEST_NAME"), what)
	conn.Close()
}

// service runs until it is told to stop.
func service() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	fmt.Println("a line of output")
	report("up")
	<-stop
	report("down")
}

// dying prints and fails.
func dying() {
	for i := range 30 {
		fmt.Println("line", i)
	}
	fmt.Fprintln(os.Stderr, "no more money")
	os.Exit(7)
}

// parent supervises a service until it is killed.
func parent() {
	dir, err := platform.OpenDir(platform.DirConfig{Path: os.Getenv("PLATFORM_TEST_DIR")})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := platform.NewSupervisor(dir).Start(context.Background(), platform.Child{
		Name: "orphan", Path: os.Args[0],
		Env: []string{"PLATFORM_TEST_ROLE=service", "PLATFORM_TEST_NAME=orphan"},
	}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	select {}
}

// reports is what the children report, in the order of arrival.
type reports struct {
	path  string
	lines chan string
}

func listen(t *testing.T) *reports {
	t.Helper()
	path := filepath.Join(tempDir(t), "reports")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	r := &reports{path: path, lines: make(chan string, 100)}
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			text, _ := io.ReadAll(conn)
			conn.Close()
			r.lines <- strings.TrimSpace(string(text))
		}
	})
	t.Cleanup(func() { listener.Close(); reading.Wait() })
	return r
}

func (r *reports) child(name, role string) platform.Child {
	return platform.Child{Name: name, Path: os.Args[0], Env: r.env(name, role)}
}

func (r *reports) env(name, role string) []string {
	return []string{"PLATFORM_TEST_ROLE=" + role, "PLATFORM_TEST_NAME=" + name, "PLATFORM_TEST_REPORT=" + r.path}
}

// wait takes as many reports as are wanted.
func (r *reports) wait(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for range want {
		got = append(got, <-r.lines)
	}
	slices.Sort(got)
	if !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Fatalf("reported %q, want %q", got, want)
	}
}

func supervise(t *testing.T) (*platform.Supervisor, *platform.Dir) {
	t.Helper()
	dir := openDir(t, tempDir(t))
	s := platform.NewSupervisor(dir)
	t.Cleanup(func() { s.Stop(context.Background()) })
	return s, dir
}

func TestProcessesStopInTheReverseOrderOfTheirStart(t *testing.T) {
	r := listen(t)
	s, dir := supervise(t)
	if err := s.Start(t.Context(), r.child("provider", "service"), r.child("payments", "service")); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), r.child("main", "service")); err != nil {
		t.Fatal(err)
	}
	r.wait(t, "provider up", "payments up", "main up")

	var stops sync.WaitGroup
	for range 3 { // by several at once, and again
		stops.Go(func() {
			if err := s.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	for _, want := range []string{"main down", "payments down", "provider down"} {
		if got := <-r.lines; got != want {
			t.Errorf("reported %q, want %q", got, want)
		}
	}
	stops.Wait()
	if err := s.Err(); err != nil {
		t.Errorf("a process that was stopped counts as dead: %v", err)
	}
	if log, err := os.ReadFile(filepath.Join(dir.Path, "logs", "main.log")); string(log) != "a line of output\n" {
		t.Errorf("the log is %q (%v)", log, err)
	}
	if err := s.Start(t.Context(), r.child("late", "service")); err == nil {
		t.Error("a process was started after Stop")
	}
}

func TestStartReturnsWhenAllAreReady(t *testing.T) {
	r := listen(t)
	s, _ := supervise(t)
	asked := 0
	c := r.child("main", "service")
	c.Ready = func(context.Context) error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	}
	if err := s.Start(t.Context(), c); err != nil || asked != 3 {
		t.Fatalf("asked %d times (%v)", asked, err)
	}
}

func TestAProcessThatDiesBeforeItIsReadyEndsTheStart(t *testing.T) {
	r := listen(t)
	s, _ := supervise(t)
	never := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	dies, waits := r.child("payments", "dying"), r.child("main", "service")
	dies.Ready, waits.Ready = never, never
	err := s.Start(t.Context(), waits, dies)
	wantExit(t, err, "payments")
}

func TestAProcessThatDiesLaterIsNamedWithItsLastLines(t *testing.T) {
	r := listen(t)
	s, _ := supervise(t)
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), r.child("main", "service"), r.child("payments", "dying")); err != nil {
		t.Fatal(err)
	}
	<-s.Dead()
	wantExit(t, s.Err(), "payments")
	r.wait(t, "main up")
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	r.wait(t, "main down")
}

func wantExit(t *testing.T, err error, name string) {
	t.Helper()
	var exit *platform.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("got %v, want an ExitError", err)
	}
	lines := exit.LastLines
	if exit.Name != name || exit.Status != "exit status 7" || len(lines) != 10 || lines[9] != "no more money" || lines[0] != "line 21" {
		t.Errorf("got %v", err)
	}
}

func TestAProcessThatDoesNotStopIsKilledAndNamed(t *testing.T) {
	r := listen(t)
	s, _ := supervise(t)
	c := r.child("stuck", "stubborn")
	c.StopTimeout = 10 * time.Millisecond
	if err := s.Start(t.Context(), r.child("provider", "service"), c); err != nil {
		t.Fatal(err)
	}
	r.wait(t, "stuck up", "provider up")
	wantError(t, s.Stop(t.Context()), "stuck did not stop in time and was killed")
	r.wait(t, "provider down")
}

func TestAStartThatIsCalledOffSaysWhatItWaitedFor(t *testing.T) {
	r := listen(t)
	s, _ := supervise(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := r.child("main", "service")
	c.Ready = func(context.Context) error { cancel(); return errors.New("migrating") }
	wantError(t, s.Start(ctx, c), "main is not ready", "migrating", "context canceled")
}

func TestAProgramThatIsNotThereIsNamed(t *testing.T) {
	s, _ := supervise(t)
	wantError(t, s.Start(t.Context(), platform.Child{Name: "main", Path: "/nowhere/webstore"}), "start main", "/nowhere/webstore")
}

func TestNoProcessOutlivesASupervisorThatIsKilled(t *testing.T) {
	r := listen(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(r.env("", "parent"), "PLATFORM_TEST_DIR="+tempDir(t))...)
	cmd.Stdout = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.wait(t, "orphan up")
	cmd.Process.Kill()
	cmd.Wait()
	r.wait(t, "orphan down")
}

func TestHTTPReadyWantsStatus200(t *testing.T) {
	status := http.StatusServiceUnavailable
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })}
	go server.Serve(listener)
	defer server.Close()
	ready := platform.HTTPReady("http://" + listener.Addr().String() + "/healthz/ready")
	wantError(t, ready(t.Context()), "503")
	status = http.StatusOK
	if err := ready(t.Context()); err != nil {
		t.Error(err)
	}
	server.Close()
	wantError(t, ready(t.Context()), "refused")
}
