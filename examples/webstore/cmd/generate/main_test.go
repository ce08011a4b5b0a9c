package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelkit/kit/examples/webstore/observability"
)

// command runs the command and returns its exit status and output.
func command(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(args, &out, &err)
	return status, out.String(), err.String()
}

// generatedDir returns a folder with all generated files.
func generatedDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if status, _, stderr := command("--out", dir); status != 0 {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	return dir
}

func TestWhatIsGeneratedPassesTheCheck(t *testing.T) {
	if status, stdout, stderr := command("--out", generatedDir(t), "--check"); status != 0 || stdout != "" {
		t.Errorf("exit status %d, %s%s", status, stdout, stderr)
	}
}

func TestCheckShowsWhatDiffersAndWritesNothing(t *testing.T) {
	dir := generatedDir(t)
	file := filepath.Join(dir, filepath.FromSlash(observability.RulesFile))
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(data, []byte("severity: page"), []byte("severity: ticket"), 1)
	if err := os.WriteFile(file, changed, 0o644); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := command("--out", dir, "--check")
	if status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	for _, want := range []string{"--- a/" + observability.RulesFile, "+++ b/" + observability.RulesFile, "-          severity: ticket", "+          severity: page"} {
		if !strings.Contains(stdout, want+"\n") {
			t.Errorf("no line %q in:\n%s", want, stdout)
		}
	}
	if !strings.Contains(stderr, "run `make generate`") {
		t.Errorf("the error does not say what to do: %s", stderr)
	}
	if after, _ := os.ReadFile(file); !bytes.Equal(after, changed) {
		t.Error("the check changed the file")
	}
}

func TestCheckFindsWhatIsMissingAndWhatShouldNotBeThere(t *testing.T) {
	dir := generatedDir(t)
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(observability.RulesFile))); err != nil {
		t.Fatal(err)
	}
	stray := observability.DashboardsDir + "/old.json"
	if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(stray)), []byte("{}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	status, stdout, _ := command("--out", dir, "--check")
	if status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	for _, want := range []string{"--- /dev/null\n+++ b/" + observability.RulesFile, "--- a/" + stray + "\n+++ /dev/null"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in:\n%s", want, stdout)
		}
	}
}

func TestOnlyWhatWasGeneratedIsRemoved(t *testing.T) {
	dir := generatedDir(t)
	old := filepath.Join(dir, filepath.FromSlash(observability.RunbooksDir), "Old.md")
	if err := os.WriteFile(old, []byte("<!-- "+observability.Notice+" -->\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if status, stdout, stderr := command("--out", dir); status != 0 || !strings.Contains(stdout, "removed docs/runbooks/Old.md") {
		t.Errorf("exit status %d: %s%s", status, stdout, stderr)
	}
	mine := filepath.Join(dir, filepath.FromSlash(observability.RunbooksDir), "Mine.md")
	if err := os.WriteFile(mine, []byte("# Mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := command("--out", dir); status != 1 || !strings.Contains(stderr, "docs/runbooks/Mine.md is in a folder of generated files") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Errorf("somebody's work is gone: %v", err)
	}
}

func TestWrongUsageIsOneLineAndStatus2(t *testing.T) {
	for _, args := range [][]string{{"now"}, {"--checks"}} {
		if status, _, stderr := command(args...); status != 2 || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit status %d: %s", args, status, stderr)
		}
	}
	if status, stdout, _ := command("--help"); status != 0 || !strings.Contains(stdout, "-check") {
		t.Errorf("--help: exit status %d: %s", status, stdout)
	}
}

func TestOutsideARepositoryItAsksForOne(t *testing.T) {
	t.Chdir(t.TempDir())
	if status, _, stderr := command("--check"); status != 1 || !strings.Contains(stderr, "pass --out") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
}
