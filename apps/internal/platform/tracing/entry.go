package tracing

import (
	"context"
	"math/rand/v2"
	"net/http"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// Entry begins traces for requests from outside.
type Entry struct {
	tracer        trace.Tracer
	ignoreClients bool
}

// Request begins the span of a request to a route. The caller calls end with the status
// of the answer.
func (e *Entry) Request(r *http.Request, verb, pattern string) (ctx context.Context, end func(status int)) {
	ctx = r.Context()
	if !e.ignoreClients {
		ctx = Continue(ctx, r.Header.Get("traceparent"))
	}
	ctx, span := e.tracer.Start(ctx, verb+" "+pattern, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(method.String(verb), route.String(pattern)))
	return ctx, func(status int) {
		span.SetAttributes(code.Int(status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// entrySampler decides which requests are traced. A client can keep its request out of
// the traces, and joins it to its own, but it cannot fill our collector: whether a request
// is traced does not depend on the id of its trace, which the client chooses.
type entrySampler struct{ config.Sampling }

// ShouldSample implements sdktrace.Sampler.
func (s entrySampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	parent := trace.SpanContextFromContext(p.ParentContext)
	isClients := parent.IsValid() && parent.IsRemote()
	sampled := rand.Float64() < s.Share
	switch {
	case parent.IsValid() && !isClients:
		sampled = parent.IsSampled() // one decision for the whole request
	case isClients && s.Parents && !parent.IsSampled():
		sampled = false
	case isClients && s.Parents && s.Clients == config.ClientsDecide:
		sampled = true
	}
	if sampled {
		return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
	}
	return sdktrace.SamplingResult{Decision: sdktrace.Drop}
}

// Description implements sdktrace.Sampler.
func (s entrySampler) Description() string { return "entry" }
