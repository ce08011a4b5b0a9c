package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/otelkit/kit/examples/webstore/traffic"
)

// freePorts has up take any ports.
var freePorts = []string{
	"--main-addr", "127.0.0.1:0", "--payments-addr", "127.0.0.1:0", "--promotions-addr", "127.0.0.1:0",
	"--payment-provider-addr", "127.0.0.1:0", "--crm-addr", "127.0.0.1:0", "--inventory-addr", "127.0.0.1:0",
	"--lens-addr", "127.0.0.1:0", "--prometheus-addr", "127.0.0.1:0", "--otlp-grpc-addr", "127.0.0.1:0", "--otlp-http-addr", "127.0.0.1:0",
}

// up prepares a run of the store on ports of its own.
func up(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return command(t, env, slices.Concat([]string{"up"}, freePorts, args)...)
}

// startUp starts the store and waits until it is ready.
func startUp(t *testing.T, args ...string) (*process, addresses) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "addresses.json")
	p := up(t, nil, append(args, "--addresses", file)...).start()
	var at addresses
	p.eventually("the store to be ready", func() error {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return json.Unmarshal(content, &at)
	})
	return p, at
}

type addresses map[string]string

// eventually waits for what this process is to do while it runs.
func (p *process) eventually(what string, try func() error) {
	p.t.Helper()
	eventually(p.t, what, func() error {
		select {
		case <-p.ended:
			p.t.Fatalf("it ended: %v", p)
		default:
		}
		return try()
	})
}

// says waits until the process has printed all of the words.
func (p *process) says(words ...string) {
	p.t.Helper()
	p.eventually("its words", func() error {
		text := p.out.String() + p.errs.String()
		for _, w := range words {
			if !strings.Contains(text, w) {
				return fmt.Errorf("no %q in %v", w, p)
			}
		}
		return nil
	})
}

// dataDir is a directory that PostgreSQL can reach as another user.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o711), os.Chmod(dir, 0o711)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "store")
}

// get reads a URL.
func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %v\n%s", url, response.Status, err, body)
	}
	return string(body)
}

func TestUpRunsTheStoreUntilInterruptedAndKeepsItsData(t *testing.T) {
	dir := dataDir(t)
	for range 2 { // the second time on the data of the first
		p, at := startUp(t, "--data-dir", dir, "--traffic", "20")
		p.says("the store is ready (", at["main"]+"/DE/products", at["lens"], at["prometheus"]+"/api/v1/query", at["otlp-http"], at["otlp-grpc"],
			at["payment-provider"], at["crm"], at["inventory"], dir)
		if products := get(t, at["main"]+"/DE/products"); !strings.Contains(products, `"id"`) {
			t.Errorf("the products are %s", products)
		}
		p.eventually("a shopper to buy", func() error {
			if charges := get(t, at["payment-provider"]+"/v1/charges"); !strings.Contains(charges, "currency") {
				return fmt.Errorf("the charges are %s", charges)
			}
			return nil
		})
		get(t, at["payments"]+"/healthz/ready")
		get(t, at["promotions"]+"/healthz/ready")
		for _, thirdParty := range []string{"payment-provider", "crm", "inventory"} {
			get(t, at[thirdParty]+"/health")
		}
		_ = p.cmd.Process.Signal(syscall.SIGINT)
		if status := p.status(); status != 0 {
			t.Errorf("status %d, want 0 of %v", status, p)
		}
		p.leftNothingRunning()
	}
	for _, name := range []string{"postgres", "lens", "inventory", "crm", "payment-provider", "payments", "promotions", "main", "traffic"} {
		if _, err := os.Stat(filepath.Join(dir, "logs", name+".log")); err != nil {
			t.Error(err)
		}
	}
	report, err := os.ReadFile(filepath.Join(dir, "logs", "traffic.log"))
	if err != nil || !strings.Contains(string(report), "requests") {
		t.Errorf("the shoppers reported %q (%v)", report, err)
	}
}

func TestAnEphemeralRunLeavesNothingBehind(t *testing.T) {
	tmp := dataDir(t)
	if err := errors.Join(os.Mkdir(tmp, 0o755), os.Chmod(tmp, 0o777)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "addresses.json")
	// The command line wins over the environment.
	p := up(t, []string{"TMPDIR=" + tmp, "WEBSTORE_DATA_DIR=/nowhere"}, "--ephemeral", "--addresses", file).start()
	p.says("removed at the end")
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if status := p.status(); status != 0 {
		t.Errorf("status %d, want 0 of %v", status, p)
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("left in %s: %v (%v)", tmp, left, err)
	}
}

