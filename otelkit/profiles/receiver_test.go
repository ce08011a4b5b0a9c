package profiles_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/otelkit/kit/internal/testlimit"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/profiles"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	os.Unsetenv("PYROSCOPE_SERVER_ADDRESS") // which the developer may have set
	goleak.VerifyTestMain(m)
}

// push is a profile that Pyroscope got.
type push struct {
	name    string // the service with its labels: service{label=value,...}
	header  http.Header
	profile *profile.Profile
	covers  time.Duration
}

// types are the types of a profile's samples: "alloc_objects inuse_space ...".
func (p push) types() string {
	var types []string
	for _, t := range p.profile.SampleType {
		types = append(types, t.Type)
	}
	return strings.Join(types, " ")
}

// pyroscope is what a Pyroscope gets, over HTTP, and parses.
type pyroscope struct {
	*httptest.Server

	mu     sync.Mutex
	wrong  error // about what was sent
	pushes []push
	calls  int
	answer func(w http.ResponseWriter, call int) // nil means 200; call counts from 1
}

func newPyroscope(t *testing.T) *pyroscope {
	p := &pyroscope{}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() {
		p.Close()
		if p.wrong != nil {
			t.Error(p.wrong)
		}
	})
	return p
}

func (p *pyroscope) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got, err := read(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if err != nil && r.Context().Err() == nil {
		p.wrong = err
	}
	if p.answer != nil {
		call := p.calls
		p.mu.Unlock() // it may hang
		p.answer(w, call)
		p.mu.Lock()
		return
	}
	p.pushes = append(p.pushes, got)
}

func read(r *http.Request) (push, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/ingest" {
		return push{}, fmt.Errorf("got %s %s", r.Method, r.URL.Path)
	}
	file, _, err := r.FormFile("profile")
	if err != nil {
		return push{}, err
	}
	parsed, err := profile.Parse(file)
	if err != nil {
		return push{}, err
	}
	query := r.URL.Query()
	from, fromErr := strconv.ParseInt(query.Get("from"), 10, 64)
	until, untilErr := strconv.ParseInt(query.Get("until"), 10, 64)
	return push{query.Get("name"), r.Header.Clone(), parsed, time.Duration(until - from)},
		errors.Join(fromErr, untilErr, parsed.CheckValid())
}

// got returns what came so far.
func (p *pyroscope) got() []push {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]push(nil), p.pushes...)
}

func (p *pyroscope) called() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// hanging has a receiver answer nothing until the test ends.
func (p *pyroscope) hanging(t *testing.T) {
	end := make(chan struct{})
	t.Cleanup(func() { close(end) }) // before the server is closed, which waits
	p.answer = func(http.ResponseWriter, int) { <-end }
}

// kit keeps what profiling itself records and logs.
type kit struct {
	reader   *sdkmetric.ManualReader
	recorder *metrics.Recorder

	mu    sync.Mutex
	lines bytes.Buffer
}

func newKit() *kit {
	k := &kit{reader: sdkmetric.NewManualReader()}
	k.recorder = metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(k.reader)))
	return k
}

func (k *kit) Recorder() *metrics.Recorder { return k.recorder }
func (k *kit) Logger() *slog.Logger        { return slog.New(slog.NewJSONHandler(k, nil)) }

func (k *kit) Write(line []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lines.Write(line)
}

// line is a line of the log.
type line struct {
	Err   string
	Times int
}

func (k *kit) logged(t *testing.T) []line {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	var lines []line
	for dec := json.NewDecoder(bytes.NewReader(k.lines.Bytes())); ; {
		var l line
		switch err := dec.Decode(&l); err {
		case nil:
			lines = append(lines, l)
		case io.EOF:
			return lines
		default:
			t.Fatal(err)
		}
	}
}

// uploads returns how many uploads ended in each way.
func (k *kit) uploads(t *testing.T) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := k.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	count := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != profiles.Uploads.Metric().Name {
				continue
			}
			for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
				outcome, _ := point.Attributes.Value("otelkit.profiles.outcome")
				count[outcome.AsString()] = point.Value
			}
		}
	}
	return count
}

// start starts profiling, which ends with the test at the latest.
func start(t testing.TB, cfg profiles.Config) *profiles.Profiler {
	t.Helper()
	if cfg.Service == "" {
		cfg.Service = "payments"
	}
	p, err := profiles.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	return p
}

// until waits for a condition, and fails the test if it does not come about.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx := testlimit.Context(t)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
