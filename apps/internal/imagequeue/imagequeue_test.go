package imagequeue_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nsqio/go-nsq"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/queuetest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func newProducer(t *testing.T, address string) *imagequeue.Producer {
	t.Helper()
	p, err := imagequeue.NewProducer(address, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func publish(t *testing.T, q *queuetest.Queue, ids ...int64) {
	t.Helper()
	if err := newProducer(t, q.NSQD()).Publish(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "nsqlookupd knows the topic", func() bool { return known(t, q) })
}

// known reports whether nsqlookupd knows the topic. A consumer that asks before
// it does would ask again only after seconds.
func known(t *testing.T, q *queuetest.Queue) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		"http://"+q.Lookupd()+"/lookup?topic="+imagequeue.Topic, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// consumer collects deliveries.
type consumer struct {
	*imagequeue.Consumer
	t          *testing.T
	registry   *prometheus.Registry
	deliveries chan *imagequeue.Delivery
}

// consume starts a consumer; change may alter its options.
func consume(t *testing.T, q *queuetest.Queue, change func(*imagequeue.ConsumerOptions)) *consumer {
	t.Helper()
	c := &consumer{t: t, registry: prometheus.NewRegistry(), deliveries: make(chan *imagequeue.Delivery, 1000)}
	opts := imagequeue.ConsumerOptions{
		Lookupd: []string{q.Lookupd()}, MaxInFlight: 10, Registry: c.registry, Log: quiet,
		Handle: func(d *imagequeue.Delivery) { c.deliveries <- d },
	}
	if change != nil {
		change(&opts)
	}
	var err error
	if c.Consumer, err = imagequeue.NewConsumer(opts); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.stop)
	return c
}

func (c *consumer) stop() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), 10*time.Second)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		c.t.Errorf("stop: %v", err)
	}
}

func (c *consumer) next() *imagequeue.Delivery {
	c.t.Helper()
	select {
	case d := <-c.deliveries:
		return d
	case <-time.After(20 * time.Second):
		c.t.Fatal("nothing was delivered")
		return nil
	}
}

// nextIDs takes n deliveries, finishes them and returns their ids in order.
func (c *consumer) nextIDs(n int) []int64 {
	c.t.Helper()
	ids := make([]int64, n)
	for i := range ids {
		d := c.next()
		ids[i] = d.ImageID
		d.Finish()
	}
	slices.Sort(ids)
	return ids
}

