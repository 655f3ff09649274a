package recognizer

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/proto"

	facerecog "github.com/rollcall-faces/rollcall/proto"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// gRPC reads a whole message before it calls a method. Without a budget, many
// large messages at the same time use up the process's memory. On the wire, a
// unary method is a stream of one message, so every method is registered as a
// stream here. Its message is read when it has room: three times the largest
// message, for gRPC holds the parts, the whole, and the decoded copy for a
// moment. A call that waits holds no more than streamWindow.
//
// Three lanes share the budget, so that probes are answered however many
// pictures wait, and a stream that is idle is in the way of streams only.

// Bounds of a call.
const (
	copies          = 3        // of a message while it is being read
	streamWindow    = 64 << 10 // bytes of a message that come before it is read
	streamsPerConn  = 256
	maxCalls        = 1024 // calls in flight, over all connections
	receiveTimeout  = 10 * time.Second
	idleTimeout     = time.Minute // between two messages of a stream
	answerShare     = 16          // one part in so many of a lane is for answers only
	neighbourMemory = 256         // bytes of one neighbour in an answer, with its encoded copy
	defaultMessage  = 16 << 20
	defaultCalls    = 160 << 20
)

// lane is a part of the budget. One call at a time waits for room in it, and the others
// for their turn to wait. None waits in the semaphore, which would refuse answers
// meanwhile, however small.
type lane struct {
	room    *semaphore.Weighted
	answers int64         // of the room, which messages leave to answers
	timeout time.Duration // of one message
	turn    chan struct{} // holds one element while a call waits for room
	freed   chan struct{} // has an element after room was given back
}

// newLane returns a lane of size bytes, in which a message may take up to most.
func newLane(size, most int64, timeout time.Duration) *lane {
	return &lane{
		room: semaphore.NewWeighted(size), answers: min(size/answerShare, size-most), timeout: timeout,
		turn: make(chan struct{}, 1), freed: make(chan struct{}, 1),
	}
}

// acquire waits for room for a message of n bytes. The error is ctx's.
func (l *lane) acquire(ctx context.Context, n int64) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.turn }()
	for !l.room.TryAcquire(n + l.answers) {
		select {
		case <-l.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.release(l.answers)
	return nil
}

// release gives n bytes back.
func (l *lane) release(n int64) {
	l.room.Release(n)
	select {
	case l.freed <- struct{}{}:
	default: // the one who waits will look in any case
	}
}

// calls bounds the memory of all calls in flight.
type calls struct {
	message                   int64 // the largest message, in bytes
	pictures, probes, streams *lane
	inFlight                  *semaphore.Weighted
	used                      prometheus.Gauge
	refused                   *prometheus.CounterVec
}

func newCalls(opts Options, m *metrics) *calls {
	message := cmp.Or(opts.MaxMessage, defaultMessage)
	one := copies * message
	total := max(cmp.Or(opts.CallMemory, defaultCalls), 3*one)
	return &calls{
		message:  message,
		pictures: newLane(total-2*one, one, receiveTimeout), probes: newLane(one, one, receiveTimeout), streams: newLane(one, one, idleTimeout),
		inFlight: semaphore.NewWeighted(maxCalls), used: m.callMemory, refused: m.callsRefused,
	}
}

// options configure a gRPC server for the budget.
func (c *calls) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(int(c.message)),
		grpc.MaxConcurrentStreams(streamsPerConn),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.MaxHeaderListSize(16 << 10),
		grpc.InTapHandle(c.admit),
	}
}

// admit refuses calls beyond maxCalls, before anything of them is read.
func (c *calls) admit(ctx context.Context, info *tap.Info) (context.Context, error) {
	if !c.inFlight.TryAcquire(1) {
		c.refused.WithLabelValues("too many calls").Inc()
		return nil, status.Errorf(codes.ResourceExhausted, "%d calls are in flight; try again later", maxCalls)
	}
	context.AfterFunc(ctx, func() { c.inFlight.Release(1) }) // gRPC ends a call's context with the call
	return ctx, nil
}

func (c *calls) laneOf(method string) *lane {
	switch method {
	case recognizerv1.Recognizer_Recognize_FullMethodName, recognizerv1.Recognizer_Render_FullMethodName,
		recognizerv1.Recognizer_DescribeFace_FullMethodName, recognizerv1.Recognizer_Match_FullMethodName,
		recognizerv1.Recognizer_PutFaces_FullMethodName, recognizerv1.Recognizer_SearchFaces_FullMethodName, recognizerv1.Recognizer_ListNearFaces_FullMethodName,
		facerecog.Identify_Identify_FullMethodName:
		return c.pictures
	default:
		return c.probes
	}
}

