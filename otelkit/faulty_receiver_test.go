package otelkit_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/otelkit/kit/internal/reserved"
	"github.com/otelkit/kit/otelkit"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// fault is what is wrong with a receiver.
type fault string

const (
	none      fault = "nothing"
	refuses   fault = "refuses connections"
	hangs     fault = "hangs"
	throttles fault = "answers 429 with Retry-After"
	isAway    fault = "answers 503 with Retry-After"
	rejects   fault = "answers 400"
	resets    fault = "resets the connection"
	takesPart fault = "returns partial success" // all but one item of each request
)

// retryAfter is longer than any export may take here.
const retryAfter = time.Hour

// faultyReceiver is an OTLP receiver that counts what it takes, and has faults.
type faultyReceiver struct {
	url  string
	open func() // begins to listen, if it refuses connections

	mu      sync.Mutex
	fault   fault
	asked   map[otelkit.Signal]int      // requests, taken or not
	arrived map[otelkit.Signal]int      // items
	lost    map[otelkit.LostAttrs]int64 // what the metric of the kit said last
	conns   map[string]net.Conn         // by the address of the other end
}

// newFaultyReceiver starts a receiver for a protocol, which ends with the test.
func newFaultyReceiver(t *testing.T, protocol string, f fault) *faultyReceiver {
	t.Helper()
	r := &faultyReceiver{
		fault:   f,
		asked:   map[otelkit.Signal]int{},
		arrived: map[otelkit.Signal]int{},
		lost:    map[otelkit.LostAttrs]int64{},
		conns:   map[string]net.Conn{},
	}
	address, listen := reserved.Port(t)
	r.url = "http://" + address
	r.open = sync.OnceFunc(func() {
		serve, stop := r.serveHTTP()
		if protocol == "grpc" {
			serve, stop = r.serveGRPC()
		}
		listener := listen()
		var serving sync.WaitGroup
		serving.Go(func() {
			if err := serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		})
		t.Cleanup(func() { stop(); serving.Wait() })
	})
	if f != refuses {
		r.open()
	}
	return r
}

// heal ends the fault.
func (r *faultyReceiver) heal() {
	r.mu.Lock()
	r.fault = none
	r.mu.Unlock()
	r.open()
}

// begin notes a request and tells what is wrong at the time.
func (r *faultyReceiver) begin(request proto.Message) fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	signal, _ := itemsIn(request)
	r.asked[signal]++
	return r.fault
}

// itemsIn counts spans, data points or log records.
func itemsIn(request proto.Message) (signal otelkit.Signal, items int) {
	switch request := request.(type) {
	case *coltrace.ExportTraceServiceRequest:
		signal = otelkit.SignalTraces
		for _, of := range request.GetResourceSpans() {
			for _, scope := range of.GetScopeSpans() {
				items += len(scope.GetSpans())
			}
		}
	case *collogs.ExportLogsServiceRequest:
		signal = otelkit.SignalLogs
		for _, of := range request.GetResourceLogs() {
			for _, scope := range of.GetScopeLogs() {
				items += len(scope.GetLogRecords())
			}
		}
	case *colmetrics.ExportMetricsServiceRequest:
		signal = otelkit.SignalMetrics
		for m := range metricsIn(request) {
			items += len(m.GetSum().GetDataPoints()) + len(m.GetGauge().GetDataPoints()) + len(m.GetHistogram().GetDataPoints())
		}
	}
	return signal, items
}

func metricsIn(request *colmetrics.ExportMetricsServiceRequest) func(yield func(*metricspb.Metric) bool) {
	return func(yield func(*metricspb.Metric) bool) {
		for _, of := range request.GetResourceMetrics() {
			for _, scope := range of.GetScopeMetrics() {
				for _, m := range scope.GetMetrics() {
					if !yield(m) {
						return
					}
				}
			}
		}
	}
}

// take takes what a request brings, but for some items, and answers.
func (r *faultyReceiver) take(request proto.Message, refused int) proto.Message {
	signal, items := itemsIn(request)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrived[signal] += items - refused
	switch request := request.(type) {
	case *coltrace.ExportTraceServiceRequest:
		return &coltrace.ExportTraceServiceResponse{PartialSuccess: &coltrace.ExportTracePartialSuccess{RejectedSpans: int64(refused)}}
	case *collogs.ExportLogsServiceRequest:
		return &collogs.ExportLogsServiceResponse{PartialSuccess: &collogs.ExportLogsPartialSuccess{RejectedLogRecords: int64(refused)}}
	case *colmetrics.ExportMetricsServiceRequest:
		for m := range metricsIn(request) {
			if m.GetName() == otelkit.Lost.Metric().Name {
				r.readLost(m)
			}
		}
		return &colmetrics.ExportMetricsServiceResponse{PartialSuccess: &colmetrics.ExportMetricsPartialSuccess{RejectedDataPoints: int64(refused)}}
	default:
		panic("no request of OTLP")
	}
}

