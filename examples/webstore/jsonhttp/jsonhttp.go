// Package jsonhttp is how the store's services speak JSON: strict in what they
// take, and with one form of error, the problem of RFC 9457.
//
// A handler decodes, calls the domain, encodes, and returns what went wrong:
//
//	func (s *service) addToCart(w http.ResponseWriter, r *http.Request) error {
//		var body addition
//		if err := jsonhttp.Decode(w, r, &body); err != nil {
//			return err
//		}
//		line, err := s.addLine(r.Context(), body)
//		if err != nil {
//			return err
//		}
//		return jsonhttp.Encode(w, http.StatusOK, line)
//	}
//
//	router.Handle("/cart/add", jsonhttp.Handler(log, s.addToCart)).Methods("POST")
//
// A [*Problem] is answered as it is. Any other error is the service's own
// affair: it is logged and marks the span, and the caller learns only that it
// happened, and the trace id.
package jsonhttp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// maxBody is the most bytes that a request's body may have.
const maxBody = 1 << 20

// requestTimeout is how long a request may take, unless its handler takes
// another context: an answer that comes later is waited for by nobody.
const requestTimeout = 10 * time.Second

// statusClientClosedRequest is what nginx made customary for a caller that did
// not wait. Nobody reads it but telemetry, where it must not look like an error
// of ours.
const statusClientClosedRequest = 499

// Decode reads the body of r, which has to be one JSON value of at most 1 MiB
// with no field that v does not have. What it returns is a *Problem.
func Decode(w http.ResponseWriter, r *http.Request, v any) error {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return NotJSON
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return explain(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		if tooLarge(err) || errors.Is(err, os.ErrDeadlineExceeded) {
			return explain(err)
		}
		return Malformed.With("Something follows the JSON value; send one value.")
	}
	return nil
}

func tooLarge(err error) bool {
	var large *http.MaxBytesError
	return errors.As(err, &large)
}

// explain turns an error of the decoder into what its caller can do about it.
func explain(err error) *Problem {
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
	)
	field, unknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	switch {
	case tooLarge(err):
		return TooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return TooSlow
	case errors.Is(err, io.EOF):
		return Malformed.With("The body is empty; send a JSON object.")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return Malformed.With("The JSON value ends too soon.")
	case errors.As(err, &syntax):
		return Malformed.With("It is not JSON from byte %d on.", syntax.Offset)
	case errors.As(err, &kind) && kind.Field != "":
		return Malformed.With("%q cannot be a JSON %s.", kind.Field, kind.Value)
	case errors.As(err, &kind):
		return Malformed.With("The body cannot be a JSON %s; send an object.", kind.Value)
	case unknown:
		return Malformed.With("There is no field %s; leave it out.", field)
	}
	return Malformed
}

// Encode answers with v as JSON.
func Encode(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // an error means that the caller has gone
	return nil
}

// Handler makes a handler that returns its error into one of net/http. h has
// either answered and returns nil, or it returns an error and has not. The
// context of its request has a deadline, 10 s.
//
// Nobody is to keep what is answered, which may be somebody's cart, nor to take it
// for anything but JSON; h may set those two headers otherwise.
func Handler(log *slog.Logger, h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		guard(w.Header())
		err := h(w, r)
		if err == nil {
			return
		}
		var problem *Problem
		if errors.As(err, &problem) {
			problem.Write(w, r)
			return
		}
		if errors.Is(r.Context().Err(), context.Canceled) {
			w.WriteHeader(statusClientClosedRequest)
			return
		}
		log.ErrorContext(r.Context(), "request failed", "exception.message", err.Error())
		span := trace.SpanFromContext(r.Context())
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
		Internal.Write(w, r)
	})
}

// guard sets what every answer has.
func guard(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}
