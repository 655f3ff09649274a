package redeemer_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/queuetest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/redeemer"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

var options = redeemer.Options{Settle: 30 * time.Second, Stale: 6 * time.Hour}

// system is a store, a direct connection to its tables, a queue and a redeemer.
type system struct {
	t *testing.T
	*store.Store
	raw   *sql.DB
	queue *queuetest.Queue
	*redeemer.Redeemer
}

func newSystem(t *testing.T, opts redeemer.Options) *system {
	t.Helper()
	s := &system{t: t, queue: queuetest.Start(t)}
	file := filepath.Join(t.TempDir(), "rollcall.db")
	var err error
	if s.Store, err = store.OpenSQLite(file); err != nil {
		t.Fatal(err)
	}
	closeAfter(t, s.Store.Close)
	if _, err := s.Migrate(t.Context(), "/unknown_people"); err != nil {
		t.Fatal(err)
	}
	if s.raw, err = sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)"); err != nil {
		t.Fatal(err)
	}
	closeAfter(t, s.raw.Close)
	producer, err := imagequeue.NewProducer(s.queue.NSQD(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	s.Redeemer = redeemer.New(s.Store, producer, imagequeue.NewMonitor([]string{s.queue.Lookupd()}), opts, quiet)
	return s
}

func closeAfter(t *testing.T, f func() error) {
	t.Cleanup(func() {
		if err := f(); err != nil {
			t.Error(err)
		}
	})
}

// add stores n images, as of hours ago, that were never queued.
func (s *system) add(n int) []int64 {
	s.t.Helper()
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprintf("/unknown_people/%d.jpg", i)
	}
	images, err := s.AddImages(s.t.Context(), paths)
	if err != nil {
		s.t.Fatal(err)
	}
	ids := make([]int64, n)
	for i, img := range images {
		ids[i] = img.ID
	}
	s.exec("UPDATE images SET created_at = ?", time.Now().Add(-8*time.Hour).UTC())
	return ids
}

// publishedAgo stores n images that were queued a while ago.
func (s *system) publishedAgo(n int, ago time.Duration) []int64 {
	s.t.Helper()
	ids := s.add(n)
	at := time.Now().Add(-ago)
	if err := s.MarkPublished(s.t.Context(), ids, at); err != nil {
		s.t.Fatal(err)
	}
	for _, id := range ids {
		s.age(id, ago)
	}
	return ids
}

// age makes an image's last change older.
func (s *system) age(id int64, by time.Duration) {
	s.t.Helper()
	s.exec("UPDATE images SET updated_at = ? WHERE id = ?", time.Now().Add(-by).UTC(), id)
}

func (s *system) exec(statement string, args ...any) {
	s.t.Helper()
	if _, err := s.raw.ExecContext(s.t.Context(), statement, args...); err != nil {
		s.t.Fatal(err)
	}
}

// fail lets an image fail for a reason.
func (s *system) fail(id int64, reason faces.Reason, retryAt time.Time) {
	s.t.Helper()
	c, err := s.Claim(s.t.Context(), "test", []int64{id}, time.Minute)
	if err != nil || len(c.Claimed) != 1 {
		s.t.Fatalf("claim: %+v, %v", c, err)
	}
	_, err = s.Finish(s.t.Context(), []store.Result{{
		Lease: c.Claimed[0].Lease, Outcome: faces.Outcome{Reason: reason}, RetryAt: retryAt,
	}})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) reasonOf(id int64) faces.Reason {
	s.t.Helper()
	img, err := s.Image(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return img.Reason
}

func (s *system) pass(req redeemer.Request) redeemer.Summary {
	s.t.Helper()
	sum, err := s.Run(s.t.Context(), req)
	if err != nil {
		s.t.Fatal(err)
	}
	return sum
}

// wantQueued consumes all messages and compares their ids with want.
func (s *system) wantQueued(want ...int64) {
	s.t.Helper()
	got := s.take(len(want))
	if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
		s.t.Errorf("queued (-want +got):\n%s", diff)
	}
	if depth := s.depth(); !depth.Empty() {
		s.t.Errorf("more is queued: %+v", depth)
	}
}

