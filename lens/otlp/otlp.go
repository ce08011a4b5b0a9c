// Package otlp receives OTLP over gRPC and HTTP and hands it to a Sink.
//
//	gRPC  ─┐                       ┌─ stored: an empty answer
//	       ├─ decode ─ Sink.Write ─┼─ stored in part: partial_success
//	HTTP  ─┘                       └─ an error: retryable (busy) or not
//
// It answers as the OTLP specification asks: a client tries again after
// UNAVAILABLE and 503 only, so that is what a full queue is answered with, and
// nothing else is.
package otlp

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelkit/kit/lens/tally"
)

// MaxRequest is how large a request may be, as it comes and decompressed.
const MaxRequest = 16 << 20

// ErrBusy is wrapped by errors of a Sink that cannot take the request now;
// the client is told to try again.
var ErrBusy = errors.New("busy")

// A Sink takes telemetry. When a method returns without an error, what it did
// not reject is stored. Its methods are called concurrently.
type Sink interface {
	WriteTraces(context.Context, ptrace.Traces) (Rejection, error)
	WriteMetrics(context.Context, pmetric.Metrics) (Rejection, error)
	WriteLogs(context.Context, plog.Logs) (Rejection, error)
	// Refused is told of a request that never became telemetry: it was too
	// large, say, or could not be decoded.
	Refused(signal tally.Signal, cause, detail string)
}

// A Rejection says how many records of a request were not stored, and why.
type Rejection struct {
	Records int64
	Message string
}

func exportTraces(ctx context.Context, to Sink, req ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	resp := ptraceotlp.NewExportResponse()
	rejected, err := to.WriteTraces(ctx, req.Traces())
	if err != nil {
		return resp, statusOf(err)
	}
	resp.PartialSuccess().SetRejectedSpans(rejected.Records)
	resp.PartialSuccess().SetErrorMessage(rejected.Message)
	return resp, nil
}

func exportMetrics(ctx context.Context, to Sink, req pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	resp := pmetricotlp.NewExportResponse()
	rejected, err := to.WriteMetrics(ctx, req.Metrics())
	if err != nil {
		return resp, statusOf(err)
	}
	resp.PartialSuccess().SetRejectedDataPoints(rejected.Records)
	resp.PartialSuccess().SetErrorMessage(rejected.Message)
	return resp, nil
}

func exportLogs(ctx context.Context, to Sink, req plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	resp := plogotlp.NewExportResponse()
	rejected, err := to.WriteLogs(ctx, req.Logs())
	if err != nil {
		return resp, statusOf(err)
	}
	resp.PartialSuccess().SetRejectedLogRecords(rejected.Records)
	resp.PartialSuccess().SetErrorMessage(rejected.Message)
	return resp, nil
}

// statusOf makes a Sink's error one of gRPC.
func statusOf(err error) error {
	switch {
	case errors.Is(err, ErrBusy):
		return status.Error(codes.Unavailable, err.Error())
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, err.Error())
	default:
		return status.Error(codes.Internal, err.Error())
	}
}
