package recognizerclient

import (
	"context"
	"path"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// Metrics measures calls to recognizers. All clients of a program share one. nil measures
// nothing.
type Metrics struct{ seconds *prometheus.HistogramVec }

// NewMetrics returns Metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rollcall_recognizer_call_seconds", Help: "Time of calls to recognizers, by the gRPC method and the code of the answer.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 13), // to a minute
	}, []string{"method", "code"})}
	reg.MustRegister(m.seconds)
	for _, service := range []grpc.ServiceDesc{recognizerv1.Recognizer_ServiceDesc, healthpb.Health_ServiceDesc} {
		for _, method := range service.Methods { // before their first call
			m.seconds.WithLabelValues(method.MethodName, codes.OK.String())
		}
	}
	return m
}

// options are those of a connection whose calls are measured.
func (m *Metrics) options() []grpc.DialOption {
	if m == nil {
		return nil
	}
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(m.call)}
}

// call implements grpc.UnaryClientInterceptor.
func (m *Metrics) call(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	begin := time.Now()
	err := invoke(ctx, method, req, reply, conn, opts...)
	m.seconds.WithLabelValues(path.Base(method), status.Code(err).String()).Observe(time.Since(begin).Seconds())
	return err
}