// count returns how many messages of a kind were counted.
func (c *consumer) count(kind string) int {
	c.t.Helper()
	families, err := c.registry.Gather()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "rollcall_messages_total" && m.GetLabel()[0].GetValue() == kind {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	return 0
}

func awaitDepth(t *testing.T, q *queuetest.Queue, want imagequeue.Depth) {
	t.Helper()
	var got imagequeue.Depth
	wait.Until(t, "the queue's depth is as wanted", func() bool {
		var err error
		if got, err = imagequeue.NewMonitor([]string{q.Lookupd()}).Depth(t.Context()); err != nil {
			t.Fatal(err)
		}
		return got == want
	})
}

// ids returns 1 to n.
func ids(n int) []int64 {
	list := make([]int64, n)
	for i := range list {
		list[i] = int64(i + 1)
	}
	return list
}

func TestWhatIsPublishedIsDelivered(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	publish(t, q, ids(300)...)
	c := consume(t, q, nil)
	if diff := cmp.Diff(ids(300), c.nextIDs(300)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	awaitDepth(t, q, imagequeue.Depth{})
}

func TestPublishNothing(t *testing.T) {
	t.Parallel()
	if err := newProducer(t, "127.0.0.1:1").Publish(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestPublishInParts(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	publish(t, q, ids(25_000)...)
	awaitDepth(t, q, imagequeue.Depth{Waiting: 25_000}) // in the topic: there is no channel yet
}

func TestPublishFromMany(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	p := newProducer(t, q.NSQD())
	var many sync.WaitGroup
	for i := range 50 {
		many.Go(func() {
			for j := range 10 {
				if err := p.Publish(t.Context(), []int64{int64(i*10 + j + 1)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	many.Wait()
	wait.Until(t, "nsqlookupd knows the topic", func() bool { return known(t, q) })
	if diff := cmp.Diff(ids(500), consume(t, q, nil).nextIDs(500)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestPublishAfterClose(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	p := newProducer(t, q.NSQD())
	if err := p.Publish(t.Context(), []int64{1}); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if err := p.Publish(t.Context(), []int64{2}); err == nil {
		t.Error("published after Close")
	}
	awaitDepth(t, q, imagequeue.Depth{Waiting: 1})
}

// The original program panicked at every delivery of such a message.
func TestBadBodyIsDroppedNotFatal(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	p, err := nsq.NewProducer(q.NSQD(), nsq.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	p.SetLoggerLevel(nsq.LogLevelError)
	bodies := [][]byte{{1}, []byte("bad"), make([]byte, 8), make([]byte, 9), imagequeue.Encode(17)}
	if err := p.MultiPublish(imagequeue.Topic, bodies); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "nsqlookupd knows the topic", func() bool { return known(t, q) })
	c := consume(t, q, nil)
	if got := c.nextIDs(1); got[0] != 17 {
		t.Errorf("delivered %d, want 17", got[0])
	}
	awaitDepth(t, q, imagequeue.Depth{})
	if bad, good := c.count("bad"), c.count("image"); bad != 4 || good != 1 {
		t.Errorf("counted %d bad and %d good, want 4 and 1", bad, good)
	}
}

func TestPanicWhileTakingAMessageGivesItBack(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	publish(t, q, 17)
	deliveries := make(chan *imagequeue.Delivery, 10)
	first := true
	c := consume(t, q, func(o *imagequeue.ConsumerOptions) {
		o.Handle = func(d *imagequeue.Delivery) {
			if first {
				first = false
				panic("broken")
			}
			deliveries <- d
		}
	})
	c.deliveries = deliveries
	if got := c.nextIDs(1); got[0] != 17 {
		t.Errorf("delivered %d, want 17", got[0])
	}
	if got := c.count("panic"); got != 1 {
		t.Errorf("%d panics counted, want 1", got)
	}
	awaitDepth(t, q, imagequeue.Depth{})
}

// A message can be held for much longer than the message timeout.
func TestHeldMessagesAreKept(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	publish(t, q, 1, 2)
	const timeout = time.Second
	c := consume(t, q, func(o *imagequeue.ConsumerOptions) { o.MessageTimeout = timeout })
	held := []*imagequeue.Delivery{c.next(), c.next()}
	select {
	case d := <-c.deliveries:
		t.Errorf("image %d was delivered again while it was held", d.ImageID)
	case <-time.After(4 * timeout):
	}
	awaitDepth(t, q, imagequeue.Depth{InFlight: 2})
	for _, d := range held {
		d.Finish()
	}
	awaitDepth(t, q, imagequeue.Depth{})
}

func TestRequeueDelays(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	publish(t, q, 17)
	c := consume(t, q, nil)
	d := c.next()
	const delay = 700 * time.Millisecond
	begin := time.Now()
	d.Requeue(delay)
	awaitDepth(t, q, imagequeue.Depth{Deferred: 1})
	c.next().Requeue(0)
	if took := time.Since(begin); took < delay {
		t.Errorf("came back after %s, want %s", took, delay)
	}
	c.next().Finish() // without the back-off that would follow a failure
	awaitDepth(t, q, imagequeue.Depth{})
}

func TestSecondAnswerIsIgnored(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	publish(t, q, 17)
	d := consume(t, q, nil).next()
	d.Finish()
	d.Requeue(0)
	awaitDepth(t, q, imagequeue.Depth{})
}

func TestPauseTakesNothingNew(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	publish(t, q, 1)
	c := consume(t, q, nil)
	first := c.next()
	c.Pause()
	publish(t, q, 2, 3)
	awaitDepth(t, q, imagequeue.Depth{Waiting: 2, InFlight: 1})
	select {
	case d := <-c.deliveries:
		t.Errorf("image %d was delivered after Pause", d.ImageID)
	case <-time.After(300 * time.Millisecond):
	}
	first.Finish()
	awaitDepth(t, q, imagequeue.Depth{Waiting: 2})
}

func TestStopGivesBackWhatWasNotAnswered(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	publish(t, q, ids(5)...)
	one := consume(t, q, nil)
	var held []*imagequeue.Delivery
	for range 5 {
		held = append(held, one.next())
	}
	held[0].Finish()
	one.stop()
	for _, d := range held[1:] {
		d.Finish() // too late, and no harm
	}
	// At once, although the message timeout is a minute.
	if diff := cmp.Diff(4, len(consume(t, q, nil).nextIDs(4))); diff != "" {
		t.Error(diff)
	}
	awaitDepth(t, q, imagequeue.Depth{})
}

func TestConsumerWaitsForItsQueue(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	q.StopNSQD()
	c := consume(t, q, nil) // there is no nsqd and no topic yet
	q.StartNSQD()
	publish(t, q, 17)
	if got := c.nextIDs(1); got[0] != 17 {
		t.Errorf("delivered %d, want 17", got[0])
	}
}

func TestQueueRestart(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	p := newProducer(t, q.NSQD())
	if err := p.Publish(t.Context(), ids(2)); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "nsqlookupd knows the topic", func() bool { return known(t, q) })
	c := consume(t, q, nil)
	held := c.next()
	c.next().Finish()
	q.StopNSQD()
	if err := p.Publish(t.Context(), []int64{3}); err == nil {
		t.Error("published to an nsqd that is stopped")
	}
	q.StartNSQD()
	// On the connection that broke.
	if err := p.Publish(t.Context(), []int64{4}); err != nil {
		t.Errorf("publish after the restart: %v", err)
	}
	held.Finish() // the new nsqd does not know the message
	if diff := cmp.Diff([]int64{held.ImageID, 4}, c.nextIDs(2)); diff != "" {
		t.Errorf("delivered after the restart (-want +got):\n%s", diff)
	}
	awaitDepth(t, q, imagequeue.Depth{})
}

// An nsqd that accepts connections and never answers must not block a request
// beyond its context.
func TestPublishObeysItsContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := imagequeue.NewProducer(l.Addr().String(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := p.Publish(ctx, []int64{1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish = %v, want the deadline's error", err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("publish took %s", took)
	}
}

func TestDepth(t *testing.T) {
	t.Parallel()
	one, two := queuetest.Start(t), queuetest.Start(t)
	both := imagequeue.NewMonitor([]string{one.Lookupd(), two.Lookupd(), one.Lookupd()})
	depth := func() imagequeue.Depth {
		t.Helper()
		d, err := both.Depth(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := depth(); !d.Empty() {
		t.Errorf("without a topic: %+v", d)
	}
	publish(t, one, 1, 2)
	publish(t, two, 3)
	wait.Until(t, "both are asked, and topics without a channel count", func() bool {
		d := depth()
		return d == imagequeue.Depth{Waiting: 3} && !d.Empty()
	})
	c := consume(t, one, nil)
	c.next().Requeue(time.Hour)
	c.next()
	wait.Until(t, "what is held and what is deferred count", func() bool {
		return depth() == imagequeue.Depth{Waiting: 1, InFlight: 1, Deferred: 1}
	})
}

// A lookupd that knows a dead nsqd, fails or knows no nsqd makes the depth unknown.
func TestDepthOfTheUnreachable(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	tests := []struct {
		name   string
		answer func(w http.ResponseWriter)
	}{
		{"an nsqd that is gone", func(w http.ResponseWriter) {
			io.WriteString(w, `{"producers":[{"broadcast_address":"127.0.0.1","http_port":1}]}`)
		}},
		{"no nsqd", func(w http.ResponseWriter) { io.WriteString(w, `{"producers":[]}`) }},
		{"an error", func(w http.ResponseWriter) { http.Error(w, "broken", http.StatusInternalServerError) }},
		{"no JSON", func(w http.ResponseWriter) { io.WriteString(w, `<html>`) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			lookupd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { test.answer(w) }))
			defer lookupd.Close()
			address := strings.TrimPrefix(lookupd.URL, "http://")
			if d, err := imagequeue.NewMonitor([]string{address}).Depth(t.Context()); err == nil {
				t.Errorf("alone: %+v, want an error", d)
			}
			if test.name == "no nsqd" {
				return // no error if another lookupd knows an nsqd
			}
			if d, err := imagequeue.NewMonitor([]string{q.Lookupd(), address}).Depth(t.Context()); err == nil {
				t.Errorf("beside a good one: %+v, want an error", d)
			}
		})
	}
	t.Run("no lookupd", func(t *testing.T) {
		t.Parallel()
		if d, err := imagequeue.NewMonitor([]string{"127.0.0.1:1"}).Depth(t.Context()); err == nil {
			t.Errorf("%+v, want an error", d)
		}
	})
}
