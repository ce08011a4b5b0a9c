package ratelimit_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// tap is a hook of a client that counts the round trips of decisions, and can get in
// their way.
type tap struct {
	trips   atomic.Int64
	running atomic.Int64
	before  func() error // called before each; nil means nothing
}

func (p *tap) DialHook(next redis.DialHook) redis.DialHook { return next }

func (p *tap) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return p.around(cmd, func() error { return next(ctx, cmd) })
	}
}

func (p *tap) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return p.around(cmds[0], func() error { return next(ctx, cmds) })
	}
}

func (p *tap) around(cmd redis.Cmder, call func() error) error {
	if !strings.HasPrefix(cmd.Name(), "eval") { // such as what sets up a connection
		return call()
	}
	p.trips.Add(1)
	p.running.Add(1)
	defer p.running.Add(-1)
	if p.before != nil {
		if err := p.before(); err != nil {
			return err
		}
	}
	return call()
}

// kit keeps what a limiter under test tells.
type kit struct {
	reader   *sdkmetric.ManualReader
	recorder *metrics.Recorder
	log      lines
}

func newKit() *kit {
	k := &kit{reader: sdkmetric.NewManualReader()}
	k.recorder = metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(k.reader)))
	return k
}

func (k *kit) Recorder() *metrics.Recorder { return k.recorder }
func (k *kit) Logger() *slog.Logger        { return slog.New(slog.NewTextHandler(&k.log, nil)) }

// series returns the values of a metric by their attributes: counts of a histogram, else
// sums.
func (k *kit) series(t testing.TB, name string) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := k.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	series := map[string]int64{}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					series[text(p.Attributes)] = int64(p.Count)
				}
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					series[text(p.Attributes)] = p.Value
				}
			}
		}
	}
	return series
}

// text writes attributes as "limit=api outcome=denied", without their namespace and sorted.
func text(set attribute.Set) string {
	var list []string
	for _, kv := range set.ToSlice() {
		list = append(list, strings.TrimPrefix(string(kv.Key), "otelkit.ratelimit.")+"="+kv.Value.String())
	}
	return strings.Join(list, " ")
}

// lines is a log of which there may be several writers.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSuffix(l.buf.String(), "\n"), "\n")
}
