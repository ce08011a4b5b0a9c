package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func init() { roles["machine without PostgreSQL"] = withoutPostgres }

// withoutPostgres becomes the program in its arguments, on a machine where
// there is no PostgreSQL: in a mount namespace of its own, what holds one is
// covered by empty directories.
func withoutPostgres() {
	cover := []string{"/var/cache/otelkit"}
	for _, pattern := range []string{"/usr/lib/postgresql", "/usr/pgsql-*", "/usr/libexec/postgresql*", "/opt/homebrew/opt/postgresql@*"} {
		found, _ := filepath.Glob(pattern)
		cover = append(cover, found...)
	}
	err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	for _, dir := range cover {
		if _, missing := os.Stat(dir); missing == nil && err == nil {
			err = syscall.Mount("none", dir, "tmpfs", 0, "")
		}
	}
	if err == nil {
		err = syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(3)
}

func TestAMachineWithoutPostgreSQLIsToldTheWaysOut(t *testing.T) {
	nothing := t.TempDir()
	p := up(t, []string{roleVariable + "=machine without PostgreSQL", "PATH=" + nothing, "XDG_CACHE_HOME=" + nothing}, "--ephemeral")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Path, p.cmd.Args = self, append([]string{self}, p.cmd.Args...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Geteuid(); uid != 0 { // who may not mount, but in a user namespace
		p.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		p.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	}
	p.start().refuses("no PostgreSQL here", "set DATABASE_URL", "install PostgreSQL", "PG_BIN", "npm")
}