func (s *system) depth() imagequeue.Depth {
	s.t.Helper()
	d, err := imagequeue.NewMonitor([]string{s.queue.Lookupd()}).Depth(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// take consumes n messages.
func (s *system) take(n int) []int64 {
	s.t.Helper()
	if n == 0 {
		return nil
	}
	ids := make(chan int64)
	taking, cancel := context.WithCancel(context.Background())
	c, err := imagequeue.NewConsumer(imagequeue.ConsumerOptions{
		Lookupd: []string{s.queue.Lookupd()}, MaxInFlight: 1, Registry: prometheus.NewRegistry(), Log: quiet,
		Handle: func(d *imagequeue.Delivery) {
			select {
			case ids <- d.ImageID:
				d.Finish()
			case <-taking.Done():
				d.Requeue(0)
			}
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	var got []int64
	deadline := time.After(20 * time.Second)
	for range n {
		select {
		case id := <-ids:
			got = append(got, id)
		case <-deadline:
			s.t.Errorf("only %v of %d are queued", got, n)
		}
	}
	cancel()
	ctx, end := context.WithTimeout(context.Background(), 10*time.Second)
	defer end()
	if err := c.Stop(ctx); err != nil {
		s.t.Error(err)
	}
	slices.Sort(got)
	return got
}

// The original program queued failed images without resetting their status, so
// that the processor dropped them all.
func TestFailedImagesAreRedeemed(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options)
	ids := s.add(7)
	past, future := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	s.fail(ids[0], faces.RecognizerUnavailable, past)
	s.fail(ids[1], faces.Timeout, past)
	s.fail(ids[2], faces.Internal, past)
	s.fail(ids[3], faces.Timeout, future)       // its retry time has not come
	s.fail(ids[4], faces.NotFound, time.Time{}) // retried on request only
	s.fail(ids[5], faces.Timeout, time.Time{})  // no rounds left
	s.exec("UPDATE images SET rounds = 5 WHERE id = ?", ids[5])
	s.exec("UPDATE images SET status = 2 WHERE id = ?", ids[6]) // as the original fails it

	sum := s.pass(redeemer.Request{})
	if want := "0 expired lease(s) reclaimed, 4 image(s) given a new round, 4 image(s) queued"; sum.String() != want {
		t.Errorf("summary %q, want %q", sum, want)
	}
	for i, want := range []faces.Reason{
		faces.Queued, faces.Queued, faces.Queued, faces.Timeout, faces.NotFound, faces.Timeout, faces.Queued,
	} {
		if got := s.reasonOf(ids[i]); got != want {
			t.Errorf("image %d shows %s, want %s", i, got, want)
		}
	}
	s.wantQueued(ids[0], ids[1], ids[2], ids[6])
	if sum := s.pass(redeemer.Request{}); sum.Retried+sum.Queued != 0 {
		t.Errorf("the next pass: %s", sum)
	}
}

// An image gets as many rounds as there are pauses.
func TestRoundsAreCounted(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options)
	id := s.add(1)[0]
	rounds := len(processor.RetryPauses())
	for round := range rounds {
		c, err := s.Claim(t.Context(), "test", []int64{id}, time.Minute)
		if err != nil || len(c.Claimed) != 1 || c.Claimed[0].Rounds != round || c.Claimed[0].Attempts != 1 {
			t.Fatalf("round %d: %+v, %v", round, c, err)
		}
		_, err = s.Finish(t.Context(), []store.Result{{
			Lease: c.Claimed[0].Lease, Outcome: faces.Outcome{Reason: faces.Timeout}, RetryAt: time.Now().Add(-time.Second),
		}})
		if err != nil {
			t.Fatal(err)
		}
		if sum := s.pass(redeemer.Request{}); sum.Retried != 1 {
			t.Fatalf("round %d: %s", round, sum)
		}
	}
	// After the last pause, the processor sets no retry time.
	s.fail(id, faces.Timeout, time.Time{})
	if sum := s.pass(redeemer.Request{}); sum.Retried != 0 {
		t.Errorf("after %d rounds: %s", rounds, sum)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		req  func(ids []int64) redeemer.Request
		want []int // of the images, by number
	}{
		{"nothing", func([]int64) redeemer.Request { return redeemer.Request{} }, nil},
		{"by reason", func([]int64) redeemer.Request {
			return redeemer.Request{Reasons: []faces.Reason{faces.NotFound, faces.Timeout}}
		}, []int{0, 1, 3}},
		{"by id", func(ids []int64) redeemer.Request { return redeemer.Request{IDs: []int64{ids[2], ids[4], 4711}} }, []int{2}},
		{"by reason and by id", func(ids []int64) redeemer.Request {
			return redeemer.Request{Reasons: []faces.Reason{faces.NotFound}, IDs: []int64{ids[2]}}
		}, []int{0, 1, 2}},
		{"all", func([]int64) redeemer.Request { return redeemer.Request{All: true} }, []int{0, 1, 2, 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, options)
			ids := s.publishedAgo(5, time.Second) // the last one only waits
			for i, reason := range []faces.Reason{faces.NotFound, faces.NotFound, faces.CorruptImage, faces.Timeout} {
				s.fail(ids[i], reason, time.Time{})
			}
			var want []int64
			for _, i := range test.want {
				want = append(want, ids[i])
			}
			if sum := s.pass(test.req(ids)); sum.Retried != len(want) || sum.Queued != len(want) {
				t.Errorf("%s, want %d retried and queued", sum, len(want))
			}
			s.wantQueued(want...)
		})
	}
}

func TestExpiredLeasesAreTakenBack(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options)
	ids := s.publishedAgo(3, time.Second)
	if _, err := s.Claim(t.Context(), "crashed", ids[:2], time.Minute); err != nil {
		t.Fatal(err)
	}
	s.exec("UPDATE images SET lease_until = ? WHERE id = ?", time.Now().Add(-time.Second).UTC(), ids[0])
	s.exec("UPDATE images SET status = 3 WHERE id = ?", ids[2]) // the original knows no leases
	if sum := s.pass(redeemer.Request{}); sum.Reclaimed != 2 || sum.Queued != 2 {
		t.Errorf("%s, want 2 taken back and queued", sum)
	}
	s.wantQueued(ids[0], ids[2])
}

// Images that the queue has lost are queued again once the queue is empty and
// their rows are old enough.
func TestLostImagesAreQueuedAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options)
	young := s.publishedAgo(3, options.Settle-10*time.Second)
	if sum := s.pass(redeemer.Request{}); sum.Queued != 0 || sum.Kept != "" {
		t.Errorf("young rows: %s", sum)
	}
	for _, id := range young {
		s.exec("UPDATE images SET published_at = ? WHERE id = ?", time.Now().Add(-time.Minute).UTC(), id)
		s.age(id, time.Minute)
	}
	s.age(young[2], 0) // handed back a moment ago
	if sum := s.pass(redeemer.Request{}); sum.Queued != 2 {
		t.Errorf("old rows: %s, want 2 queued", sum)
	}
	s.wantQueued(young[0], young[1])
	if sum := s.pass(redeemer.Request{}); sum.Queued != 0 {
		t.Errorf("the next pass: %s", sum)
	}
}

