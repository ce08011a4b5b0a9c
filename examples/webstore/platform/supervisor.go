//go:build unix

package platform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/otelkit/kit/internal/child"
)

const (
	defaultStopTimeout = 10 * time.Second
	readyInterval      = 20 * time.Millisecond
)

// Child is a process to run.
type Child struct {
	Name string   // names its log file and it in errors; required
	Path string   // the program; required
	Args []string // what follows the program's name
	Env  []string // KEY=value, added to this process's environment

	// Ready is asked every 20 ms until it returns nil, and then no more. Nil
	// means that the process is ready when it runs.
	Ready func(context.Context) error

	// StopTimeout is how long after SIGTERM the process gets SIGKILL. 0 means
	// 10 s.
	StopTimeout time.Duration
}

// Supervisor runs processes that stand and fall together. Its methods are safe
// for concurrent use.
type Supervisor struct {
	dir  *Dir
	dead chan struct{}
	stop sync.Once

	mu       sync.Mutex
	running  []*running // in the order of their start
	stopping bool
	err      error // of the first that ended by itself; written before dead is closed

	watchers sync.WaitGroup
	stopErr  error // written within stop
}

type running struct {
	Child
	process *child.Process
}

// NewSupervisor makes a Supervisor of no processes, whose logs go to dir.
func NewSupervisor(dir *Dir) *Supervisor {
	return &Supervisor{dir: dir, dead: make(chan struct{})}
}

// Start starts the children in the order given, without waiting in between,
// and returns when all of them are ready, or one has died, or ctx is done. What
// must be ready before the next starts goes into a Start of its own. After an
// error the others still run: call Stop.
func (s *Supervisor) Start(ctx context.Context, children ...Child) error {
	started, err := s.startAll(children)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		waiting sync.WaitGroup
		first   sync.Once
	)
	for _, r := range started {
		waiting.Go(func() {
			if failed := r.awaitReady(ctx); failed != nil {
				first.Do(func() { err = failed })
				cancel()
			}
		})
	}
	waiting.Wait()
	return err
}

func (s *Supervisor) startAll(children []Child) ([]*running, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return nil, errors.New("the processes are being stopped; no more are started")
	}
	var started []*running
	for _, c := range children {
		log, err := s.dir.openLog(c.Name)
		if err != nil {
			return nil, fmt.Errorf("log of %s: %w", c.Name, err)
		}
		cmd := exec.Command(c.Path, c.Args...)
		cmd.Env = append(os.Environ(), c.Env...)
		process, err := child.Start(cmd, log, syscall.SIGTERM)
		if err != nil {
			log.Close()
			return nil, fmt.Errorf("start %s: %w", c.Name, err)
		}
		r := &running{c, process}
		started = append(started, r)
		s.running = append(s.running, r)
		s.watchers.Go(func() {
			<-process.Done()
			log.Close()
			s.ended(r)
		})
	}
	return started, nil
}

// ended notes the first process that ended though nobody stopped it.
func (s *Supervisor) ended(r *running) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping && s.err == nil {
		s.err = r.exitError()
		close(s.dead)
	}
}

// Dead is closed when a process has ended though nobody stopped it.
func (s *Supervisor) Dead() <-chan struct{} { return s.dead }

// Err is the *ExitError of the first process that ended though nobody stopped
// it. It is nil before Dead is closed.
func (s *Supervisor) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Stop stops the processes one by one, the last one started first: SIGTERM,
// and SIGKILL if that does not help within the child's StopTimeout or before
// ctx is done. It returns when none is left, and names those that had to be
// killed or failed while stopping. It may be called again, and by several at
// once; all get the same answer.
func (s *Supervisor) Stop(ctx context.Context) error {
	s.stop.Do(func() {
		s.mu.Lock()
		s.stopping = true
		children := slices.Clone(s.running)
		s.mu.Unlock()

		var errs []error
		for _, r := range slices.Backward(children) {
			errs = append(errs, r.stop(ctx))
		}
		s.watchers.Wait()
		s.stopErr = errors.Join(errs...)
	})
	return s.stopErr
}

func (r *running) stop(ctx context.Context) error {
	select {
	case <-r.process.Done():
		return nil // ended by itself, which Err tells
	default:
	}
	timeout := r.StopTimeout
	if timeout == 0 {
		timeout = defaultStopTimeout
	}
	r.process.Stop(ctx, timeout, syscall.SIGTERM)

	var exit *exec.ExitError
	if !errors.As(r.process.Err(), &exit) {
		return nil
	}
	switch status := exit.Sys().(syscall.WaitStatus); {
	case status.Signaled() && status.Signal() == syscall.SIGTERM:
		return nil // a program that leaves stopping to the system
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		return fmt.Errorf("%s did not stop in time and was killed", r.Name)
	}
	return fmt.Errorf("while stopping: %w", r.exitError())
}

func (r *running) awaitReady(ctx context.Context) error {
	if r.Ready == nil {
		return nil
	}
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // a question to a process that dies is not waited for
		select {
		case <-r.process.Done():
			cancel()
		case <-asking.Done():
		}
	}()
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	last := errors.New("no answer")
	for {
		err := r.Ready(asking)
		if err == nil {
			return nil
		}
		if !errors.Is(err, asking.Err()) { // or it tells of our own impatience
			last = err
		}
		select {
		case <-r.process.Done():
			return r.exitError()
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (%w)", r.Name, last, ctx.Err())
		case <-tick.C:
		}
	}
}

// ExitError says how a process ended.
type ExitError struct {
	Name      string   // the child's
	Status    string   // such as "exit status 1" or "signal: killed"
	LastLines []string // of its output, oldest first, at most ten
}

// Error names the process and its status, and has the last lines below.
func (e *ExitError) Error() string {
	if len(e.LastLines) == 0 {
		return fmt.Sprintf("%s ended (%s) and printed nothing", e.Name, e.Status)
	}
	return fmt.Sprintf("%s ended (%s); its last lines:\n  %s", e.Name, e.Status, strings.Join(e.LastLines, "\n  "))
}

func (r *running) exitError() *ExitError {
	status := "exit status 0"
	if err := r.process.Err(); err != nil {
		status = err.Error()
	}
	return &ExitError{r.Name, status, r.process.Tail()}
}

// HTTPReady is a Child.Ready for a server: it answers a GET of the address
// with status 200.
func HTTPReady(url string) func(context.Context) error {
	client := &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true},
		Timeout:   time.Second,
	}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s: %s", url, response.Status)
		}
		return nil
	}
}