// registrar registers services so that their messages are read within the
// budget.
type registrar struct {
	*grpc.Server
	calls *calls
}

// RegisterService implements grpc.ServiceRegistrar.
func (r registrar) RegisterService(desc *grpc.ServiceDesc, service any) {
	bounded := *desc
	bounded.Methods, bounded.Streams = nil, nil
	for _, m := range desc.Methods {
		l := r.calls.laneOf("/" + desc.ServiceName + "/" + m.MethodName)
		bounded.Streams = append(bounded.Streams, grpc.StreamDesc{StreamName: m.MethodName, Handler: r.calls.unary(m, l), ServerStreams: true})
	}
	for _, s := range desc.Streams {
		l := r.calls.probes // one message, such as that of a health watch
		if s.ClientStreams {
			l = r.calls.streams
		}
		handler := s.Handler
		s.Handler = func(service any, stream grpc.ServerStream) error {
			held := r.calls.hold(stream, l)
			defer held.release()
			return handler(service, held)
		}
		bounded.Streams = append(bounded.Streams, s)
	}
	r.Server.RegisterService(&bounded, service)
}

// unary turns a unary method into a stream of one message.
func (c *calls) unary(m grpc.MethodDesc, l *lane) grpc.StreamHandler {
	return func(service any, stream grpc.ServerStream) error {
		held := c.hold(stream, l)
		defer held.release()
		answer, err := m.Handler(service, context.WithValue(stream.Context(), heldKey{}, held), held.RecvMsg, nil)
		if err != nil {
			return err
		}
		return stream.SendMsg(answer)
	}
}

func (c *calls) hold(stream grpc.ServerStream, l *lane) *heldStream {
	return &heldStream{ServerStream: stream, calls: c, lane: l}
}

type heldKey struct{}

// chargeAnswer takes n bytes for the answer of a call until the call ends. It
// does not wait: calls that hold room would wait for one another.
func chargeAnswer(ctx context.Context, n int64) error {
	held, ok := ctx.Value(heldKey{}).(*heldStream)
	if !ok || held.take(n) {
		return nil
	}
	held.calls.refused.WithLabelValues("large answer").Inc()
	return status.Error(codes.ResourceExhausted, "the answer does not fit in the memory that is left for calls; ask for less at a time")
}

// heldStream is a call, with the memory that its messages hold.
type heldStream struct {
	grpc.ServerStream
	calls *calls
	lane  *lane

	mu    sync.Mutex // guards the fields below
	bytes int64
	ended bool
}

// RecvMsg waits for room, reads a message, and holds the message's size until
// the call ends.
func (h *heldStream) RecvMsg(m any) error {
	ctx := h.Context()
	room := copies * h.calls.message
	if err := h.lane.acquire(ctx, room); err != nil {
		return status.FromContextError(err).Err()
	}
	h.calls.used.Add(float64(room))
	received := make(chan error, 1)
	go func() {
		err := h.ServerStream.RecvMsg(m)
		size := int64(0)
		if message, ok := m.(proto.Message); ok && err == nil && !h.lane.streaming(h.calls) {
			size = min(int64(proto.Size(message)), room)
		}
		h.keep(size, room)
		received <- err
	}()
	timer := time.NewTimer(h.lane.timeout)
	defer timer.Stop()
	select {
	case err := <-received:
		return err
	case <-timer.C: // the end of the call ends the reading
		h.calls.refused.WithLabelValues("slow message").Inc()
		return status.Errorf(codes.DeadlineExceeded, "the message did not come within %s", h.lane.timeout)
	}
}

// streaming reports whether messages come one after the other. What they hold is
// bounded by the engines that work on them, not by the call.
func (l *lane) streaming(c *calls) bool { return l == c.streams }

// keep holds size of the room that was taken, and gives back the rest.
func (h *heldStream) keep(size, room int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		size = 0
	}
	h.bytes += size
	h.lane.release(room - size)
	h.calls.used.Sub(float64(room - size))
}

// take holds n bytes more. It reports false if there is no room.
func (h *heldStream) take(n int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended || !h.lane.room.TryAcquire(n) {
		return false
	}
	h.bytes += n
	h.calls.used.Add(float64(n))
	return true
}

// release gives everything back.
func (h *heldStream) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lane.release(h.bytes)
	h.calls.used.Sub(float64(h.bytes))
	h.bytes, h.ended = 0, true
}
