package promstore

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openStore(t *testing.T, dir string, rules ...string) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, Retention: 35 * 24 * time.Hour, Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// export is what one process sends at one time.
type export struct {
	pmetric.Metrics
	start, at time.Time
}

func newExport(start, at time.Time) export {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "main")
	rm.Resource().Attributes().PutStr("service.namespace", "shop")
	rm.Resource().Attributes().PutStr("service.instance.id", "i-1")
	rm.Resource().Attributes().PutStr("service.version", "1.2.3")
	rm.Resource().Attributes().PutStr("host.name", "laptop")
	rm.ScopeMetrics().AppendEmpty()
	return export{md, start, at}
}

func (e export) metric(name, unit string) pmetric.Metric {
	m := e.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().AppendEmpty()
	m.SetName(name)
	m.SetUnit(unit)
	m.SetDescription("What " + name + " counts.")
	return m
}

func (e export) counter(name string, value int64, labels ...string) pmetric.NumberDataPoint {
	sum := e.metric(name, "{order}").SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := sum.DataPoints().AppendEmpty()
	p.SetIntValue(value)
	e.stamp(p, labels)
	return p
}

func (e export) gauge(name string, value float64) {
	p := e.metric(name, "1").SetEmptyGauge().DataPoints().AppendEmpty()
	p.SetDoubleValue(value)
	e.stamp(p, nil)
}

// latency adds a histogram of the given seconds with the bounds 0.1 and 1.
func (e export) latency(name string, seconds ...float64) pmetric.HistogramDataPoint {
	h := e.metric(name, "s").SetEmptyHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := h.DataPoints().AppendEmpty()
	p.ExplicitBounds().FromRaw([]float64{0.1, 1})
	counts := make([]uint64, 3)
	sum := 0.0
	for _, s := range seconds {
		sum += s
		switch {
		case s <= 0.1:
			counts[0]++
		case s <= 1:
			counts[1]++
		default:
			counts[2]++
		}
	}
	p.BucketCounts().FromRaw(counts)
	p.SetCount(uint64(len(seconds)))
	p.SetSum(sum)
	e.stamp(p, nil)
	return p
}

func (e export) stamp(p interface {
	SetStartTimestamp(pcommon.Timestamp)
	SetTimestamp(pcommon.Timestamp)
	Attributes() pcommon.Map
}, labels []string) {
	p.SetStartTimestamp(pcommon.NewTimestampFromTime(e.start))
	p.SetTimestamp(pcommon.NewTimestampFromTime(e.at))
	for i := 0; i < len(labels); i += 2 {
		p.Attributes().PutStr(labels[i], labels[i+1])
	}
}

func write(t *testing.T, s *Store, e export) {
	t.Helper()
	out, err := s.Write(t.Context(), e.Metrics)
	if err != nil || out.Dropped() != 0 || out.Stored != out.Received || out.Received == 0 {
		t.Fatalf("Write = %+v, %v; want all stored", out, err)
	}
}

// value returns the only value of a query, or NaN.
func value(t *testing.T, s *Store, expr string, at time.Time) float64 {
	t.Helper()
	got, err := s.Instant(t.Context(), expr, at)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	if len(got) != 1 {
		return math.NaN()
	}
	return got[0].Points[0].Value
}

func TestNamesAndLabelsAreWhatPrometheusMakesOfThem(t *testing.T) {
	s := openStore(t, t.TempDir())
	now := time.Now()
	e := newExport(now.Add(-time.Minute), now)
	e.counter("shop.orders", 5, "payment.method", "card")
	e.latency("http.server.request.duration", 0.05, 0.5)
	e.gauge("pool.utilization", 0.5)
	write(t, s, e)
	for expr, want := range map[string]float64{
		`shop_orders_total{job="shop/main", instance="i-1", service_name="main", service_namespace="shop", service_version="1.2.3", service_instance_id="i-1", payment_method="card", host_name=""}`: 5,
		`http_server_request_duration_seconds_bucket{le="0.1"}`: 1,
		`http_server_request_duration_seconds_count`:            2,
		`pool_utilization_ratio`:                                0.5,
		`target_info{job="shop/main", host_name="laptop"}`:      1,
	} {
		if got := value(t, s, expr, now); got != want {
			t.Errorf("%s = %v, want %v", expr, got, want)
		}
	}
}

