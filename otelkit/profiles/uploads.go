package profiles

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
)

const (
	firstPause = 500 * time.Millisecond // before the second try; doubles
	maxAnswer  = 4 << 10                // bytes of an answer that are read
)

// uploads is the HTTP client that pyroscope-go is given. Its own neither ends
// when the service does, nor tries again, nor tells anyone of a failure.
//
// No upload takes longer than the interval between two. So pyroscope-go's five
// workers are free again when the next five profiles come, and its queue, which
// drops what is beyond 20, never fills.
type uploads struct {
	client   *http.Client
	limit    time.Duration // for one profile, all its tries together
	recorder *metrics.Recorder
	lost     func(cause string, err error) // told of each lost profile, unless it is nil

	ctx     context.Context // done when no upload may go on
	abandon context.CancelFunc
	hurried context.Context // done when nothing is tried again
	hurry   context.CancelFunc
	close   func()

	mu   sync.Mutex
	last error // why an upload failed since hurry
}

func newUploads(cfg Config, lost func(cause string, err error)) *uploads {
	u := &uploads{limit: cfg.Interval, lost: lost}
	u.ctx, u.abandon = context.WithCancel(context.Background())
	u.hurried, u.hurry = context.WithCancel(context.Background())
	if cfg.Kit != nil {
		u.recorder = cfg.Kit.Recorder()
	}
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}
	u.close = func() {
		u.abandon()
		client.CloseIdleConnections()
	}
	if cfg.Client != nil {
		client = *cfg.Client
		u.close = u.abandon
	}
	if client.CheckRedirect == nil {
		// A POST that is redirected becomes a GET, and the profile is lost with a
		// 200.
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	u.client = &client
	return u
}

// Do uploads a profile, and tries again if that may help.
func (u *uploads) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(u.ctx, u.limit)
	defer cancel()
	endNow(r.URL)
	response, err := u.persist(ctx, r)
	outcome := outcomeOf(u.ctx, response, err)
	Uploads.Add(u.telemetry(), 1, UploadAttrs{outcome})
	if outcome != uploaded {
		u.fail(outcome, response, err)
	}
	return response, err
}

// fail tells of a profile that is lost.
func (u *uploads) fail(outcome Outcome, response *http.Response, err error) {
	if err == nil {
		err = errors.New("Pyroscope answered " + response.Status)
	}
	if u.lost != nil {
		u.lost(outcome.cause(), err)
	}
	if u.hurried.Err() != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.last = err
	}
}

// endNow mends the time that a last profile is said to cover: pyroscope-go rounds
// its end down to a whole interval, to before its begin.
func endNow(u *url.URL) {
	query := u.Query()
	from, _ := strconv.ParseInt(query.Get("from"), 10, 64)
	until, _ := strconv.ParseInt(query.Get("until"), 10, 64)
	if until <= from {
		query.Set("until", strconv.FormatInt(time.Now().UnixNano(), 10))
		u.RawQuery = query.Encode()
	}
}

func (u *uploads) persist(ctx context.Context, r *http.Request) (*http.Response, error) {
	for pause := firstPause; ; pause *= 2 {
		response, err := u.try(ctx, r)
		if !passing(response, err) || !u.rest(ctx, pause) {
			return response, err
		}
	}
}

// try uploads once. It reads the answer, as far as it is of use, so that it too
// is within ctx.
func (u *uploads) try(ctx context.Context, r *http.Request) (*http.Response, error) {
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	attempt := r.WithContext(ctx)
	attempt.Body = body
	response, err := u.client.Do(attempt)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		return nil, failed.Err // without the URL, which is long and tells nothing
	}
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(answer))
	return response, nil
}

// passing reports whether an upload failed in a way that may pass.
func passing(response *http.Response, err error) bool {
	return err != nil || response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= 500
}

// rest waits before the next try, and reports whether there is to be one.
func (u *uploads) rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-u.hurried.Done():
	}
	return false
}

// failed returns why an upload failed since hurry, nil if none did.
func (u *uploads) failed() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last
}

// telemetry returns a context in which measurements go to the kit. It is not of a
// request, so that it ends with nothing.
func (u *uploads) telemetry() context.Context {
	if u.recorder == nil {
		return context.Background()
	}
	return metrics.NewContext(context.Background(), u.recorder)
}