func TestAPaymentProviderOfOnesOwnIsUsed(t *testing.T) {
	p, at := startUp(t, "--ephemeral", "--traffic", "off", "--payment-provider-url", "http://127.0.0.1:1")
	if got := at["payment-provider"]; got != "http://127.0.0.1:1" {
		t.Errorf("the payment provider is at %s", got)
	}
	for _, pid := range descendants() {
		if strings.Contains(commandLine(pid), "serve payment-provider") {
			t.Errorf("a payment provider was started: %s, by %v", commandLine(pid), p)
		}
	}
}

func TestAStartThatIsInterruptedIsAGoodEnd(t *testing.T) {
	// This lens is never ready, so that after a while up says what is.
	p := up(t, []string{roleVariable + "=sleepy lens"}, "--ephemeral").start()
	p.says("starting; this time it takes longer", "postgres ", "redis ", "inventory ", "crm ", "payment-provider ", "payments ", "promotions ", "main ")
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	if status := p.status(); status != 0 || p.out.String() != "" || strings.Contains(p.errs.String(), "webstore:") {
		t.Errorf("status %d, want 0 and no more words of %v", status, p)
	}
	p.leftNothingRunning()
}

func TestVerboseNamesThePartsAsTheyBecomeReady(t *testing.T) {
	p, _ := startUp(t, "--ephemeral", "--verbose", "--traffic", "off")
	for _, part := range []string{"postgres", "redis", "lens", "inventory", "crm", "payment-provider", "payments", "promotions", "main"} {
		if !strings.Contains(p.errs.String(), part) {
			t.Errorf("no %s in %v", part, p)
		}
	}
}

func TestTelemetryGoesToLensWhateverTheEnvironmentIsSetTo(t *testing.T) {
	dir := dataDir(t)
	const elsewhere = "http://127.0.0.1:1"
	p := up(t, []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + elsewhere, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + elsewhere,
		"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=grpc", "OTEL_METRICS_EXPORTER=none", "OTEL_SDK_DISABLED=true",
	}, "--data-dir", dir, "--traffic", "50", "--latency-scale", "0", "--metric-interval", "100ms").start()
	p.eventually("all signals to arrive", func() error {
		log, err := os.ReadFile(filepath.Join(dir, "logs", "lens.log"))
		if err != nil {
			return err
		}
		for _, signal := range []string{"traces", "metrics", "logs"} {
			if !strings.Contains(string(log), "POST /v1/"+signal) {
				return fmt.Errorf("no %s came, only\n%s", signal, log)
			}
		}
		return nil
	})
}

func TestTrafficReportsWhatItDid(t *testing.T) {
	_, at := startUp(t, "--ephemeral", "--traffic", "off", "--latency-scale", "0")
	p := command(t, nil, "traffic", "--url", at["main"], "--users", "20", "--rate", "100", "--duration", "2s").start()
	if status := p.status(); status != 0 || p.errs.String() != "" {
		t.Fatalf("status %d, want 0 and no error of %v", status, p)
	}
	for _, row := range []string{"requests", "latency", "visits", "checkouts", "sales"} {
		if !strings.Contains(p.out.String(), row) {
			t.Errorf("no %s in %v", row, p)
		}
	}
}

func TestShoppersMeetNoLimitAndOneWhoAbusesTheShopDoes(t *testing.T) {
	_, at := startUp(t, "--ephemeral", "--traffic", "off", "--latency-scale", "0")
	run := func(args ...string) (visits map[traffic.Intent]int, statuses map[string]int) {
		p := command(t, nil, append([]string{"traffic", "--url", at["main"], "--json", "--duration", "10s"}, args...)...).start()
		<-p.ended
		var report struct {
			Visits   map[traffic.Intent]int
			Statuses map[string]int
		}
		if err := json.Unmarshal([]byte(p.out.String()), &report); err != nil {
			t.Fatalf("%v in %v", err, p)
		}
		return report.Visits, report.Statuses
	}
	if visits, statuses := run("--users", "50", "--rate", "100"); statuses["429"] > 0 || statuses["200"] < 200 {
		t.Errorf("shoppers were answered %v in %v", statuses, visits)
	}
	visits, statuses := run("--users", "1", "--rate", "200", "--scenario", "abuse")
	if len(visits) != 1 || visits[traffic.Misuse] == 0 || statuses["422"] == 0 || statuses["429"] == 0 {
		t.Errorf("who abuses it was answered %v in %v", statuses, visits)
	}
}