func TestTheFirstIncrementOfANewProcessCounts(t *testing.T) {
	s := openStore(t, t.TempDir())
	now := time.Now()
	e := newExport(now.Add(-20*time.Second), now)
	e.counter("shop.orders", 5)
	e.latency("http.server.request.duration", 0.05, 0.5)
	write(t, s, e)
	if got := value(t, s, "increase(shop_orders_total[1m])", now); !(got >= 5) {
		t.Errorf("increase of a counter born at 5 = %v, want at least 5", got)
	}
	if got := value(t, s, "histogram_quantile(1, rate(http_server_request_duration_seconds_bucket[1m]))", now); got != 1 {
		t.Errorf("slowest of a histogram's first two = %v, want its bound 1", got)
	}
}

func TestACounterThatIsNewInAnOldProcessWasZeroAtTheExportBefore(t *testing.T) {
	s := openStore(t, t.TempDir())
	now := time.Now()
	started := now.Add(-40 * time.Minute)
	for ago := 4 * time.Minute; ago > 0; ago -= time.Minute {
		e := newExport(started, now.Add(-ago))
		e.counter("shop.logins", 7)
		write(t, s, e)
	}
	e := newExport(started, now)
	e.counter("shop.logins", 7)
	e.counter("shop.orders", 5)
	write(t, s, e)
	if got := value(t, s, "increase(shop_orders_total[2m])", now); !(got >= 5 && got <= 10) {
		t.Errorf("increase over two minutes = %v, want 5, or up to twice that by extrapolation", got)
	}
	if got := value(t, s, "shop_orders_total", now.Add(-time.Minute)); got != 0 {
		t.Errorf("at the export before it was %v, want 0", got)
	}
	if got := value(t, s, "shop_orders_total", now.Add(-2*time.Minute)); !math.IsNaN(got) {
		t.Errorf("two exports before it was %v, want nothing", got)
	}
	if got := value(t, s, "increase(shop_logins_total[2m])", now); got != 0 {
		t.Errorf("a counter that stood still increased by %v", got)
	}
}

func TestAGaugeGetsNoZero(t *testing.T) {
	s := openStore(t, t.TempDir())
	now := time.Now()
	e := newExport(now.Add(-20*time.Second), now)
	e.gauge("pool.utilization", 0.5)
	write(t, s, e)
	if got := value(t, s, "count_over_time(pool_utilization_ratio[1m])", now); got != 1 {
		t.Errorf("a gauge has %v samples after one export, want 1", got)
	}
}

func TestACounterThatAProcessRestartedFromZeroIsSeenToReset(t *testing.T) {
	s := openStore(t, t.TempDir())
	now := time.Now()
	e := newExport(now.Add(-10*time.Minute), now.Add(-time.Minute))
	e.counter("shop.orders", 5)
	write(t, s, e)
	e = newExport(now.Add(-30*time.Second), now) // same instance, started anew
	e.counter("shop.orders", 6)                  // more than before: only the start time gives it away
	write(t, s, e)
	if got := value(t, s, "resets(shop_orders_total[5m])", now); got != 1 {
		t.Errorf("resets = %v, want 1", got)
	}
}

func TestDataPointsThatCannotBeStoredAreCountedByCause(t *testing.T) {
	s := openStore(t, t.TempDir())
	now := time.Now()
	e := newExport(now.Add(-time.Minute), now)
	e.counter("shop.orders", 5)
	write(t, s, e)

	for name, c := range map[string]struct {
		at    time.Time
		fill  func(e export)
		cause string
	}{
		"next year's clock": {now.AddDate(1, 0, 0), func(e export) { e.counter("a", 1); e.latency("b", 1) }, "in the future"},
		"yesterday's push":  {now.AddDate(0, 0, -1), func(e export) { e.counter("c", 1); e.latency("d", 1) }, "too old or repeated"},
		"delta": {now, func(e export) {
			e.counter("e", 1)
			e.latency("f", 1)
			ms := e.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
			ms.At(0).Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
			ms.At(1).Histogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		}, "delta temporality"},
	} {
		bad := newExport(now.Add(-time.Minute), c.at)
		c.fill(bad)
		good := newExport(now.Add(-time.Minute), now.Add(time.Second))
		good.counter("shop.orders", 6)
		good.ResourceMetrics().MoveAndAppendTo(bad.ResourceMetrics())
		out, err := s.Write(t.Context(), bad.Metrics)
		if err != nil || out.Received != 3 || out.Stored != 1 || len(out.Drops) != 1 || out.Drops[0].Cause != c.cause || out.Drops[0].Records != 2 {
			t.Errorf("%s: %+v, %v; want 1 stored and 2 dropped for %q", name, out, err, c.cause)
		}
	}
	if got := value(t, s, "shop_orders_total", now.Add(time.Second)); got != 6 {
		t.Errorf("the good neighbour is %v, want 6", got)
	}
}

func TestMetricsAndExemplarsSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	now := time.Now()
	e := newExport(now.Add(-time.Minute), now)
	addExemplar(e.latency("http.server.request.duration", 0.5).Exemplars(), now, 0.5)
	write(t, s, e)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	if got := value(t, s, "http_server_request_duration_seconds_sum", now); got != 0.5 {
		t.Errorf("after reopening sum = %v, want 0.5", got)
	}
	found, err := s.Exemplars(t.Context(), "histogram_quantile(0.9, rate(http_server_request_duration_seconds_bucket[1m]))", now.Add(-time.Minute), now.Add(time.Minute))
	if err != nil || len(found) != 1 || found[0].TraceID != "0102030405060708090a0b0c0d0e0f10" || found[0].Value != 0.5 {
		t.Errorf("after reopening exemplars = %+v, %v", found, err)
	}
	if got := s.Usage(); got.Series == 0 || got.Bytes == 0 {
		t.Errorf("Usage = %+v", got)
	}
}

func addExemplar(to pmetric.ExemplarSlice, at time.Time, v float64) {
	e := to.AppendEmpty()
	e.SetTimestamp(pcommon.NewTimestampFromTime(at))
	e.SetDoubleValue(v)
	e.SetTraceID(pcommon.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	e.SetSpanID(pcommon.SpanID{1, 2, 3, 4, 5, 6, 7, 8})
}

func TestTheExportIntervalIsMeasured(t *testing.T) {
	s := openStore(t, t.TempDir())
	if got := s.ExportInterval(); got != time.Minute {
		t.Errorf("before any export: %v, want the SDKs' minute", got)
	}
	now := time.Now()
	for _, ago := range []time.Duration{10 * time.Second, 5 * time.Second, 0} {
		e := newExport(now.Add(-time.Minute), now.Add(-ago))
		e.counter("shop.orders", 1)
		write(t, s, e)
	}
	if got := s.ExportInterval(); got != 5*time.Second {
		t.Errorf("after exports every 5 s: %v", got)
	}
}

// walFile returns the only segment of a closed store's log.
func walFile(t *testing.T, dir string) string {
	t.Helper()
	s := openStore(t, dir)
	now := time.Now()
	for i := range 50 {
		e := newExport(now.Add(-time.Hour), now.Add(time.Duration(i-50)*time.Second))
		e.counter("shop.orders", int64(i))
		write(t, s, e)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "wal", "00000000")
}

func TestADamagedLogIsNamedAndLeftAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "metrics")
	file := walFile(t, dir)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(bytes.TrimRight(data, "\x00"))/2] ^= 0xff
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Open(Config{Dir: dir, Retention: time.Hour})
	if err == nil || !strings.Contains(err.Error(), file+" is damaged before byte ") || !strings.Contains(err.Error(), "move the data directory "+filepath.Dir(dir)+" away") {
		t.Errorf("Open: %v, want an error that names %s and says what to do", err, file)
	}
	if after, _ := os.ReadFile(file); string(after) != string(data) {
		t.Error("Open changed the file")
	}
}

func TestARecordThatWasBeingWrittenWhenTheProcessDiedIsForgotten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "metrics")
	file := walFile(t, dir)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	written := len(bytes.TrimRight(data, "\x00")) // a page is padded with zeros when the log is closed
	if err := os.Truncate(file, int64(written-3)); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dir)
	if got := value(t, s, "count_over_time(shop_orders_total[1h])", time.Now()); !(got >= 49) {
		t.Errorf("%v samples are left of 50 and a zero", got)
	}
}

func TestADamagedBlockIsNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "metrics")
	walFile(t, dir)
	block := filepath.Join(dir, "01JD0000000000000000000000")
	if err := os.MkdirAll(block, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(block, "meta.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Config{Dir: dir, Retention: time.Hour})
	if want := filepath.Join(block, "meta.json") + " is damaged"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Open: %v, want an error with %q", err, want)
	}
	if _, statErr := os.Stat(block); statErr != nil {
		t.Errorf("the block is gone: %v", statErr)
	}
}
