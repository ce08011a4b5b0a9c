package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/otelkit/kit/examples/webstore/observability"
)

// generated are the folders that hold generated files and nothing else.
var generated = []string{observability.DashboardsDir, observability.AlertsDir, observability.RunbooksDir}

// difference is a file that is not as it is generated. Have is nil when it is
// missing, want when nothing generates it.
type difference struct {
	path       string // from the root, with slashes
	have, want []byte
}

// compare finds what differs between the files below root and those generated.
func compare(root string, files []observability.File) ([]difference, error) {
	var list []difference
	for _, f := range files {
		have, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.Path)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err != nil || !bytes.Equal(have, f.Data) {
			list = append(list, difference{path: f.Path, have: have, want: f.Data})
		}
	}
	for _, dir := range generated {
		entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(dir)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, entry := range entries {
			name := path.Join(dir, entry.Name())
			if slices.ContainsFunc(files, func(f observability.File) bool { return f.Path == name }) {
				continue
			}
			if entry.IsDir() {
				return nil, fmt.Errorf("%s: a folder where only generated files may be; move it away", name)
			}
			have, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
			if err != nil {
				return nil, err
			}
			list = append(list, difference{path: name, have: have})
		}
	}
	return list, nil
}

// report prints the differences and returns an error when there are any.
func report(differences []difference, stdout io.Writer) error {
	for _, d := range differences {
		fmt.Fprint(stdout, unified(d.path, d.have, d.want))
	}
	if n := len(differences); n > 0 {
		return fmt.Errorf("%d of the files there are not what is generated, see the diff; run `make generate` and commit what it writes", n)
	}
	return nil
}

// apply makes the files what is generated. It removes what it once generated
// and no longer does, and nothing else: what it does not know may be somebody's
// work.
func apply(root string, differences []difference, stdout io.Writer) error {
	for _, d := range differences {
		file := filepath.Join(root, filepath.FromSlash(d.path))
		if d.want == nil {
			if !bytes.Contains(d.have, []byte(observability.Notice)) {
				return fmt.Errorf("%s is in a folder of generated files, and nothing generates it; move it away", d.path)
			}
			if err := os.Remove(file); err != nil {
				return err
			}
			fmt.Fprintln(stdout, "removed", d.path)
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, d.want, 0o644); err != nil {
			return err
		}
		fmt.Fprintln(stdout, "wrote", d.path)
	}
	return nil
}
