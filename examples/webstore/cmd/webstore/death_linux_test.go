package main_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

func TestNoProcessOutlivesAnUpThatIsKilledAndItsDataServesTheNext(t *testing.T) {
	dir := dataDir(t)
	p, _ := startUp(t, "--data-dir", dir)
	if len(descendants()) < 9 { // up, postgres, lens, six services, shoppers
		t.Fatalf("only %v run below this test", descendants())
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	eventually(t, "all that up started to end", func() error {
		if living := descendants(); len(living) > 0 {
			return fmt.Errorf("%d %s", living[0], commandLine(living[0]))
		}
		return nil
	})
	startUp(t, "--data-dir", dir)
}

func TestAPartThatDiesEndsTheRunWithItsNameAndLastLines(t *testing.T) {
	for part, test := range map[string]struct{ commandLine, lastLine string }{
		"payments": {"serve payments", "listening"},
		"main":     {"serve main", "listening"},
		"lens":     {"--otlp-grpc-addr", ""},
		"postgres": {"postgres -D", ""},
	} {
		t.Run(part, func(t *testing.T) {
			p, _ := startUp(t, "--ephemeral", "--traffic", "off")
			for _, pid := range descendants() {
				if line := commandLine(pid); strings.Contains(line, test.commandLine) && pid != p.cmd.Process.Pid {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			if status := p.status(); status != 1 {
				t.Errorf("status %d, want 1 of %v", status, p)
			}
			errs := strings.ToLower(p.complaint())
			if !strings.HasPrefix(errs, "webstore: "+part) || !strings.Contains(errs, "killed") || !strings.Contains(errs, test.lastLine) {
				t.Errorf("want the name and the last lines of %s in %v", part, p)
			}
			p.leftNothingRunning()
		})
	}
}