// A backlog that takes hours is not doubled by every pass.
func TestLongBacklogIsNotDoubled(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options)
	ids := s.publishedAgo(5, time.Hour)
	producer, err := imagequeue.NewProducer(s.queue.NSQD(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.Publish(t.Context(), ids[:4]); err != nil {
		t.Fatal(err)
	}
	sum := s.pass(redeemer.Request{})
	if sum.Queued != 0 || sum.Kept != "the queue is not empty: 4 waiting, 0 in flight, 0 deferred" {
		t.Errorf("got %s", sum)
	}
	if !strings.HasSuffix(sum.String(), " (the queue is not empty: 4 waiting, 0 in flight, 0 deferred)") {
		t.Errorf("the summary does not say it: %s", sum)
	}
	// But not for ever: after ROLLCALL_REDEEM_STALE, an image lost by a busy queue is
	// queued again.
	s.exec("UPDATE images SET published_at = ?, updated_at = ? WHERE id = ?",
		time.Now().Add(-7*time.Hour).UTC(), time.Now().Add(-7*time.Hour).UTC(), ids[4])
	if sum := s.pass(redeemer.Request{}); sum.Queued != 1 {
		t.Errorf("got %s, want the oldest queued", sum)
	}
	s.wantQueued(ids...)
}

// A post stores its rows and then queues them. A pass between the two must not
// queue them a second time.
func TestRowsThatAreBeingQueuedAreLeft(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options)
	images, err := s.AddImages(t.Context(), []string{"/unknown_people/a.jpg", "/unknown_people/b.jpg"})
	if err != nil {
		t.Fatal(err)
	}
	if sum := s.pass(redeemer.Request{}); sum.Queued != 0 {
		t.Errorf("at once: %s, want none queued", sum)
	}
	s.exec("UPDATE images SET created_at = ?, updated_at = ? WHERE id = ?",
		time.Now().Add(-time.Minute).UTC(), time.Now().Add(-time.Minute).UTC(), images[0].ID)
	s.fail(images[1].ID, faces.Timeout, time.Now().Add(-time.Second)) // in another round, nobody is about to
	if sum := s.pass(redeemer.Request{}); sum.Retried != 1 || sum.Queued != 2 {
		t.Errorf("later: %s, want one retried and both queued", sum)
	}
	s.wantQueued(images[0].ID, images[1].ID)
}

