package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/internal/testlimit"
)

// asLens makes the test binary run as the command: the process that the tests
// kill is the real one.
const asLens = "LENS_TEST_RUN_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asLens) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

func noEnvironment(string) string { return "" }

func TestWrongUsageIsOneLineAndStatus2(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		want string
	}{
		"nothing":            {nil, nil, "say where to keep the data with --data-dir, or --ephemeral to keep none"},
		"an unknown flag":    {[]string{"--colour"}, nil, "flag provided but not defined: -colour"},
		"an argument":        {[]string{"--ephemeral", "start"}, nil, `unexpected argument "start"`},
		"both":               {[]string{"--ephemeral", "--data-dir", "x"}, nil, "--data-dir and --ephemeral exclude each other"},
		"no value":           {[]string{"--data-dir"}, nil, "flag needs an argument: -data-dir"},
		"a bad address":      {[]string{"--ephemeral", "--addr", "3000"}, nil, `--addr "3000" is not host:port`},
		"a bad retention":    {[]string{"--ephemeral", "--retention", "long"}, nil, "not a duration such as 12h or 35d"},
		"a short retention":  {[]string{"--ephemeral", "--retention", "1m"}, nil, "--retention 1m0s is less than 1h0m0s"},
		"a bad size":         {[]string{"--ephemeral", "--max-bytes", "4 GB"}, nil, "not a size such as 512MiB or 4GiB"},
		"a small size":       {[]string{"--ephemeral", "--max-bytes", "1MiB"}, nil, "--max-bytes 1048576 is less than"},
		"a bad variable":     {[]string{"--ephemeral"}, map[string]string{"LENS_MAX_BYTES": "lots"}, `invalid value "lots" for LENS_MAX_BYTES`},
		"two things at once": {[]string{"--addr", "a", "--max-bytes", "1"}, nil, "; "},
	} {
		var stdout, stderr bytes.Buffer
		code := run(c.args, func(k string) string { return c.env[k] }, &stdout, &stderr)
		if code != exitUsage || stdout.Len() != 0 || strings.Count(stderr.String(), "\n") != 1 ||
			!strings.HasPrefix(stderr.String(), "lens: ") || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%s: status %d, stdout %q, stderr %q; want 2 and one line with %q", name, code, &stdout, &stderr, c.want)
		}
	}
}

func TestWhatKeepsLensFromRunningIsOneLineAndStatus1(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte("groups:\n- name: g\n  rulez: []\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a taken port":            {[]string{"--ephemeral", "--addr", "127.0.0.1:" + port}, "lens: port " + port + " (page) is taken by another process; stop it or pass --addr"},
		"a bad rule file":         {[]string{"--ephemeral", "--rules", file}, "lens: rules: " + file + ": "},
		"no dashboards":           {[]string{"--ephemeral", "--dashboards", "/nowhere"}, "lens: dashboards: "},
		"an unwritable directory": {[]string{"--data-dir", "/proc/lens"}, "lens: data directory /proc/lens cannot be made: "},
	} {
		var stdout, stderr bytes.Buffer
		code := run(c.args, noEnvironment, &stdout, &stderr)
		if code != exitFailure || stdout.Len() != 0 || strings.Count(stderr.String(), "\n") != 1 || !strings.HasPrefix(stderr.String(), c.want) {
			t.Errorf("%s: status %d, stdout %q, stderr %q; want 1 and one line that begins %q", name, code, &stdout, &stderr, c.want)
		}
	}
}

