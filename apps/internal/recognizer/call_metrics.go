package recognizer

import (
	"path"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
)

// stream measures each call. It is for unary methods too: all are registered as streams,
// see calls.go.
func (m *metrics) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) error {
	if !isMeasured(info.FullMethod) {
		return h(srv, stream)
	}
	begin := time.Now()
	err := h(srv, stream)
	m.calls.WithLabelValues(path.Base(info.FullMethod), status.Code(err).String()).Observe(time.Since(begin).Seconds())
	return err
}

// isMeasured reports whether a call ends by itself. The time of others says nothing.
func isMeasured(method string) bool {
	switch method {
	case healthpb.Health_Watch_FullMethodName,
		grpc_reflection_v1.ServerReflection_ServerReflectionInfo_FullMethodName,
		grpc_reflection_v1alpha.ServerReflection_ServerReflectionInfo_FullMethodName:
		return false
	default:
		return true
	}
}

// expect makes the series of methods that a server has, before their first call.
func (m *metrics) expect(services map[string]grpc.ServiceInfo) {
	for service, info := range services {
		for _, method := range info.Methods {
			if isMeasured("/" + service + "/" + method.Name) {
				m.calls.WithLabelValues(method.Name, codes.OK.String())
			}
		}
	}
}
