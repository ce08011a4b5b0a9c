//go:build unix && !linux && !freebsd

package child

import "syscall"

// dieWithParent does nothing: this kernel has no signal for a parent's death.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
