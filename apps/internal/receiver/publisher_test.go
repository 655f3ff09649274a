package receiver_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
)

// While nsqd is away pictures are taken in all the same, and queued when it is
// back: each of them, and nothing else.
func TestQueueDown(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	before := b.postOne("before.jpg")
	if !before.Queued {
		t.Fatalf("got %+v", before)
	}
	expectIDs(t, "queued", b.drain(), []int64{before.ID})

	b.queue.StopNSQD()
	down := b.postAll("down1.jpg", "down2.jpg", "down1.jpg")
	behind := b.postOne("behind.jpg") // the publisher knows by now
	for _, img := range append(down, behind) {
		if img.Queued || img.Status != "pending" || img.Reason != "queued" {
			t.Errorf("got %+v, want it stored and not queued", img)
		}
	}
	again := b.postOne("down1.jpg")
	if again.ID != down[0].ID || again.Queued {
		t.Errorf("got %+v, want image %d, not queued", again, down[0].ID)
	}
	b.get("/readyz").expect(http.StatusOK) // pictures can be taken in

	b.queue.StartNSQD()
	expectIDs(t, "queued", b.drain(), []int64{down[0].ID, down[1].ID, behind.ID})
	wait.Until(t, "posts to be queued at once again", func() bool { return b.postOne("after.jpg").Queued })
	after := b.postOne("after.jpg")
	expectIDs(t, "queued", b.drain(), []int64{after.ID})
}

// What was posted while the queue came back is not forgotten either.
func TestQueueComesBackDuringPosts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.queue.StopNSQD()
	var want []int64
	post := func() image {
		img := b.postOne(strings.Repeat("x", len(want)+1))
		want = append(want, img.ID)
		return img
	}
	for range 5 {
		post()
	}
	b.queue.StartNSQD()
	wait.Until(t, "posts to be queued at once again", func() bool { return post().Queued })
	expectIDs(t, "queued", b.drain(), want)
}

// rows and producer are a Publisher's neighbours as functions.
type rows struct {
	mark        func(ctx context.Context, ids []int64) error
	unpublished func() []int64
}

func (r rows) MarkPublished(ctx context.Context, ids []int64, _ time.Time) error {
	return r.mark(ctx, ids)
}

func (r rows) Unpublished(_ context.Context, after int64, _ time.Time, _ int) ([]int64, error) {
	if r.unpublished == nil {
		return nil, nil
	}
	return slices.DeleteFunc(r.unpublished(), func(id int64) bool { return id <= after }), nil
}

type producer func(ctx context.Context, ids []int64) error

func (p producer) Publish(ctx context.Context, ids []int64) error { return p(ctx, ids) }

func newPublisher(r rows, p producer) *receiver.Publisher {
	return receiver.NewPublisher(r, p, quiet, prometheus.NewRegistry())
}

// A client that hangs up says nothing about the queue.
func TestPublishForAClientThatHangsUp(t *testing.T) {
	t.Parallel()
	p := newPublisher(rows{}, func(ctx context.Context, _ []int64) error { return ctx.Err() })
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	if !p.Publish(ctx, []int64{1}) {
		t.Error("not queued")
	}
	if !p.Publish(t.Context(), []int64{2}) {
		t.Error("the queue counts as away")
	}
}

// While the queue is known to be away nobody waits for it.
func TestPublishAsksOnceWhileTheQueueIsAway(t *testing.T) {
	t.Parallel()
	asked := 0
	p := newPublisher(rows{}, func(context.Context, []int64) error { asked++; return errors.New("away") })
	for range 3 {
		if p.Publish(t.Context(), []int64{1}) {
			t.Error("queued")
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times, want 1", asked)
	}
}

// A queue that is away is told and counted by whoever finds out first: at the
// start it is the sweep, after which posts do not ask any more.
func TestSweepTellsThatTheQueueIsAway(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	reg := prometheus.NewRegistry()
	asked := make(chan struct{}, 10)
	p := receiver.NewPublisher(rows{unpublished: func() []int64 { return []int64{3} }},
		producer(func(context.Context, []int64) error { asked <- struct{}{}; return errors.New("nobody there") }),
		slog.New(slog.NewTextHandler(&log, nil)), reg)
	p.Start()
	<-asked
	p.Stop(t.Context())
	if got := strings.Count(log.String(), "level=WARN"); got != 1 || !strings.Contains(log.String(), "nobody there") {
		t.Errorf("got this log, want one warning with its cause:\n%s", &log)
	}
	want := "# HELP rollcall_publish_failures_total Times the queue did not take images.\n" +
		"# TYPE rollcall_publish_failures_total counter\nrollcall_publish_failures_total 1\n"
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "rollcall_publish_failures_total"); err != nil {
		t.Error(err)
	}
}

// Images that a process stored and did not live to queue are found at the start.
func TestStartQueuesWhatWasLeftBehind(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex // guards left and queued
	left, queued := []int64{3, 5}, []int64(nil)
	noted := make(chan struct{})
	p := newPublisher(rows{
		mark: func(_ context.Context, ids []int64) error {
			mu.Lock()
			defer mu.Unlock()
			left = nil
			close(noted)
			return nil
		},
		unpublished: func() []int64 {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(left)
		},
	}, func(_ context.Context, ids []int64) error {
		mu.Lock()
		defer mu.Unlock()
		queued = append(queued, ids...)
		return nil
	})
	p.Start()
	<-noted
	p.Stop(t.Context())
	expectIDs(t, "queued", queued, []int64{3, 5})
}

func TestStopNotesWhatWasQueued(t *testing.T) {
	t.Parallel()
	var noted []int64
	p := newPublisher(rows{mark: func(_ context.Context, ids []int64) error { noted = append(noted, ids...); return nil }},
		func(context.Context, []int64) error { return nil })
	p.Start()
	for id := range int64(3) {
		p.Publish(t.Context(), []int64{id})
	}
	p.Stop(t.Context())
	slices.Sort(noted)
	expectIDs(t, "noted", noted, []int64{0, 1, 2})
}

// A database that does not answer does not keep the program from ending.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 10)
	p := newPublisher(rows{mark: func(ctx context.Context, _ []int64) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}, func(context.Context, []int64) error { return nil })
	p.Start()
	p.Publish(t.Context(), []int64{1})
	<-begun
	p.Publish(t.Context(), []int64{2})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	start := time.Now()
	p.Stop(ctx)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}
