package promstore

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

func (s *Store) apiSeries(r *http.Request) (answer, error) {
	if len(r.Form["match[]"]) == 0 {
		return answer{}, badData(errors.New("no match[] parameter provided"))
	}
	sel, err := s.selection(r)
	if err != nil {
		return answer{}, err
	}
	defer sel.q.Close()

	hints := &storage.SelectHints{Start: sel.start, End: sel.end, Func: "series"} // "series": the samples are not needed
	sets := make([]storage.SeriesSet, len(sel.matchers))
	for i, m := range sel.matchers {
		sets[i] = sel.q.Select(r.Context(), true, hints, m...)
	}
	set := storage.NewMergeSeriesSet(sets, 0, storage.ChainedSeriesMerge)
	found := []labels.Labels{}
	remarks := set.Warnings()
	for set.Next() {
		if err := r.Context().Err(); err != nil {
			return answer{}, err
		}
		if sel.limit > 0 && len(found) == sel.limit {
			remarks = remarks.Add(errTruncated)
			break
		}
		found = append(found, set.At().Labels())
	}
	if err := set.Err(); err != nil {
		return answer{}, err
	}
	return answer{found, remarks}, nil
}

func (s *Store) apiLabels(r *http.Request) (answer, error) {
	sel, err := s.selection(r)
	if err != nil {
		return answer{}, err
	}
	defer sel.q.Close()
	return sel.union(func(m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return sel.q.LabelNames(r.Context(), nil, m...)
	})
}

func (s *Store) apiLabelValues(r *http.Request) (answer, error) {
	name := r.PathValue("name")
	if strings.HasPrefix(name, "U__") {
		name = model.UnescapeName(name, model.ValueEncodingEscaping)
	}
	if !model.UTF8Validation.IsValidLabelName(name) {
		return answer{}, badData(fmt.Errorf("invalid label name: %q", name))
	}
	sel, err := s.selection(r)
	if err != nil {
		return answer{}, err
	}
	defer sel.q.Close()
	return sel.union(func(m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return sel.q.LabelValues(r.Context(), name, nil, m...)
	})
}

// A selection is what the parameters match[], start, end and limit select.
type selection struct {
	q          storage.Querier
	start, end int64
	matchers   [][]*labels.Matcher
	limit      int
}

func (s *Store) selection(r *http.Request) (*selection, error) {
	start, end, err := rangeParams(r)
	if err != nil {
		return nil, err
	}
	sel := &selection{start: timestamp.FromTime(start), end: timestamp.FromTime(end)}
	if sel.limit, err = parseLimit(r); err != nil {
		return nil, err
	}
	if sel.matchers, err = s.matchers(r); err != nil {
		return nil, err
	}
	sel.q, err = s.db.Querier(sel.start, sel.end)
	return sel, err
}

// union returns the sorted union of what get finds for each set of matchers,
// or for none if there is none.
func (sel *selection) union(get func([]*labels.Matcher) ([]string, annotations.Annotations, error)) (answer, error) {
	sets := sel.matchers
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	all := []string{}
	var remarks annotations.Annotations
	for _, m := range sets {
		found, w, err := get(m)
		if err != nil {
			return answer{}, err
		}
		remarks.Merge(w)
		all = append(all, found...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if sel.limit > 0 && len(all) > sel.limit {
		all = all[:sel.limit]
		remarks = remarks.Add(errTruncated)
	}
	return answer{all, remarks}, nil
}
