package tracing

import (
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Keys of attributes. An attribute of another key does not leave the program, so a new one
// is added here, after the question whether it can say something about a person.
const (
	Image   = attribute.Key("rollcall.image.id")
	Images  = attribute.Key("rollcall.images") // how many
	Attempt = attribute.Key("rollcall.attempt")
	Round   = attribute.Key("rollcall.round")
	Faces   = attribute.Key("rollcall.faces") // how many
	Status  = attribute.Key("rollcall.status")
	Reason  = attribute.Key("rollcall.reason")
	Result  = attribute.Key("rollcall.result")
	Circuit = attribute.Key("rollcall.circuit")

	method = attribute.Key("http.request.method")
	route  = attribute.Key("http.route")
	code   = attribute.Key("http.response.status_code")
)

// mayLeave reports whether attributes of a key are sent. Those that begin with rpc. are the
// library's, for gRPC.
func mayLeave(key attribute.Key) bool {
	switch key {
	case Image, Images, Attempt, Round, Faces, Status, Reason, Result, Circuit, method, route, code,
		"rpc.system", "rpc.system.name", "rpc.service", "rpc.method", "rpc.grpc.status_code", "rpc.response.status_code":
		return true
	default:
		return false
	}
}

// cleanSpan is a span without what could name a person, a path or a secret: attributes of
// unknown keys, messages of errors, and what a client sent along.
type cleanSpan struct{ sdktrace.ReadOnlySpan }

// Attributes implements sdktrace.ReadOnlySpan.
func (s cleanSpan) Attributes() []attribute.KeyValue { return known(s.ReadOnlySpan.Attributes()) }

// Events implements sdktrace.ReadOnlySpan.
func (s cleanSpan) Events() []sdktrace.Event { return nil }

// Status implements sdktrace.ReadOnlySpan.
func (s cleanSpan) Status() sdktrace.Status {
	return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code}
}

// Links implements sdktrace.ReadOnlySpan.
func (s cleanSpan) Links() []sdktrace.Link {
	list := make([]sdktrace.Link, len(s.ReadOnlySpan.Links()))
	for i, l := range s.ReadOnlySpan.Links() {
		l.Attributes = known(l.Attributes)
		list[i] = l
	}
	return list
}

func known(all []attribute.KeyValue) []attribute.KeyValue {
	list := make([]attribute.KeyValue, 0, len(all))
	for _, a := range all {
		if mayLeave(a.Key) {
			list = append(list, a)
		}
	}
	return list
}
