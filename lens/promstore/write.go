package promstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	otlp "github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelkit/kit/lens/tally"
)

// promoted are the resource attributes that become labels of every series;
// the others are labels of target_info.
var promoted = []string{
	"service.name", "service.namespace", "service.version", "service.instance.id", "deployment.environment.name",
}

// maxMetadata bounds the metric names whose type, unit and help are kept.
const maxMetadata = 20_000

// Write stores the data points of one export; queries see them from its return
// on. Names become Prometheus' own (http.server.request.duration in s:
// http_server_request_duration_seconds). Points that cannot be stored are
// dropped one by one. An error means that nothing was stored.
func (s *Store) Write(ctx context.Context, md pmetric.Metrics) (tally.Outcome, error) {
	out := tally.Outcome{Received: int64(md.DataPointCount())}
	dropDelta(md, &out)

	app := &appender{
		AppenderV2: s.db.AppenderV2(ctx),
		store:      s,
		out:        &out,
		maxTime:    time.Now().Add(maxAhead).UnixMilli(),
		exports:    map[source]int64{},
	}
	_, err := otlp.NewPrometheusConverter(app).FromMetrics(ctx, md, otlp.Settings{
		AddMetricSuffixes:         true, // with AllowUTF8 false: UnderscoreEscapingWithSuffixes
		PromoteResourceAttributes: otlp.NewPromoteResourceAttributes(config.OTLPConfig{PromoteResourceAttributes: promoted}),
	})
	if failure := errors.Join(app.failure, ctx.Err()); failure != nil {
		return tally.Outcome{Received: out.Received}, errors.Join(failure, app.Rollback())
	}
	for _, err := range leaves(err) {
		out.Drop("not translatable", 1, err.Error())
	}
	if err := app.Commit(); err != nil {
		return tally.Outcome{Received: out.Received}, err
	}
	for src, t := range app.exports {
		s.births.exported(src, t)
	}
	out.Stored = max(out.Received-out.Dropped(), 0)
	return out, nil
}

// dropDelta removes metrics of delta temporality, which Prometheus cannot add
// up.
func dropDelta(md pmetric.Metrics, out *tally.Outcome) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool {
				points, delta := 0, false
				switch m.Type() {
				case pmetric.MetricTypeSum:
					points, delta = m.Sum().DataPoints().Len(), m.Sum().AggregationTemporality() == pmetric.AggregationTemporalityDelta
				case pmetric.MetricTypeHistogram:
					points, delta = m.Histogram().DataPoints().Len(), m.Histogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta
				case pmetric.MetricTypeExponentialHistogram:
					points, delta = m.ExponentialHistogram().DataPoints().Len(), m.ExponentialHistogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta
				}
				if delta {
					out.Drop("delta temporality", int64(points), fmt.Sprintf("metric %q: set the exporter to cumulative temporality", m.Name()))
				}
				return delta
			})
		}
	}
}

// appender stands between the translation from OTLP and the database: it gives
// counters their zero, and turns the refusal of one sample into a count
// instead of the end of the whole export.
type appender struct {
	storage.AppenderV2
	store   *Store
	out     *tally.Outcome
	maxTime int64
	exports map[source]int64 // the latest sample of each source
	failure error            // the database's own
}

// Append implements storage.AppenderV2.
func (a *appender) Append(_ storage.SeriesRef, ls labels.Labels, start, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if t > a.maxTime {
		a.drop("in the future", ls, h, opts, fmt.Sprintf("%s at %s", ls, time.UnixMilli(t).UTC().Format(time.RFC3339)))
		return 0, nil
	}
	ref := a.known(ls)
	if ref == 0 && a.store.db.Head().NumSeries() >= maxSeries {
		a.drop("too many series", ls, h, opts, fmt.Sprintf("%s would be one of more than %d series", ls, maxSeries))
		return 0, nil
	}
	src := sourceOf(ls)
	switch {
	case !zeroable(ls, opts):
		start = 0
	case ref == 0 && start > 0:
		start = a.store.births.zeroTime(src, start, t)
	}
	ref, err := a.AppenderV2.Append(ref, ls, start, t, v, h, fh, opts)
	switch {
	case err == nil, errors.Is(err, &storage.AppendPartialError{}): // an exemplar that came too late
	case refused(err):
		a.drop("too old or repeated", ls, h, opts, fmt.Sprintf("%s at %s: %v", ls, time.UnixMilli(t).UTC().Format(time.RFC3339), err))
		return 0, nil
	default:
		a.failure = errors.Join(a.failure, err)
		return 0, err
	}
	a.exports[src] = max(a.exports[src], t)
	a.store.describe(opts)
	return ref, nil
}

// known returns the database's reference to a series, or 0.
func (a *appender) known(ls labels.Labels) storage.SeriesRef {
	refs, ok := a.AppenderV2.(storage.GetRef)
	if !ok {
		return 0
	}
	ref, _ := refs.GetRef(ls, ls.Hash())
	return ref
}

// refused says whether an error concerns one sample only.
func refused(err error) bool {
	return errors.Is(err, storage.ErrOutOfOrderSample) || errors.Is(err, storage.ErrTooOldSample) ||
		errors.Is(err, storage.ErrOutOfBounds) || errors.Is(err, storage.ErrDuplicateSampleForTimestamp)
}

// drop counts a refused sample as one data point, once for all the series
// that a histogram or summary point is made of.
func (a *appender) drop(cause string, ls labels.Labels, h *histogram.Histogram, opts storage.AOptions, example string) {
	name := ls.Get(model.MetricNameLabel)
	whole := h != nil || opts.Metadata.Type != model.MetricTypeHistogram && opts.Metadata.Type != model.MetricTypeSummary
	if name == "target_info" || !whole && name != opts.MetricFamilyName+"_count" {
		return
	}
	a.out.Drop(cause, 1, example)
}

// describe keeps what the API's metadata tells.
func (s *Store) describe(opts storage.AOptions) {
	if opts.Metadata.IsEmpty() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.metadata[opts.MetricFamilyName]; ok || len(s.metadata) < maxMetadata {
		s.metadata[opts.MetricFamilyName] = opts.Metadata
	}
}

// leaves returns the errors that were joined into err.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, leaves(e)...)
	}
	return out
}
