package lens

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelkit/kit/lens/fifo"
	"github.com/otelkit/kit/lens/otlp"
	"github.com/otelkit/kit/lens/tally"
)

// sink takes telemetry off the receivers into the stores, and counts.
type sink struct {
	*Server
}

// WriteTraces implements otlp.Sink.
func (s sink) WriteTraces(ctx context.Context, td ptrace.Traces) (otlp.Rejection, error) {
	out, err := s.traces.Write(ctx, td)
	return s.settle(tally.Traces, out, err)
}

// WriteMetrics implements otlp.Sink.
func (s sink) WriteMetrics(ctx context.Context, md pmetric.Metrics) (otlp.Rejection, error) {
	out, err := s.metrics.Write(ctx, md)
	return s.settle(tally.Metrics, out, err)
}

// WriteLogs implements otlp.Sink.
func (s sink) WriteLogs(ctx context.Context, ld plog.Logs) (otlp.Rejection, error) {
	out, err := s.logs.Write(ctx, ld)
	return s.settle(tally.Logs, out, err)
}

// Refused implements otlp.Sink.
func (s sink) Refused(signal tally.Signal, cause, detail string) {
	var out tally.Outcome
	out.Drop(cause, 1, detail)
	s.tally.Count(signal, out)
}

// settle counts an outcome and makes it the answer to the client.
func (s sink) settle(signal tally.Signal, out tally.Outcome, err error) (otlp.Rejection, error) {
	if err != nil {
		cause := "disk"
		switch {
		case errors.Is(err, fifo.ErrBusy), errors.Is(err, fifo.ErrClosed):
			cause = "busy, client told to try again"
			err = fmt.Errorf("%w: %w", otlp.ErrBusy, err)
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			cause = "client gave up"
		}
		out.Drop(cause, out.Received, err.Error())
		s.tally.Count(signal, out)
		return otlp.Rejection{}, fmt.Errorf("%s: %w", signal, err)
	}
	s.tally.Count(signal, out)
	if len(out.Drops) == 0 {
		return otlp.Rejection{}, nil
	}
	var why []string
	for _, d := range out.Drops {
		why = append(why, fmt.Sprintf("%d %s (%s)", d.Records, d.Cause, d.Example))
	}
	return otlp.Rejection{Records: out.Dropped(), Message: strings.Join(why, "; ")}, nil
}
