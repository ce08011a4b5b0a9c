//go:build unix

package pgserver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the operating system user that PostgreSQL runs as. The zero value
// is the user that we are.
type account struct {
	name       string
	credential *syscall.Credential
}

// serverAccount picks the account for a server on data, which need not exist.
// PostgreSQL refuses to run as root and insists on owning its data, so root
// steps down to the owner of the data, and for new data to the user postgres
// or, without one, nobody.
func serverAccount(data string) (account, error) {
	owner, found := ownerOf(data)
	if os.Geteuid() != 0 {
		if found && owner.Uid != uint32(os.Geteuid()) {
			return account{}, fmt.Errorf("%s belongs to %s; run as that user, or use another data directory", data, userName(owner.Uid))
		}
		return account{}, nil
	}
	if found && owner.Uid == 0 {
		return account{}, fmt.Errorf("%s belongs to root, and PostgreSQL refuses to run as root; give it to the user that is to run it (chown -R postgres), or use another data directory", data)
	}
	if found {
		return account{userName(owner.Uid), owner}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID != nil || errGID != nil || uid == 0 {
			continue
		}
		return account{name, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody; run as another user")
}

// own gives a file of ours to the account.
func (a account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(path, int(a.credential.Uid), int(a.credential.Gid))
}

// explain turns the bare "permission denied" of a command that could not be
// started into the directory that keeps the account out, if there is one on
// the way to one of the paths.
func (a account) explain(err error, paths ...string) error {
	if a.credential == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	for _, path := range paths {
		if closed := a.closedOn(path); closed != "" {
			return fmt.Errorf("user %s, which PostgreSQL runs as because it refuses root, cannot reach %s: %s is closed to it (chmod o+x, or use another directory)", a.name, path, closed)
		}
	}
	return err
}

// closedOn is the first directory on the way to path that the account may not
// enter, by its mode bits.
func (a account) closedOn(path string) string {
	if parent := filepath.Dir(path); parent != path {
		if closed := a.closedOn(parent); closed != "" {
			return closed
		}
	}
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return ""
	}
	owner, _ := ownerOf(path)
	enter := info.Mode().Perm() & 0o001
	switch {
	case owner.Uid == a.credential.Uid:
		enter = info.Mode().Perm() & 0o100
	case owner.Gid == a.credential.Gid:
		enter = info.Mode().Perm() & 0o010
	}
	if enter == 0 {
		return path
	}
	return ""
}

func ownerOf(path string) (*syscall.Credential, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return &syscall.Credential{}, false
	}
	stat := info.Sys().(*syscall.Stat_t)
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}, true
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}
