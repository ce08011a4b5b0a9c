//go:build unix

// Package child runs processes that do not outlive this one.
//
// A server that starts other servers has two ways to die. In the good one it
// stops them in its own order, which needs that a terminal's ^C reaches only
// the parent: every child gets a process group of its own. In the bad one the
// parent is killed and runs no code at all: then the kernel, asked for it when
// the child was started, signals the child.
//
//	            ^C, SIGTERM ──> parent ──Stop──> child
//	SIGKILL, panic, out of memory ──> parent
//	                                     └──kernel──> child
//
// The second way exists on Linux and FreeBSD. Elsewhere a child survives a
// parent that was killed, and whoever starts next finds it holding its port or
// its data.
//
// What a child prints goes to one writer, and its last lines are kept, because
// they are the first thing to ask for when it has died.
package child

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// outputDelay is how long a dead child's output may stay open, held by
// processes that it left behind.
const outputDelay = 2 * time.Second

// Process is a running child. Its methods are safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	tail *tail
	done chan struct{}
	err  error // written before done is closed
}

// Start starts cmd in a process group of its own. Standard output and error go
// to out, which may be nil; an error of out is ignored, so that a full disk
// does not stop a child. If this process ends without stopping the child, the
// kernel sends the child the signal onParentDeath (Linux and FreeBSD only).
//
// Start owns cmd from then on, and replaces its Stdout, Stderr and WaitDelay.
func Start(cmd *exec.Cmd, out io.Writer, onParentDeath syscall.Signal) (*Process, error) {
	p := &Process{cmd: cmd, tail: &tail{out: out}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.tail, p.tail
	cmd.WaitDelay = outputDelay
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	dieWithParent(cmd.SysProcAttr, onParentDeath)

	started := make(chan error, 1)
	go func() {
		// Linux takes the thread that forked for the parent. The goroutine
		// therefore keeps its thread for as long as the child runs: the Go
		// runtime could end an unlocked one, and the child with it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()

		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		if errors.Is(p.err, exec.ErrWaitDelay) {
			p.err = nil
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended and its output has been read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the child ended, as exec.Cmd.Wait does: nil for status 0. It is
// nil before Done is closed.
func (p *Process) Err() error {
	if !p.ended() {
		return nil
	}
	return p.err
}

// Tail is the last lines that the child printed, oldest first, at most ten.
func (p *Process) Tail() []string { return p.tail.lines() }

// Stop ends the child and waits until it has ended. It sends the signals one
// after another, with a time of grace after each, and then SIGKILL to the
// child's whole process group. A done ctx takes the grace away, not the
// signals. Stopping a child that has ended does nothing.
func (p *Process) Stop(ctx context.Context, grace time.Duration, signals ...syscall.Signal) {
	for _, signal := range signals {
		p.signal(ctx, signal, grace)
	}
	if !p.ended() { // or the number may be somebody else's by now
		syscall.Kill(-p.PID(), syscall.SIGKILL)
	}
	<-p.done
}

func (p *Process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal sends one signal and waits for the end, until grace or ctx is over.
func (p *Process) signal(ctx context.Context, signal syscall.Signal, grace time.Duration) {
	p.cmd.Process.Signal(signal)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}
