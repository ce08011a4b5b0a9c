package otlp

import (
	"context"
	"strings"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/otelkit/kit/lens/tally"
)

// NewGRPCServer returns a server of the three OTLP services. The caller serves
// it and stops it, which waits for the Sink to return.
func NewGRPCServer(to Sink) *grpc.Server {
	s := grpc.NewServer(grpc.MaxRecvMsgSize(MaxRequest), grpc.StatsHandler(refusals{to}), grpc.WaitForHandlers(true))
	ptraceotlp.RegisterGRPCServer(s, &traceService{to: to})
	pmetricotlp.RegisterGRPCServer(s, &metricService{to: to})
	plogotlp.RegisterGRPCServer(s, &logService{to: to})
	return s
}

type traceService struct {
	ptraceotlp.UnimplementedGRPCServer
	to Sink
}

func (s *traceService) Export(ctx context.Context, req ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	reached(ctx)
	return exportTraces(ctx, s.to, req)
}

type metricService struct {
	pmetricotlp.UnimplementedGRPCServer
	to Sink
}

func (s *metricService) Export(ctx context.Context, req pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	reached(ctx)
	return exportMetrics(ctx, s.to, req)
}

type logService struct {
	plogotlp.UnimplementedGRPCServer
	to Sink
}

func (s *logService) Export(ctx context.Context, req plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	reached(ctx)
	return exportLogs(ctx, s.to, req)
}

// refusals tells the Sink of requests that gRPC itself turned away, before a
// service saw them.
type refusals struct {
	to Sink
}

// A call is noted in the context of a request.
type call struct {
	signal  tally.Signal
	reached bool
}

type callKey struct{}

func reached(ctx context.Context) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.reached = true
	}
}

// TagRPC implements stats.Handler.
func (r refusals) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	c := &call{}
	switch {
	case strings.Contains(info.FullMethodName, "trace"):
		c.signal = tally.Traces
	case strings.Contains(info.FullMethodName, "metrics"):
		c.signal = tally.Metrics
	case strings.Contains(info.FullMethodName, "logs"):
		c.signal = tally.Logs
	default:
		return ctx
	}
	return context.WithValue(ctx, callKey{}, c)
}

// HandleRPC implements stats.Handler.
func (r refusals) HandleRPC(ctx context.Context, s stats.RPCStats) {
	end, ok := s.(*stats.End)
	if !ok || end.Error == nil {
		return
	}
	if c, ok := ctx.Value(callKey{}).(*call); ok && !c.reached {
		r.to.Refused(c.signal, "unreadable request", status.Convert(end.Error).Message())
	}
}

// TagConn implements stats.Handler.
func (refusals) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (refusals) HandleConn(context.Context, stats.ConnStats) {}