func TestHelpNamesEveryFlagAndItsVersionIsPrinted(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run([]string{"--help"}, noEnvironment, &stdout, &stderr); code != exitOK || stderr.Len() != 0 {
		t.Errorf("--help: status %d, stderr %q", code, &stderr)
	}
	new(options).flags().VisitAll(func(f *flag.Flag) {
		if !strings.Contains(stdout.String(), "--"+f.Name+" ") {
			t.Errorf("--help does not name --%s", f.Name)
		}
	})
	stdout.Reset()
	if code := run([]string{"--version"}, noEnvironment, &stdout, &stderr); code != exitOK || !strings.HasPrefix(stdout.String(), "lens ") {
		t.Errorf("--version: status %d, %q", code, &stdout)
	}
}

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	env := map[string]string{
		"LENS_DATA_DIR": "/env", "LENS_ADDR": "127.0.0.1:1", "LENS_RULES": "a.yml, b.yml", "LENS_RETENTION": "2d",
		"LENS_MAX_BYTES": "1GiB", "LENS_ALLOWED_HOSTS": "lens.test",
	}
	o, err := parse([]string{"--ephemeral", "--addr", "127.0.0.1:2", "--rules", "c.yml", "--rules", "d.yml"}, func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	if !o.Ephemeral || o.DataDir != "" {
		t.Errorf("--ephemeral did not win over LENS_DATA_DIR: %+v", o)
	}
	if o.Addr != "127.0.0.1:2" || strings.Join(o.Rules, " ") != "c.yml d.yml" {
		t.Errorf("addr %s, rules %v; want the flags'", o.Addr, o.Rules)
	}
	if o.Retention != 48*time.Hour || o.MaxBytes != 1<<30 || len(o.AllowedHosts) != 1 {
		t.Errorf("retention %v, max bytes %d, hosts %v; want the environment's", o.Retention, o.MaxBytes, o.AllowedHosts)
	}
	o, err = parse(nil, func(k string) string { return env[k] })
	if err != nil || o.DataDir != "/env" || strings.Join(o.Rules, " ") != "a.yml b.yml" {
		t.Errorf("from the environment alone: %+v, %v", o, err)
	}
}

// A process is a running lens.
type process struct {
	*exec.Cmd
	page, otlp, prometheus string // addresses
	stderr                 *bytes.Buffer
}

var ready = regexp.MustCompile(`^lens: ready after \d+ ms: page http://(\S+), OTLP/gRPC \S+, OTLP/HTTP http://(\S+), Prometheus API http://(\S+), data in (\S+)\n$`)

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const addr = "127.0.0.1:0"
	args = append([]string{"--addr", addr, "--otlp-grpc-addr", addr, "--otlp-http-addr", addr, "--prometheus-addr", addr}, args...)
	p := &process{Cmd: exec.Command(exe, args...), stderr: &bytes.Buffer{}}
	p.Env = append(os.Environ(), asLens+"=1")
	p.Stderr = p.stderr
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Process.Kill()
		p.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	m := ready.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("got %q, %v, want the line that says ready; stderr: %s", line, err, p.stderr)
	}
	p.page, p.otlp, p.prometheus = m[1], m[2], m[3]
	return p
}

