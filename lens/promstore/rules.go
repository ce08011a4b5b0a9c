package promstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/rules"
)

// evalInterval is how often a group without an interval is evaluated.
const evalInterval = 30 * time.Second

// RuleFiles returns the rule files among paths, each a file or a folder whose
// .yml, .yaml and .rules files count, after reading them strictly: the error
// names the file and what is wrong with it, on one line.
func RuleFiles(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		found, err := expand(path)
		if err != nil {
			return nil, fmt.Errorf("rules: %w", err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		if err := checkRules(file); err != nil {
			return nil, fmt.Errorf("rules: %s: %s", file, strings.Join(strings.Fields(err.Error()), " "))
		}
	}
	return files, nil
}

func expand(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if slices.Contains([]string{".yml", ".yaml", ".rules"}, filepath.Ext(e.Name())) {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no .yml, .yaml or .rules file", path)
	}
	return files, nil
}

func checkRules(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	groups, errs := rulefmt.Parse(data, false, model.UTF8Validation, newParser(), slog.New(slog.DiscardHandler))
	if len(errs) > 1 {
		return fmt.Errorf("%w (and %d more)", errs[0], len(errs)-1)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	if len(groups.Groups) == 0 {
		return errors.New("it holds no rule group")
	}
	return nil
}

// ruler runs Prometheus' rule manager.
type ruler struct {
	manager *rules.Manager
	cancel  context.CancelFunc
	running chan struct{} // closed when groups are evaluated on their schedule
	done    chan struct{} // closed when the manager has ended
}

func startRules(s *Store, files []string, log *slog.Logger) (*ruler, error) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &ruler{cancel: cancel, running: make(chan struct{}), done: make(chan struct{})}
	r.manager = rules.NewManager(&rules.ManagerOptions{
		Context:         ctx,
		ExternalURL:     &url.URL{},
		QueryFunc:       rules.EngineQueryFunc(s.engine, s.db),
		NotifyFunc:      func(context.Context, string, ...*rules.Alert) {}, // alerts are shown, not sent
		Appendable:      s.db,
		Queryable:       s.db,
		Logger:          log,
		Parser:          s.parser,
		OutageTolerance: time.Hour, // an alert's "for" goes on over a restart
	})
	if err := r.manager.Update(evalInterval, files, labels.EmptyLabels(), "", nil); err != nil {
		cancel()
		return nil, fmt.Errorf("rules: %w", err)
	}
	go r.run(ctx)
	return r, nil
}

func (r *ruler) run(ctx context.Context) {
	defer close(r.done)
	// The manager spreads first evaluations over the interval; who starts lens
	// wants to see now whether the rules work.
	for _, g := range r.manager.RuleGroups() {
		rules.DefaultEvalIterationFunc(ctx, g, time.Now())
	}
	close(r.running)
	r.manager.Run()
}

func (r *ruler) stop() {
	r.cancel()
	<-r.running
	r.manager.Stop()
	<-r.done
}

// An Alert is an active alert: pending or firing.
type Alert struct {
	Name        string
	State       string // "pending" or "firing"
	Labels      map[string]string
	Annotations map[string]string
	ActiveSince time.Time
	Value       float64
}

// An AlertRule is an alerting rule and its active alerts.
type AlertRule struct {
	Name      string
	Group     string
	State     string // "firing", "pending", "inactive" or, before the first evaluation, "unknown"
	Query     string
	LastError string // of the last evaluation; "" if it succeeded
	Labels    map[string]string
	Alerts    []Alert
}

// AlertRules returns the alerting rules: those that fire first, then by name.
func (s *Store) AlertRules() []AlertRule {
	var out []AlertRule
	for _, g := range s.rules.manager.RuleGroups() {
		for _, r := range g.AlertingRules() {
			rule := AlertRule{Name: r.Name(), Group: g.Name(), State: r.State().String(), Query: r.Query().String(), Labels: r.Labels().Map()}
			if err := r.LastError(); err != nil {
				rule.LastError = err.Error()
			}
			for _, a := range r.ActiveAlerts() {
				rule.Alerts = append(rule.Alerts, Alert{
					Name: r.Name(), State: a.State.String(), Labels: a.Labels.Map(), Annotations: a.Annotations.Map(),
					ActiveSince: a.ActiveAt, Value: a.Value,
				})
			}
			out = append(out, rule)
		}
	}
	slices.SortStableFunc(out, func(a, b AlertRule) int {
		return cmp.Or(cmp.Compare(slices.Index(urgency, a.State), slices.Index(urgency, b.State)), cmp.Compare(a.Name, b.Name))
	})
	return out
}

var urgency = []string{"firing", "pending", "unknown", "inactive"}
