package otlp

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/otelkit/kit/lens/tally"
)

// NewHandler returns a handler of POST /v1/traces, /v1/metrics and /v1/logs,
// in protobuf and JSON, plain and gzipped.
func NewHandler(to Sink) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /v1/traces", receiver{to, tally.Traces, func() (decoder, export) {
		req := ptraceotlp.NewExportRequest()
		return req, func(ctx context.Context) (encoder, error) { return exportTraces(ctx, to, req) }
	}})
	mux.Handle("POST /v1/metrics", receiver{to, tally.Metrics, func() (decoder, export) {
		req := pmetricotlp.NewExportRequest()
		return req, func(ctx context.Context) (encoder, error) { return exportMetrics(ctx, to, req) }
	}})
	mux.Handle("POST /v1/logs", receiver{to, tally.Logs, func() (decoder, export) {
		req := plogotlp.NewExportRequest()
		return req, func(ctx context.Context) (encoder, error) { return exportLogs(ctx, to, req) }
	}})
	return mux
}

type (
	decoder interface {
		UnmarshalProto([]byte) error
		UnmarshalJSON([]byte) error
	}
	encoder interface {
		MarshalProto() ([]byte, error)
		MarshalJSON() ([]byte, error)
	}
	// export hands the decoded request on.
	export func(context.Context) (encoder, error)
)

// receiver serves one signal.
type receiver struct {
	to     Sink
	signal tally.Signal
	begin  func() (decoder, export)
}

func (rc receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, err := formatOf(r)
	if err != nil {
		rc.refuse(w, protobuf, http.StatusUnsupportedMediaType, "unreadable request", err)
		return
	}
	body, err := read(w, r)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		rc.refuse(w, f, http.StatusRequestEntityTooLarge, "request too large", fmt.Errorf("the request has more than %d bytes", MaxRequest))
		return
	}
	if err != nil {
		rc.refuse(w, f, http.StatusBadRequest, "unreadable request", err)
		return
	}
	req, export := rc.begin()
	if err := f.decode(req, body); err != nil {
		rc.refuse(w, f, http.StatusBadRequest, "unreadable request", err)
		return
	}
	resp, err := export(r.Context())
	if err != nil {
		fail(w, f, err)
		return
	}
	data, err := f.encode(resp)
	if err != nil {
		fail(w, f, status.Error(codes.Internal, err.Error()))
		return
	}
	f.write(w, http.StatusOK, data)
}

func (rc receiver) refuse(w http.ResponseWriter, f format, code int, cause string, err error) {
	rc.to.Refused(rc.signal, cause, err.Error())
	f.writeStatus(w, code, status.New(codes.InvalidArgument, err.Error()))
}

// fail answers with an error of an export.
func fail(w http.ResponseWriter, f format, err error) {
	st := status.Convert(err)
	code := http.StatusInternalServerError
	if st.Code() == codes.Unavailable {
		code = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	f.writeStatus(w, code, st)
}

// format is how a request and its answer are encoded.
type format string

const (
	protobuf format = "application/x-protobuf"
	json     format = "application/json"
)

func formatOf(r *http.Request) (format, error) {
	switch e := r.Header.Get("Content-Encoding"); e {
	case "", "identity", "gzip":
	default:
		return "", fmt.Errorf("content encoding %q is not supported: send gzip or none", e)
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && (format(media) == protobuf || format(media) == json) {
		return format(media), nil
	}
	return "", fmt.Errorf("content type %q is not supported: send %s or %s", r.Header.Get("Content-Type"), protobuf, json)
}

// read returns the decompressed body; more than MaxRequest bytes, before or
// after decompression, is an *http.MaxBytesError.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body := http.MaxBytesReader(w, r.Body, MaxRequest)
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(body)
	}
	z, err := gzip.NewReader(body)
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	defer z.Close()
	return io.ReadAll(http.MaxBytesReader(w, z, MaxRequest))
}

func (f format) decode(into decoder, data []byte) error {
	if f == json {
		return into.UnmarshalJSON(data)
	}
	return into.UnmarshalProto(data)
}

func (f format) encode(from encoder) ([]byte, error) {
	if f == json {
		return from.MarshalJSON()
	}
	return from.MarshalProto()
}

func (f format) writeStatus(w http.ResponseWriter, code int, st *status.Status) {
	marshal := proto.Marshal
	if f == json {
		marshal = protojson.Marshal
	}
	data, err := marshal(st.Proto())
	if err != nil { // a message that is not UTF-8
		http.Error(w, strings.ToValidUTF8(st.Message(), "?"), code)
		return
	}
	f.write(w, code, data)
}

func (f format) write(w http.ResponseWriter, code int, data []byte) {
	w.Header().Set("Content-Type", string(f))
	w.WriteHeader(code)
	w.Write(data)
}
