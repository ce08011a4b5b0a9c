package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// adoptOrphans has the kernel give this process the orphans among its
// descendants (prctl(2)). So whatever a run leaves behind is found below this
// process, and nowhere else.
func adoptOrphans() error {
	const setChildSubreaper = 36
	if _, _, errno := syscall.Syscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		return fmt.Errorf("prctl: %w", errno)
	}
	return nil
}

// descendants is the processes that live below this one.
func descendants() []int {
	parents := map[int]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state parent ..., where the name can hold anything.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if state := fields[0]; state == "Z" || state == "X" {
			continue // dead, and not waited for yet
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parents[pid], _ = strconv.Atoi(fields[1])
	}
	var below []int
	for pid, ancestor := range parents {
		for ; ancestor != 0; ancestor = parents[ancestor] {
			if ancestor == os.Getpid() {
				below = append(below, pid)
				break
			}
		}
	}
	return below
}

// commandLine is what a process was started with, or calls itself.
func commandLine(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))
}