func TestManyPages(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options)
	ids := s.add(2500)
	s.exec("UPDATE images SET status = 2, reason = 'timeout', retry_at = ? WHERE id > ?",
		time.Now().Add(-time.Minute).UTC(), ids[299])
	sum := s.pass(redeemer.Request{})
	if sum.Retried != 2200 || sum.Queued != 2500 {
		t.Errorf("%s, want 2200 retried and 2500 queued", sum)
	}
	if got := s.depth().Waiting; got != 2500 {
		t.Errorf("%d are queued, want 2500", got)
	}
}

func TestTwoPassesAtOnce(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options)
	ids := s.add(50)
	for _, id := range ids[:10] {
		s.fail(id, faces.Timeout, time.Now().Add(-time.Second))
	}
	sums := make([]redeemer.Summary, 4)
	var passes sync.WaitGroup
	for i := range sums {
		passes.Go(func() { sums[i] = s.pass(redeemer.Request{}) })
	}
	passes.Wait()
	retried := 0
	for _, sum := range sums {
		retried += sum.Retried
	}
	if retried != 10 {
		t.Errorf("%d rounds were given to 10 images", retried)
	}
	queued := s.take(int(s.depth().Waiting))
	if diff := cmp.Diff(ids, slices.Compact(queued)); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
	var most int
	if err := s.raw.QueryRowContext(t.Context(), "SELECT MAX(rounds) FROM images").Scan(&most); err != nil || most != 1 {
		t.Errorf("an image got %d rounds (%v)", most, err)
	}
}

func TestQueueAwayLosesNothing(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options)
	ids := s.add(3)
	s.fail(ids[0], faces.Timeout, time.Now().Add(-time.Second))
	s.queue.StopNSQD()
	sum, err := s.Run(t.Context(), redeemer.Request{})
	if err == nil {
		t.Errorf("no error: %s", sum)
	}
	if sum.Retried != 1 || sum.Queued != 0 {
		t.Errorf("%s, want 1 retried and none queued", sum)
	}
	s.queue.StartNSQD()
	if sum := s.pass(redeemer.Request{}); sum.Queued != 3 {
		t.Errorf("the next pass: %s, want 3 queued", sum)
	}
	s.wantQueued(ids...)
}

// away is a Depth that always fails.
type away struct{}

func (away) Depth(context.Context) (imagequeue.Depth, error) {
	return imagequeue.Depth{}, errors.New("no answer")
}

// If the depth is unknown, only images that were never queued are queued.
func TestUnknownDepth(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options)
	ids := s.add(3)
	if err := s.MarkPublished(t.Context(), ids[:2], time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	producer, err := imagequeue.NewProducer(s.queue.NSQD(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	sum, err := redeemer.New(s.Store, producer, away{}, options, quiet).Run(t.Context(), redeemer.Request{})
	if err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("got %v, want that the pass says what it could not ask", err)
	}
	if sum.Queued != 1 || sum.Kept == "" {
		t.Errorf("got %s, want the image that was never queued", sum)
	}
	s.wantQueued(ids[2])
}

// A redeemed image gets its answer.
func TestRedeemedImageIsAnswered(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options)
	id := s.add(1)[0]
	s.fail(id, faces.RecognizerUnavailable, time.Now().Add(-time.Second))
	s.pass(redeemer.Request{})
	p := processor.New(s.Store, well{}, "test", processor.Defaults(), quiet, prometheus.NewRegistry())
	c, err := imagequeue.NewConsumer(imagequeue.ConsumerOptions{
		Lookupd: []string{s.queue.Lookupd()}, MaxInFlight: 1, Registry: prometheus.NewRegistry(), Log: quiet,
		Handle: func(d *imagequeue.Delivery) { p.Take(d.ImageID, d) },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); s.reasonOf(id) != faces.NoFace; <-tick.C {
		if time.Since(begin) > 20*time.Second {
			t.Errorf("image shows %s", s.reasonOf(id))
			break
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	c.Pause()
	if err := errors.Join(p.Stop(ctx), c.Stop(ctx)); err != nil {
		t.Error(err)
	}
}

// well is a recognizer that finds no faces.
type well struct{}

func (well) Recognize(context.Context, string, faces.File) (faces.Recognition, error) {
	return faces.Recognition{Model: faces.Model{ID: "lite"}}, nil
}

func (well) Ping(context.Context) error { return nil }
