package platform

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listenerOf finds the process that listens on a TCP port: /proc/net lists the
// sockets with their inodes, and a process's open files show which inodes are
// its own. It finds nothing, and returns 0, for other users' processes unless
// we are root.
func listenerOf(port string) (pid int, name string) {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return 0, ""
	}
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(table)
		for line := range strings.Lines(string(text)) {
			// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
			fields := strings.Fields(line)
			const listening = "0A"
			if len(fields) < 10 || fields[3] != listening {
				continue
			}
			_, hex, _ := strings.Cut(fields[1], ":")
			if local, err := strconv.ParseUint(hex, 16, 16); err == nil && local == number {
				inodes["socket:["+fields[9]+"]"] = true
			}
		}
	}
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, file := range files {
		target, err := os.Readlink(file)
		if err != nil || !inodes[target] {
			continue
		}
		process := filepath.Dir(filepath.Dir(file))
		pid, _ = strconv.Atoi(filepath.Base(process))
		comm, _ := os.ReadFile(filepath.Join(process, "comm"))
		return pid, strings.TrimSpace(string(comm))
	}
	return 0, ""
}
