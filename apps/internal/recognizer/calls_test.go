package recognizer_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// metric returns the sum of a metric's values.
func (f *fixture) metric(name string) float64 {
	f.t.Helper()
	families, err := f.reg.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name {
				sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

const callMemory = "rollcall_call_memory_bytes"

// Many large pictures at the same time are answered one after the other, within
// the budget.
func TestCallsShareABudget(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.MaxMessage, f.opts.CallMemory = 1<<20, 10<<20
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.start()
	picture := append(fakeengine.Portrait(red), make([]byte, 1_000_000)...)
	var most atomic.Int64
	done := make(chan struct{})
	var watch, clients sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				most.Store(max(most.Load(), int64(f.metric(callMemory))))
			}
		}
	})
	for range 40 {
		clients.Go(func() {
			if _, err := f.client.Recognize(t.Context(), byContent(picture)); err != nil {
				t.Errorf("a large picture among many: %v", err)
			}
		})
	}
	clients.Wait()
	close(done)
	watch.Wait()
	if got := most.Load(); got > f.opts.CallMemory || got < f.opts.MaxMessage {
		t.Errorf("calls held up to %d bytes, want at most %d", got, f.opts.CallMemory)
	}
	f.eventually("nothing is held", func() bool { return f.metric(callMemory) == 0 })
	_, err := f.client.Recognize(t.Context(), byContent(make([]byte, f.opts.MaxMessage+1)))
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message over the limit: %v, want ResourceExhausted", err)
	}
}

// A small answer needs no room that calls wait for. Renderings beside many large
// pictures were refused.
func TestSmallAnswersBesideCallsThatWait(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.MaxMessage, f.opts.CallMemory = 1<<20, 12<<20
	f.start()
	picture := append(fakeengine.Portrait(red), make([]byte, 1_000_000)...)
	ctx, end := context.WithCancel(t.Context())
	var uploads, renders sync.WaitGroup
	for range 40 {
		uploads.Go(func() {
			for ctx.Err() == nil {
				if _, err := f.client.Recognize(ctx, byContent(picture)); err != nil && ctx.Err() == nil {
					t.Errorf("a large picture among many: %v", err)
				}
			}
		})
	}
	for range 10 {
		renders.Go(func() {
			req := &recognizerv1.RenderRequest{Picture: &recognizerv1.RenderRequest_Content{Content: fakeengine.Portrait(red)}, Size: 64}
			if _, err := f.client.Render(t.Context(), req); err != nil {
				t.Errorf("a small rendering: %v", err)
			}
		})
	}
	renders.Wait()
	end()
	uploads.Wait()
	f.eventually("nothing is held", func() bool { return f.metric(callMemory) == 0 })
}

// Clients that start a message and do not go on use up the room for messages,
// but not that for probes; and what they hold is free when they go.
func TestProbesAreAnsweredBesideSlowClients(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.MaxMessage, f.opts.CallMemory = 1<<20, 9<<20
	f.unknown("a.png", fakeengine.Portrait(red))
	f.start()
	ctx, leave := context.WithCancel(t.Context())
	for range 50 {
		// A call whose message never comes.
		desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
		if _, err := f.conn.NewStream(ctx, desc, recognizerv1.Recognizer_Recognize_FullMethodName); err != nil {
			t.Fatal(err)
		}
	}
	f.eventually("they hold room", func() bool { return f.metric(callMemory) > 0 })
	if _, err := healthpb.NewHealthClient(f.conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("health: %v", err)
	}
	f.info()
	leave()
	f.eventually("the room is free", func() bool { return f.metric(callMemory) == 0 })
	if _, err := f.recognize("a.png"); err != nil {
		t.Error(err)
	}
}

// An answer that does not fit is refused, and the caller asks about fewer faces.
func TestAnswersShareTheBudget(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.MaxMessage, f.opts.CallMemory = 8<<20, 72<<20
	for i := range 200 {
		f.known("Ann/"+string(rune('a'+i))+".png", shot(fakeengine.Portrait(red), i))
	}
	f.start()
	req := &recognizerv1.MatchRequest{ModelId: f.model.ID, Neighbours: &recognizerv1.NeighbourLimit{Count: 1000}}
	for range 8000 {
		req.Descriptors = append(req.Descriptors, fakeengine.Describe(red).Bytes())
	}
	if _, err := f.client.Match(t.Context(), req); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("error %v, want ResourceExhausted", err)
	}
	f.eventually("nothing is held", func() bool { return f.metric(callMemory) == 0 })
	req.Descriptors = req.Descriptors[:100]
	if res, err := f.client.Match(t.Context(), req, grpc.MaxCallRecvMsgSize(64<<20)); err != nil || len(res.GetMatches()) != 100 {
		t.Errorf("fewer faces: %d matches, %v", len(res.GetMatches()), err)
	}
}
