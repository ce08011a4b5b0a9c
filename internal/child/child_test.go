//go:build unix

package child_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/internal/child"
)

// The test binary plays the processes that the tests need.
var roles = map[string]func(){
	"echo":     echo,
	"stubborn": stubborn,
	"parent":   parent,
}

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv("CHILD_TEST_ROLE")]; ok {
		role()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func as(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CHILD_TEST_ROLE="+role)
	return cmd
}

// echo repeats each line, and ends with its input.
func echo() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(lines.Text())
	}
}

// stubborn reports polite signals and goes on.
func stubborn() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	fmt.Println("ready")
	for s := range signals {
		fmt.Println(s)
	}
}

// parent starts a child that holds file 3 open, says so, and waits to be
// killed.
func parent() {
	cmd := as("stubborn")
	cmd.ExtraFiles = []*os.File{os.NewFile(3, "held")}
	if _, err := child.Start(cmd, os.Stdout, syscall.SIGKILL); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	select {}
}

// lines is a child's output, a line at a time.
func lines(t *testing.T) (io.WriteCloser, func() string) {
	reader, writer := io.Pipe()
	scanner := bufio.NewScanner(reader)
	t.Cleanup(func() { reader.Close() })
	return writer, func() string {
		t.Helper()
		if !scanner.Scan() {
			t.Fatal("the child's output ended")
		}
		return scanner.Text()
	}
}

func start(t *testing.T, cmd *exec.Cmd, out io.Writer) *child.Process {
	t.Helper()
	p, err := child.Start(cmd, out, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(context.Background(), 0) })
	return p
}

func TestAChildHasAProcessGroupOfItsOwnSoThatTheTerminalDoesNotReachIt(t *testing.T) {
	p := start(t, as("stubborn"), nil)
	group, err := syscall.Getpgid(p.PID())
	if err != nil || group != p.PID() {
		t.Fatalf("group %d, error %v; want the child's pid %d", group, err, p.PID())
	}
}

func TestStopSendsTheSignalsInTurnAndThenKills(t *testing.T) {
	out, next := lines(t)
	p := start(t, as("stubborn"), out)
	if got := next(); got != "ready" {
		t.Fatalf("got %q", got)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		p.Stop(t.Context(), 200*time.Millisecond, syscall.SIGINT, syscall.SIGTERM)
	}()
	for _, want := range []string{"interrupt", "terminated"} {
		if got := next(); got != want {
			t.Fatalf("the child got %q, want %q", got, want)
		}
	}
	<-stopped
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v, want SIGKILL", p.Err())
	}
	p.Stop(t.Context(), time.Hour, syscall.SIGINT) // nothing to wait for
}

func TestADoneContextTakesTheGraceAway(t *testing.T) {
	p := start(t, as("stubborn"), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Stop(ctx, time.Hour, syscall.SIGTERM)
}

func TestAnOutputThatFailsDoesNotStopTheChild(t *testing.T) {
	cmd := as("echo")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, cmd, failingWriter{})
	for i := range 20 {
		fmt.Fprintln(input, "line", i)
	}
	fmt.Fprint(input, "the end")
	input.Close()
	<-p.Done()
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
	want := "line 11|line 12|line 13|line 14|line 15|line 16|line 17|line 18|line 19|the end"
	if got := strings.Join(p.Tail(), "|"); got != want {
		t.Errorf("the last lines are\n %s, want\n %s", got, want)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAProgramThatIsNotThereIsAnError(t *testing.T) {
	if _, err := child.Start(exec.Command("/nowhere/program"), nil, syscall.SIGKILL); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
}
