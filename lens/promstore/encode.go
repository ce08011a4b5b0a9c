package promstore

import (
	"encoding/json"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/jsonutil"
)

// The JSON of Prometheus: times are seconds with a fraction, values are text
// (for NaN and the infinities, which JSON lacks), an empty result is [].

// encodeResult returns {"resultType":…,"result":…}.
func encodeResult(v parser.Value) json.RawMessage {
	return encode(func(s *jsoniter.Stream) {
		s.WriteObjectStart()
		s.WriteObjectField("resultType")
		s.WriteString(string(v.Type()))
		s.WriteMore()
		s.WriteObjectField("result")
		switch v := v.(type) {
		case promql.Matrix:
			array(s, v, series)
		case promql.Vector:
			array(s, v, sample)
		case promql.Scalar:
			timed(s, v.T, func() { jsonutil.MarshalFloat(v.V, s) })
		case promql.String:
			timed(s, v.T, func() { s.WriteString(v.V) })
		}
		s.WriteObjectEnd()
	})
}

// encodeExemplars returns [{"seriesLabels":…,"exemplars":[…]}].
func encodeExemplars(found []exemplar.QueryResult) json.RawMessage {
	return encode(func(s *jsoniter.Stream) {
		array(s, found, func(s *jsoniter.Stream, r exemplar.QueryResult) {
			s.WriteObjectStart()
			s.WriteObjectField("seriesLabels")
			labelSet(s, r.SeriesLabels)
			s.WriteMore()
			s.WriteObjectField("exemplars")
			array(s, r.Exemplars, oneExemplar)
			s.WriteObjectEnd()
		})
	})
}

func encode(write func(*jsoniter.Stream)) json.RawMessage {
	s := jsoniter.NewStream(jsoniter.ConfigDefault, nil, 4096)
	write(s)
	return s.Buffer()
}

func array[T any](s *jsoniter.Stream, items []T, one func(*jsoniter.Stream, T)) {
	s.WriteArrayStart()
	for i, item := range items {
		if i > 0 {
			s.WriteMore()
		}
		one(s, item)
	}
	s.WriteArrayEnd()
}

func series(s *jsoniter.Stream, v promql.Series) {
	s.WriteObjectStart()
	s.WriteObjectField("metric")
	labelSet(s, v.Metric)
	if len(v.Floats) > 0 {
		s.WriteMore()
		s.WriteObjectField("values")
		array(s, v.Floats, func(s *jsoniter.Stream, p promql.FPoint) { floatPoint(s, p.T, p.F) })
	}
	if len(v.Histograms) > 0 {
		s.WriteMore()
		s.WriteObjectField("histograms")
		array(s, v.Histograms, func(s *jsoniter.Stream, p promql.HPoint) { histogramPoint(s, p.T, p.H) })
	}
	s.WriteObjectEnd()
}

func sample(s *jsoniter.Stream, v promql.Sample) {
	s.WriteObjectStart()
	s.WriteObjectField("metric")
	labelSet(s, v.Metric)
	s.WriteMore()
	if v.H == nil {
		s.WriteObjectField("value")
		floatPoint(s, v.T, v.F)
	} else {
		s.WriteObjectField("histogram")
		histogramPoint(s, v.T, v.H)
	}
	s.WriteObjectEnd()
}

func oneExemplar(s *jsoniter.Stream, e exemplar.Exemplar) {
	s.WriteObjectStart()
	s.WriteObjectField("labels")
	labelSet(s, e.Labels)
	s.WriteMore()
	s.WriteObjectField("value")
	jsonutil.MarshalFloat(e.Value, s)
	s.WriteMore()
	s.WriteObjectField("timestamp")
	jsonutil.MarshalTimestamp(e.Ts, s)
	s.WriteObjectEnd()
}

func floatPoint(s *jsoniter.Stream, t int64, v float64) {
	timed(s, t, func() { jsonutil.MarshalFloat(v, s) })
}

func histogramPoint(s *jsoniter.Stream, t int64, h *histogram.FloatHistogram) {
	timed(s, t, func() { jsonutil.MarshalHistogram(h, s) })
}

// timed writes [time, value].
func timed(s *jsoniter.Stream, t int64, value func()) {
	s.WriteArrayStart()
	jsonutil.MarshalTimestamp(t, s)
	s.WriteMore()
	value()
	s.WriteArrayEnd()
}

func labelSet(s *jsoniter.Stream, ls labels.Labels) {
	s.WriteObjectStart()
	first := true
	ls.Range(func(l labels.Label) {
		if !first {
			s.WriteMore()
		}
		first = false
		s.WriteObjectField(l.Name)
		s.WriteString(l.Value)
	})
	s.WriteObjectEnd()
}
