//go:build unix && !linux

package platform

// listenerOf knows no process: there is no /proc to ask.
func listenerOf(string) (pid int, name string) { return 0, "" }
