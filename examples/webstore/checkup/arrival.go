package checkup

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/health"
	"github.com/otelkit/kit/query"
)

// recent is how old the newest telemetry of a service may be: two intervals in
// which the SDKs of OpenTelemetry export metrics unless told otherwise.
const recent = 2 * time.Minute

// promQL is where metrics can be asked for, or "" for nowhere.
func (l *look) promQL() string { return cmp.Or(l.cfg.Addresses["prometheus"], l.cfg.Addresses["lens"]) }

// arrival asks for the newest telemetry of a service: for what it reports of its
// own health, which it does at every export, asked for anything or not.
func (l *look) arrival(ctx context.Context, p part) answer {
	age, err := newest(p.telemetryOf)
	if err != nil {
		return answer{status: Unknown, err: err.Error()}
	}
	response, body, err := l.get(ctx, l.promQL()+"/api/v1/query?"+url.Values{"query": {age}}.Encode())
	if err != nil {
		return answer{status: Unknown, err: "metrics cannot be asked for: " + err.Error()}
	}
	a := answer{heard: true}
	seconds, some, err := value(body)
	switch age := time.Duration(seconds * float64(time.Second)); {
	case response.StatusCode != http.StatusOK || err != nil:
		a.status, a.err = Unknown, fmt.Sprintf("metrics cannot be asked for: %s to GET /api/v1/query", response.Status)
	case !some:
		a.status, a.err = Unhealthy, "none has arrived in the last minutes"
	case age > recent:
		a.status, a.err = Unhealthy, fmt.Sprintf("the newest is %v old", age.Round(time.Second))
	default:
		a.status = Healthy
	}
	return a
}

// newest is the PromQL of how many seconds ago the newest sample of a service was
// taken, by the clock of who answers. It has no value if there was none within the
// time that Prometheus looks back, 5 min by default.
func newest(service string) (string, error) {
	// Prometheus makes job from these two, without being told to.
	series, err := query.Series(health.Instances, map[string]string{"job": telemetry.Namespace + "/" + service}, query.Target{})
	if err != nil {
		return "", err
	}
	return "time() - max(timestamp(" + series + "))", nil
}

// value returns the one value of an answer of Prometheus' API, if it has one.
func value(body []byte) (v float64, some bool, err error) {
	var answer struct {
		Data struct {
			ResultType string
			Result     []struct{ Value [2]any }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, false, err
	}
	if answer.Data.ResultType != "vector" {
		return 0, false, fmt.Errorf("it is a %q", answer.Data.ResultType)
	}
	if len(answer.Data.Result) == 0 {
		return 0, false, nil
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	v, err = strconv.ParseFloat(text, 64)
	return v, true, err
}
