package checkup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/otelkit/kit/otelkit/health"
)

// maxAnswer is the most that is read of an answer, in bytes.
const maxAnswer = 1 << 20

// answer is what was learnt of a part.
type answer struct {
	status Status
	err    string // why it is not healthy
	took   time.Duration
	heard  bool             // it said something, be it that it is not well
	checks map[string]check // of a service: what it says of what it needs
}

// check is what a service says of a part that it needs.
type check struct {
	Status health.Status `json:"status"`
	Millis float64       `json:"observedValue"`
	Error  string        `json:"output"`
}

// probe asks a part that is well when it answers with a status below 300.
//
// A page is no such answer: a single-page application at the wrong address has
// one for every path, and would have us believe that all is well.
func (l *look) probe(ctx context.Context, p part) answer {
	response, _, err := l.get(ctx, l.cfg.Addresses[p.name]+p.path)
	if err != nil {
		return answer{status: Unhealthy, err: err.Error()}
	}
	a := answer{status: Healthy, heard: true}
	switch page := isPage(response); {
	case response.StatusCode >= http.StatusMultipleChoices:
		a.status, a.err = Unhealthy, fmt.Sprintf("answers %s to GET %s", response.Status, p.path)
	case page && p.layer != FrontEnd:
		a.status, a.err = Unhealthy, fmt.Sprintf("answers GET %s with a page; is %s at that address?", p.path, p.name)
	case !page && p.layer == FrontEnd:
		a.status, a.err = Unhealthy, fmt.Sprintf("answers GET %s with no page; is %s at that address?", p.path, p.name)
	}
	return a
}

func isPage(response *http.Response) bool {
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return kind == "text/html"
}

// service asks one of our services, which tells of what it needs, too.
func (l *look) service(ctx context.Context, p part) answer {
	response, body, err := l.get(ctx, l.cfg.Addresses[p.name]+p.path)
	if err != nil {
		return answer{status: Unhealthy, err: err.Error()}
	}
	a := answer{heard: true, checks: map[string]check{}}
	var document struct {
		Status health.Status
		Output string
		Checks map[string][]check
	}
	if err := json.Unmarshal(body, &document); err != nil || !slices.Contains(document.Status.Values(), document.Status) {
		a.status = Unhealthy
		a.err = fmt.Sprintf("answers %s to GET %s, and not how it is; is %s at that address?", response.Status, p.path, p.name)
		return a
	}
	var failing []string
	for name, results := range document.Checks {
		name, _, _ = strings.Cut(name, ":") // of a component, and of what is measured of it
		for _, c := range results {
			a.checks[name] = c
			if c.Status == health.Fail {
				failing = append(failing, name)
			}
		}
	}
	a.status, a.err = statusOf(document.Status), document.Output
	switch slices.Sort(failing); {
	case a.status == Healthy:
		a.err = ""
	case a.err == "" && len(failing) > 0:
		a.err = "says that it misses " + strings.Join(failing, ", ")
	case a.err == "":
		a.err = "says that it takes no requests"
	}
	return a
}

func statusOf(s health.Status) Status {
	switch s {
	case health.Pass:
		return Healthy
	case health.Warn:
		return Degraded
	}
	return Unhealthy
}

// seen returns what the services that use p say of it; where they differ, the
// worst. It returns false if p is no part of this store, as far as is known.
func (l *look) seen(p part) (a answer, ok bool) {
	if p.layer != Datastores && p.layer != ThirdParties {
		return answer{}, false
	}
	missing := false // an answer that might have told
	for _, s := range parts {
		if s.layer != Services || !slices.Contains(s.needs, p.name) || l.cfg.Addresses[s.name] == "" {
			continue
		}
		told := l.answers[s.name].checks
		if told == nil {
			missing = true
			continue
		}
		c, uses := told[p.name]
		if !uses {
			continue
		}
		ok = true
		a.took = max(a.took, time.Duration(c.Millis*float64(time.Millisecond)))
		if status := statusOf(c.Status); severity(status) > severity(a.status) {
			a.status, a.err = status, reason(s.name, c)
		}
	}
	if !ok && missing && p.layer == Datastores {
		return answer{status: Unknown, err: "no service that uses it has answered"}, true
	}
	return a, ok
}

func reason(service string, c check) string {
	switch {
	case c.Status == health.Pass:
		return ""
	case c.Error == "":
		return service + " says so"
	}
	return service + ": " + c.Error
}

// severity orders statuses; that of none is the lowest.
func severity(s Status) int {
	return slices.Index([]Status{"", Healthy, Unknown, Degraded, Unhealthy}, s)
}

// get returns an answer and its body. Errors are for people who know what is
// asked, and so without the URL.
func (l *look) get(ctx context.Context, address string) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("User-Agent", "webstore-health")
	response, err := l.client.Do(request)
	if err != nil {
		return nil, nil, l.cause(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("its answer broke off: %w", l.cause(err))
	}
	return response, body, nil
}

func (l *look) cause(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v", l.cfg.Timeout)
	}
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
