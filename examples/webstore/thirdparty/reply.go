package thirdparty

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

const (
	// maxBody is the most bytes that a call's body may have. It bounds what a
	// third party remembers of a call.
	maxBody = 4 << 10

	// maxKey is the longest key, in bytes.
	maxKey = 255
)

// Reply is what a call is answered with.
type Reply struct {
	Status int // of HTTP
	Body   any // answered as JSON
}

// Write answers with the reply.
func (r Reply) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.Status)
	_ = json.NewEncoder(w).Encode(r.Body) // an error means that the caller has gone
}

// Reply answers with the failure in the form that all third parties' errors have.
func (f *Failure) Reply() Reply {
	return Reply{f.Status, map[string]string{"status": "failed", "code": f.Code, "error": f.Message}}
}

// BadRequest is the answer to a call that cannot be understood. The message says
// what would be right.
func BadRequest(message string) Reply {
	return (&Failure{Status: http.StatusBadRequest, Code: "bad_request", Message: message}).Reply()
}

// Health is the handler of "GET /health".
func Health(w http.ResponseWriter, _ *http.Request) {
	Reply{http.StatusOK, map[string]string{"status": "healthy"}}.Write(w)
}

// Key returns the call's Idempotency-Key. If there is none it answers so, and
// reports false.
func Key(w http.ResponseWriter, r *http.Request) (key string, ok bool) {
	key = r.Header.Get("Idempotency-Key")
	if key == "" || len(key) > maxKey {
		BadRequest("Idempotency-Key header of 1 to 255 bytes is missing").Write(w)
		return "", false
	}
	return key, true
}

// Decode reads the call's body into v. If it is not one JSON value that fits, of at
// most 4 KiB, it answers so, and reports false. Fields that v does not have are let
// pass, as real third parties do.
func Decode(w http.ResponseWriter, r *http.Request, v any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	if err := decoder.Decode(v); err != nil || !ended(decoder) {
		BadRequest("Body is not the JSON object that is expected").Write(w)
		return false
	}
	return true
}

func ended(decoder *json.Decoder) bool {
	_, err := decoder.Token()
	return errors.Is(err, io.EOF)
}