func (p *process) export(path, body string) error {
	resp, err := http.Post("http://"+p.otlp+path, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != 200 || strings.Contains(string(answer), "rejected") {
		return fmt.Errorf("%s: %d %s", path, resp.StatusCode, answer)
	}
	return nil
}

func (p *process) get(t *testing.T, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + p.page + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// wait waits for the end and returns the exit status.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	ctx := testlimit.Context(t)
	defer context.AfterFunc(ctx, func() { p.Process.Kill() })()
	p.Wait()
	if ctx.Err() != nil {
		t.Fatal("waited in vain until lens ends")
	}
	return p.ProcessState.ExitCode()
}

const resourceJSON = `"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"main"}}]}`

// exportAll sends one record of each signal, numbered n.
func (p *process) exportAll(n int) error {
	now := time.Now().UnixNano()
	traceID := fmt.Sprintf("%032x", n)
	for _, e := range []struct{ path, body string }{
		{"/v1/traces", fmt.Sprintf(`{"resourceSpans":[{%s,"scopeSpans":[{"spans":[{"traceId":%q,"spanId":"0000000000000001","name":"work","startTimeUnixNano":"%d","endTimeUnixNano":"%d"}]}]}]}`, resourceJSON, traceID, now, now+1000)},
		{"/v1/logs", fmt.Sprintf(`{"resourceLogs":[{%s,"scopeLogs":[{"logRecords":[{"timeUnixNano":"%d","traceId":%q,"body":{"stringValue":"line %d"}}]}]}]}`, resourceJSON, now, traceID, n)},
		{"/v1/metrics", fmt.Sprintf(`{"resourceMetrics":[{%s,"scopeMetrics":[{"metrics":[{"name":"work","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"asInt":"%d","timeUnixNano":"%d","attributes":[{"key":"n","value":{"stringValue":"%d"}}],"exemplars":[{"timeUnixNano":"%d","asDouble":1,"traceId":%q,"spanId":"0000000000000001"}]}]}}]}]}]}`, resourceJSON, n, now, n, now, traceID)},
	} {
		if err := p.export(e.path, e.body); err != nil {
			return err
		}
	}
	return nil
}

func TestWhatWasAnsweredWithSuccessSurvivesSIGKILL(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	const rounds, each = 3, 20
	acknowledged := 0
	for round := range rounds {
		p := startProcess(t, "--data-dir", dir)
		progress := make(chan int)
		go func() { // exports until lens dies under its hands
			defer close(progress)
			for n := acknowledged + 1; p.exportAll(n) == nil; n++ {
				progress <- n
			}
		}()
		for n := range progress {
			acknowledged = n
			if n == (round+1)*each {
				if err := p.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		p.wait(t)
	}
	if acknowledged < rounds*each {
		t.Fatalf("only %d exports were acknowledged", acknowledged)
	}
	p := startProcess(t, "--data-dir", dir)
	for n := 1; n <= acknowledged; n++ {
		traceID := fmt.Sprintf("%032x", n)
		if body := p.get(t, "/api/traces/"+traceID); !strings.Contains(body, `"name":"work"`) {
			t.Errorf("trace %d: %s", n, body)
		}
		if body := p.get(t, "/loki/api/v1/query_range?query="+url.QueryEscape(`{} | trace_id="`+traceID+`"`)); !strings.Contains(body, fmt.Sprintf(`"line %d"`, n)) {
			t.Errorf("log %d: %s", n, body)
		}
		selector := url.QueryEscape(fmt.Sprintf(`last_over_time(work_total{n="%d"}[1h])`, n))
		if body := p.get(t, "/api/v1/query?query="+selector); !strings.Contains(body, fmt.Sprintf(`"%d"]`, n)) {
			t.Errorf("metric %d: %s", n, body)
		}
		if body := p.get(t, "/api/v1/query_exemplars?query="+selector); !strings.Contains(body, traceID) {
			t.Errorf("exemplar %d: %s", n, body)
		}
	}
}

func TestASignalEndsLensInOrderAndASecondOneOnTheSameDataIsRefusedUntilThen(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		dir := filepath.Join(t.TempDir(), "data")
		p := startProcess(t, "--data-dir", dir)
		if err := p.exportAll(1); err != nil {
			t.Fatal(err)
		}

		var stdout, stderr bytes.Buffer
		code := run([]string{"--data-dir", dir}, noEnvironment, &stdout, &stderr)
		if want := fmt.Sprintf("is in use by another lens (process %d)", p.Process.Pid); code != exitFailure || !strings.Contains(stderr.String(), want) {
			t.Errorf("a second lens: status %d, %q, want 1 and %q", code, &stderr, want)
		}

		if err := p.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if code := p.wait(t); code != exitOK || p.stderr.Len() != 0 {
			t.Errorf("after %v: status %d, stderr %q", sig, code, p.stderr)
		}
		again := startProcess(t, "--data-dir", dir)
		if body := again.get(t, "/api/traces/1"); !strings.Contains(body, `"name":"work"`) {
			t.Errorf("after %v and a restart: %s", sig, body)
		}
	}
}

func TestAnEphemeralDirectoryIsGoneAtTheEnd(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	p := startProcess(t, "--ephemeral")
	if err := p.exportAll(1); err != nil {
		t.Fatal(err)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(t); code != exitOK {
		t.Errorf("status %d, stderr %s", code, p.stderr)
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
