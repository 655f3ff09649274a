package tracing

import (
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
)

// ServerOptions make a gRPC server go on with the traces of its callers. follow may be nil.
func ServerOptions(follow trace.TracerProvider) []grpc.ServerOption {
	if follow == nil {
		return nil
	}
	return []grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler(options(follow)...))}
}

// DialOptions make a gRPC client hand on the trace of its context. follow may be nil.
func DialOptions(follow trace.TracerProvider) []grpc.DialOption {
	if follow == nil {
		return nil
	}
	return []grpc.DialOption{grpc.WithStatsHandler(otelgrpc.NewClientHandler(options(follow)...))}
}

func options(follow trace.TracerProvider) []otelgrpc.Option {
	return []otelgrpc.Option{
		otelgrpc.WithTracerProvider(follow), otelgrpc.WithMeterProvider(noop.NewMeterProvider()),
		otelgrpc.WithPropagators(propagation.TraceContext{}),
	}
}
