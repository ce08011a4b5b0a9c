//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// mode is a way to be observed.
type mode struct {
	name string
	env  []string
	args []string
}

var modes = []mode{
	{name: "no telemetry", args: []string{"--telemetry", "off"}},
	{name: "every trace sampled", env: []string{"OTEL_TRACES_SAMPLER=parentbased_always_on"}},
	{name: "one trace in ten sampled", env: []string{"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.1"}},
}

// store is a run of `webstore up`.
type store struct {
	up       *exec.Cmd
	output   *bytes.Buffer
	dir      string
	shop     string         // address of main
	services map[string]int // process ids, by role
}

// measured are the services whose cost is counted.
var measured = []string{"main", "payments", "promotions"}

func startStore(ctx context.Context, webstore string, m mode) (*store, error) {
	dir, err := os.MkdirTemp("", "webstore-load")
	if err != nil {
		return nil, err
	}
	s := &store{dir: dir, output: &bytes.Buffer{}}
	file := filepath.Join(dir, "addresses.json")
	args := []string{"up", "--ephemeral", "--traffic", "off", "--latency-scale", "0", "--failure-scale", "0", "--addresses", file}
	for _, flag := range []string{
		"main-addr", "payments-addr", "promotions-addr", "payment-provider-addr", "crm-addr", "inventory-addr",
		"lens-addr", "prometheus-addr", "otlp-grpc-addr", "otlp-http-addr",
	} {
		args = append(args, "--"+flag, "127.0.0.1:0")
	}
	s.up = exec.Command(webstore, append(args, m.args...)...)
	s.up.Env = append(os.Environ(), m.env...)
	s.up.Stdout, s.up.Stderr = s.output, s.output
	s.up.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := s.up.Start(); err != nil {
		return nil, err
	}
	var at struct{ Main string }
	if err := await(ctx, time.Minute, func() error {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return json.Unmarshal(data, &at)
	}); err != nil {
		return nil, errors.Join(fmt.Errorf("webstore up is not ready: %w\n%s", err, s.output), s.stop())
	}
	address, err := url.Parse(at.Main)
	if err == nil {
		s.shop = address.Host
		s.services, err = children(s.up.Process.Pid)
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// await tries until it works.
func await(ctx context.Context, most time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *store) stop() error {
	defer os.RemoveAll(s.dir)
	if err := s.up.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := s.up.Wait(); err != nil {
		return fmt.Errorf("webstore up ended with %w:\n%s", err, s.output)
	}
	return nil
}

// children finds the processes of the measured services below a process.
func children(parent int) (map[string]int, error) {
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	found := map[string]int{}
	for _, path := range entries {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		line, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		words := strings.Split(string(line), "\x00")
		if fields, err := stat(pid); err != nil || fields[1] != strconv.Itoa(parent) || len(words) < 3 || words[1] != "serve" {
			continue
		}
		found[words[2]] = pid
	}
	for _, name := range measured {
		if found[name] == 0 {
			return nil, fmt.Errorf("webstore up (process %d) has no child that serves %s", parent, name)
		}
	}
	return found, nil
}

// usage is what a process has used.
type usage struct {
	cpu  time.Duration
	peak int64 // of resident memory, in bytes
}

// tick is the unit of CPU times in /proc; Linux has 100 a second on every machine that
// Go runs on.
const tick = 10 * time.Millisecond

func (s *store) usage() (map[string]usage, error) {
	all := map[string]usage{}
	for _, name := range measured {
		pid := s.services[name]
		fields, err := stat(pid)
		if err != nil {
			return nil, fmt.Errorf("%s has ended: %w\n%s", name, err, s.output)
		}
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		peak, err := peakMemory(pid)
		if err != nil {
			return nil, err
		}
		all[name] = usage{time.Duration(user+system) * tick, peak}
	}
	return all, nil
}

// stat is /proc/PID/stat from the state on, which is field 3 of proc(5).
func stat(pid int) ([]string, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	_, rest, ok := bytes.Cut(content, []byte(") "))
	if fields := strings.Fields(string(rest)); ok && len(fields) > 12 {
		return fields, nil
	}
	return nil, fmt.Errorf("/proc/%d/stat: %q", pid, content)
}

// peakMemory is the most resident memory that a process had.
func peakMemory(pid int) (int64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kibibytes, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kibibytes << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmHWM", pid)
}
