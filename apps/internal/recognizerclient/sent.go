package recognizerclient

// gRPC uses one status code for calls that failed at the server and calls
// that found no server. This stats handler distinguishes them: it records
// whether the header of a call was sent.

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/stats"
)

type sentKey struct{}

// trackSending returns a context for one call, and a flag that is set when the
// call is sent.
func trackSending(ctx context.Context) (context.Context, *atomic.Bool) {
	sent := &atomic.Bool{}
	return context.WithValue(ctx, sentKey{}, sent), sent
}

// sendTracker implements stats.Handler.
type sendTracker struct{}

// HandleRPC sets the flag when a call's header is written to a connection.
func (sendTracker) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.OutHeader); !ok {
		return
	}
	if sent, ok := ctx.Value(sentKey{}).(*atomic.Bool); ok {
		sent.Store(true)
	}
}

// TagRPC implements stats.Handler.
func (sendTracker) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (sendTracker) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (sendTracker) HandleConn(context.Context, stats.ConnStats) {}
