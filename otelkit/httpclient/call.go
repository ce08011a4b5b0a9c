package httpclient

import (
	"context"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Attempts is the attribute of a call's span that says how many requests were sent for
// it: 1 without a retry or a redirect, 0 if something such as an open circuit kept even
// the first from being sent.
const Attempts = attribute.Key("otelkit.http.client.attempts")

// panicked is the error type of a call that did not return.
const panicked ErrorType = "panic"

// Call makes one logical call, which may take several requests: do retries, hedges, or
// follows redirects, as it likes, and sends each with the context that it is given.
//
//	response, err := httpclient.Call(ctx, "charge", func(ctx context.Context) (*http.Response, error) {
//		return retries.WithContext(ctx).Get(func() (*http.Response, error) { return client.Do(charge.WithContext(ctx)) })
//	})
//
// The call is a span named name, of kind INTERNAL: each request below it is a CLIENT
// span of its own, since that is what OpenTelemetry's conventions count as a call of
// another service, and from the second on it has http.request.resend_count.
//
//	charge                    otelkit.http.client.attempts=3, http.response.status_code=200
//	├─ POST /charges          error.type=503
//	├─ POST /charges          error.type=timeout, http.request.resend_count=1
//	└─ POST /charges          http.request.resend_count=2
//
// The span says how the call ended: its status is that of the last response that do
// returns, and what went wrong before and was mended leaves it without an error. Where
// ctx holds no span there is none of the call either; requests are counted all the same.
// Whatever do returns is returned.
func Call(ctx context.Context, name string, do func(context.Context) (*http.Response, error)) (*http.Response, error) {
	sent := &attempts{}
	ctx = context.WithValue(ctx, attemptsKey{}, sent)
	parent := trace.SpanFromContext(ctx)
	if !parent.SpanContext().IsValid() {
		return do(ctx)
	}
	tracer := parent.TracerProvider().Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
	ctx, span := tracer.Start(ctx, name)
	failed := panicked // unless do returns
	var response *http.Response
	defer func() {
		if span.IsRecording() {
			describe(span, ctx, int(sent.n.Load()), response, failed)
		}
		span.End()
	}()
	var err error
	response, err = do(ctx)
	failed = outcome(response, err)
	return response, err
}

// describe says of a call's span how the call went.
func describe(span trace.Span, ctx context.Context, sent int, response *http.Response, failed ErrorType) {
	span.SetAttributes(Attempts.Int(sent))
	if template, _ := ctx.Value(templateKey{}).(string); template != "" {
		span.SetAttributes(semconv.URLTemplate(template))
	}
	if response != nil {
		span.SetAttributes(semconv.HTTPResponseStatusCode(response.StatusCode))
	}
	if failed != "" {
		span.SetAttributes(semconv.ErrorTypeKey.String(string(failed)))
		span.SetStatus(codes.Error, "")
	}
}

// attempts counts the requests of a call.
type attempts struct{ n atomic.Int64 }

type attemptsKey struct{}

// resends returns how many requests were sent before r for the same call. Without Call
// those are the redirects that http.Client followed.
func resends(r *http.Request) int {
	if sent, ok := r.Context().Value(attemptsKey{}).(*attempts); ok {
		return int(sent.n.Add(1)) - 1
	}
	n := 0
	for r.Response != nil && r.Response.Request != nil {
		n, r = n+1, r.Response.Request
	}
	return n
}