func (r *faultyReceiver) readLost(m *metricspb.Metric) {
	for _, point := range m.GetSum().GetDataPoints() {
		var attrs otelkit.LostAttrs
		for _, kv := range point.GetAttributes() {
			switch kv.GetKey() {
			case "otelkit.telemetry.signal":
				attrs.Signal = otelkit.Signal(text(kv.GetValue()))
			case "error.type":
				attrs.Cause = otelkit.Cause(text(kv.GetValue()))
			}
		}
		r.lost[attrs] = int64(point.GetAsDouble())
	}
}

func (r *faultyReceiver) serveHTTP() (serve func(net.Listener) error, stop func()) {
	server := &http.Server{Handler: http.HandlerFunc(r.handle)}
	return server.Serve, func() { _ = server.Close() }
}

func (r *faultyReceiver) handle(w http.ResponseWriter, request *http.Request) {
	message := map[string]proto.Message{
		"/v1/traces":  &coltrace.ExportTraceServiceRequest{},
		"/v1/metrics": &colmetrics.ExportMetricsServiceRequest{},
		"/v1/logs":    &collogs.ExportLogsServiceRequest{},
	}[request.URL.Path]
	body, err := io.ReadAll(request.Body)
	if err != nil || proto.Unmarshal(body, message) != nil {
		http.Error(w, "no OTLP", http.StatusBadRequest)
		return
	}
	refused := 0
	w.Header().Set("Retry-After", "3600")
	switch r.begin(message) {
	case hangs:
		<-request.Context().Done()
		return
	case throttles:
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case isAway:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case rejects:
		w.WriteHeader(http.StatusBadRequest)
		return
	case resets:
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			reset(conn)
		}
		return
	case takesPart:
		refused = 1
	}
	answer, err := proto.Marshal(r.take(message, refused))
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

// reset ends a connection by a RST.
func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func (r *faultyReceiver) serveGRPC() (serve func(net.Listener) error, stop func()) {
	server := grpc.NewServer(grpc.UnaryInterceptor(r.intercept))
	coltrace.RegisterTraceServiceServer(server, coltrace.UnimplementedTraceServiceServer{})
	colmetrics.RegisterMetricsServiceServer(server, colmetrics.UnimplementedMetricsServiceServer{})
	collogs.RegisterLogsServiceServer(server, collogs.UnimplementedLogsServiceServer{})
	return func(l net.Listener) error { return server.Serve(keeping{l, r}) }, server.Stop
}

// keeping has a receiver know its connections.
type keeping struct {
	net.Listener
	receiver *faultyReceiver
}

func (k keeping) Accept() (net.Conn, error) {
	conn, err := k.Listener.Accept()
	if err == nil {
		k.receiver.mu.Lock()
		defer k.receiver.mu.Unlock()
		k.receiver.conns[conn.RemoteAddr().String()] = conn
	}
	return conn, err
}

func (r *faultyReceiver) intercept(ctx context.Context, request any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
	message := request.(proto.Message)
	switch r.begin(message) {
	case hangs:
		<-ctx.Done()
		return nil, ctx.Err()
	case throttles:
		return nil, tryLater(codes.ResourceExhausted)
	case isAway:
		return nil, tryLater(codes.Unavailable)
	case rejects:
		return nil, status.Error(codes.InvalidArgument, "no")
	case resets:
		from, _ := peer.FromContext(ctx)
		r.mu.Lock()
		defer r.mu.Unlock()
		reset(r.conns[from.Addr.String()])
		return nil, status.Error(codes.Unavailable, "which nobody hears")
	case takesPart:
		return r.take(message, 1), nil
	}
	return r.take(message, 0), nil
}

// tryLater is gRPC's Retry-After.
func tryLater(code codes.Code) error {
	s, err := status.New(code, "later").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
	if err != nil {
		panic(err)
	}
	return s.Err()
}

// requests returns how many requests came with a signal.
func (r *faultyReceiver) requests(signal otelkit.Signal) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked[signal]
}

// items returns how many items of a signal arrived.
func (r *faultyReceiver) items(signal otelkit.Signal) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.arrived[signal]
}

// toldLost returns what the kit's metric last said was lost.
func (r *faultyReceiver) toldLost() []otelkit.Loss {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lost []otelkit.Loss
	for _, signal := range otelkit.Signal("").Values() {
		for _, cause := range otelkit.Cause("").Values() {
			if items := r.lost[otelkit.LostAttrs{Signal: signal, Cause: cause}]; items > 0 {
				lost = append(lost, otelkit.Loss{Signal: signal, Cause: cause, Items: items})
			}
		}
	}
	return lost
}
