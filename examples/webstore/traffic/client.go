package traffic

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// maxAnswer is the most that is read of an answer, in bytes.
const maxAnswer = 1 << 20

// notSent is the status of a request that there was no time for.
const notSent = -1

// request is what a shopper asks the store.
type request struct {
	method, path string
	body         any    // sent as JSON; nil for none
	key          string // the Idempotency-Key; empty for none
}

func (v *visit) get(ctx context.Context, path string, answer any) (status int) {
	return v.send(ctx, request{method: http.MethodGet, path: path}, answer)
}

func (v *visit) post(ctx context.Context, path string, body, answer any) (status int) {
	return v.send(ctx, request{method: http.MethodPost, path: path, body: body}, answer)
}

// send sends a request when its turn comes, counts it, decodes a JSON answer of
// any status into answer unless that is nil, and returns the status, NoAnswer,
// or notSent when ctx is done. What is under way then is waited for, so that
// the store and the report agree on what happened.
func (v *visit) send(ctx context.Context, q request, answer any) (status int) {
	if v.pace.wait(ctx) != nil {
		return notSent
	}
	begin := time.Now()
	status, content, err := v.exchange(context.WithoutCancel(ctx), q)
	if err != nil {
		v.tally.noAnswer()
		return NoAnswer
	}
	v.tally.answer(status, time.Since(begin))
	if answer != nil {
		_ = json.Unmarshal(content, answer) // an answer that is not JSON says nothing
	}
	return status
}

func (v *visit) exchange(ctx context.Context, q request) (status int, content []byte, err error) {
	var body io.Reader
	if q.body != nil {
		content, err := json.Marshal(q.body)
		if err != nil {
			return 0, nil, err
		}
		body = bytes.NewReader(content)
	}
	request, err := http.NewRequestWithContext(ctx, q.method, v.cfg.URL+q.path, body)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("User-Agent", "webstore-traffic")
	if q.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if q.key != "" {
		request.Header.Set("Idempotency-Key", q.key)
	}
	if v.identity.Token != "" {
		request.Header.Set("Authorization", "Bearer "+v.identity.Token)
	}
	response, err := v.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	content, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, content, err
}
