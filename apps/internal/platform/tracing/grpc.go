package tracing

import (
	"context"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
)

// ServerOptions make a gRPC server go on with the traces of the callers that isKnown accepts,
// by the context of a call. follow may be nil.
func ServerOptions(follow trace.TracerProvider, isKnown func(context.Context) bool) []grpc.ServerOption {
	if follow == nil {
		return nil
	}
	return []grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler(options(follow, callers{isKnown})...))}
}

// DialOptions make a gRPC client hand on the trace of its context. follow may be nil.
func DialOptions(follow trace.TracerProvider) []grpc.DialOption {
	if follow == nil {
		return nil
	}
	return []grpc.DialOption{grpc.WithStatsHandler(otelgrpc.NewClientHandler(options(follow, propagation.TraceContext{})...))}
}

func options(follow trace.TracerProvider, p propagation.TextMapPropagator) []otelgrpc.Option {
	return []otelgrpc.Option{
		otelgrpc.WithTracerProvider(follow), otelgrpc.WithMeterProvider(noop.NewMeterProvider()),
		otelgrpc.WithPropagators(p),
	}
}

// callers reads traceparent, and nothing else, from calls of known callers. The span of a call
// begins before an interceptor can refuse it. So without the check here, a stranger would fill our
// collector.
type callers struct{ isKnown func(context.Context) bool }

// Extract implements propagation.TextMapPropagator.
func (c callers) Extract(ctx context.Context, call propagation.TextMapCarrier) context.Context {
	parent := call.Get("traceparent")
	if parent == "" || !c.isKnown(ctx) {
		return ctx
	}
	return Continue(ctx, parent)
}

// Inject implements propagation.TextMapPropagator. A server sends nothing on.
func (callers) Inject(context.Context, propagation.TextMapCarrier) {}

// Fields implements propagation.TextMapPropagator.
func (callers) Fields() []string { return []string{"traceparent"} }
