package otelkit

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

// causeOf tells why an OTLP exporter (v1.47.0, v0.23.0) did not get rid of a batch
// with ctx, and of how many of its items.
func causeOf(ctx context.Context, err error, items int) (cause Cause, lost int) {
	if rejected, ok := rejectedIn(err); ok {
		return CausePartialSuccess, min(rejected, items)
	}
	switch {
	case isAny(err, triesAgain):
		return CauseUnavailable, items
	case ctx.Err() != nil, isAny(err, isTimeout): // the SDK's contexts end with a cause, which need not be a timeout
		return CauseTimeout, items
	case isAny(err, isConnection):
		return CauseUnavailable, items
	default:
		return CauseRejected, items
	}
}

// rejectedIn returns how many items a receiver rejected that took the rest.
func rejectedIn(err error) (rejected int, ok bool) {
	ok = isAny(err, func(err error) bool {
		if !isOf(err, "PartialSuccess") {
			return false
		}
		rejected = int(max(0, reflect.ValueOf(err).FieldByName("RejectedItems").Int()))
		return true
	})
	return rejected, ok
}

// triesAgain reports whether err is one after which an exporter tries again: it is
// returned when there was no time for it.
func triesAgain(err error) bool {
	if isOf(err, "retryableError") {
		var timeout net.Error // of one try
		return !errors.As(err, &timeout) || !timeout.Timeout()
	}
	if s, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		switch s := s.GRPCStatus(); s.Code() {
		case codes.Unavailable, codes.Aborted, codes.OutOfRange, codes.DataLoss:
			return true
		case codes.ResourceExhausted: // else the batch is too large for the receiver
			return slices.ContainsFunc(s.Proto().GetDetails(), func(detail *anypb.Any) bool {
				return detail.MessageName() == "google.rpc.RetryInfo"
			})
		}
	}
	return false
}

func isTimeout(err error) bool {
	if err == context.DeadlineExceeded {
		return true
	}
	if s, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		code := s.GRPCStatus().Code()
		return code == codes.DeadlineExceeded || code == codes.Canceled
	}
	n, ok := err.(net.Error)
	return ok && n.Timeout()
}

func isConnection(err error) bool {
	_, ok := err.(net.Error) // of which *url.Error is one
	return ok || err == io.ErrUnexpectedEOF
}

// isOf reports whether err is of a type of this name. The exporters keep a type
// each for what they return, in six internal packages; the name and the fields are
// all that tells them from an error that only reads like one.
func isOf(err error, name string) bool {
	t := reflect.TypeOf(err)
	return t.Kind() == reflect.Struct && t.Name() == name
}

// isAny reports whether an error in err's tree is one.
func isAny(err error, is func(error) bool) bool {
	if err == nil {
		return false
	}
	if is(err) {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return isAny(e.Unwrap(), is)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			if isAny(err, is) {
				return true
			}
		}
	}
	return false
}
