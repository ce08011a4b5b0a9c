//go:build unix

package platform_test

import (
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"testing"
)

// asNobody has a command run as the user nobody.
func asNobody(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, errUID := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(nobody.Gid, 10, 32)
	if errUID != nil || errGID != nil {
		t.Fatalf("nobody is %+v", nobody)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
