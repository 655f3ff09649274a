package queuetest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/nsqio/go-nsq"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/queuetest"
)

const (
	topic   = "images"
	channel = "ch"
	patient = 20 * time.Second // far more than any step takes
)

func TestConsumerFindsNSQDThroughLookupd(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	publish(t, q, "one", "two")

	got := consume(t, q, 2)
	slices.Sort(got)
	if want := []string{"one", "two"}; !slices.Equal(got, want) {
		t.Errorf("consumed %q, want %q", got, want)
	}
}

func TestDepth(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	awaitDepth(t, q, 0, 0, 0)
	publish(t, q, "one", "two", "three")
	awaitDepth(t, q, 3, 0, 0)

	// One message is sent back with a delay, one is held, one waits.
	c := newConsumer(t)
	arrived := make(chan *nsq.Message)
	c.AddHandler(nsq.HandlerFunc(func(m *nsq.Message) error {
		m.DisableAutoResponse()
		arrived <- m
		return nil
	}))
	connect(t, c, q)
	receive(t, arrived).RequeueWithoutBackoff(time.Hour)
	held := receive(t, arrived)
	awaitDepth(t, q, 1, 1, 1)
	held.Finish()
	receive(t, arrived).Finish()
	awaitDepth(t, q, 0, 0, 1)
}

func TestRestartKeepsPortsAndMessages(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	publish(t, q, "kept")
	nsqd, nsqdHTTP := q.NSQD(), q.NSQDHTTP()

	q.StopNSQD()
	if err := ping(t.Context(), q); err == nil {
		t.Error("nsqd answers though it was stopped")
	}
	if n := producers(t, q); n != 0 {
		t.Errorf("nsqlookupd knows %d producers of a stopped nsqd, want 0", n)
	}

	q.StartNSQD()
	if q.NSQD() != nsqd || q.NSQDHTTP() != nsqdHTTP {
		t.Errorf("addresses became %s and %s, want %s and %s", q.NSQD(), q.NSQDHTTP(), nsqd, nsqdHTTP)
	}
	if got := consume(t, q, 1); got[0] != "kept" {
		t.Errorf("consumed %q, want %q", got, "kept")
	}
}

func newProducer(t *testing.T, q *queuetest.Queue) *nsq.Producer {
	t.Helper()
	p, err := nsq.NewProducer(q.NSQD(), nsq.NewConfig())
	if err != nil {
		t.Fatalf("make a producer: %v", err)
	}
	p.SetLogger(nil, nsq.LogLevelError)
	t.Cleanup(p.Stop)
	return p
}

func publish(t *testing.T, q *queuetest.Queue, bodies ...string) {
	t.Helper()
	p := newProducer(t, q)
	for _, b := range bodies {
		if err := p.Publish(topic, []byte(b)); err != nil {
			t.Fatalf("publish %q: %v", b, err)
		}
	}
}

// awaitDepth waits for the depth: messages pass from a topic to its channels,
// and answers from a client to nsqd, in their own time.
func awaitDepth(t *testing.T, q *queuetest.Queue, depth, inFlight, deferred int64) {
	t.Helper()
	want := [3]int64{depth, inFlight, deferred}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); ; <-tick.C {
		var got [3]int64
		got[0], got[1], got[2] = q.Depth(topic, channel)
		if got == want {
			return
		}
		if time.Since(begin) > patient {
			t.Fatalf("Depth() = %v, want %v", got, want)
		}
	}
}

func ping(ctx context.Context, q *queuetest.Queue) error {
	resp, err := get(ctx, "http://"+q.NSQDHTTP()+"/ping")
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func get(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

// producers returns how many nsqds nsqlookupd sends consumers of topic to.
func producers(t *testing.T, q *queuetest.Queue) int {
	t.Helper()
	resp, err := get(t.Context(), "http://"+q.Lookupd()+"/nodes")
	if err != nil {
		t.Fatalf("ask nsqlookupd: %v", err)
	}
	defer resp.Body.Close()
	var answer struct {
		Producers []struct{} `json:"producers"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("decode nsqlookupd's answer: %v", err)
	}
	return len(answer.Producers)
}

func newConsumer(t *testing.T) *nsq.Consumer {
	t.Helper()
	cfg := nsq.NewConfig()
	cfg.LookupdPollInterval = 20 * time.Millisecond // nsqlookupd hears of a new topic a little late
	c, err := nsq.NewConsumer(topic, channel, cfg)
	if err != nil {
		t.Fatalf("make a consumer: %v", err)
	}
	c.SetLogger(nil, nsq.LogLevelError)
	return c
}

// connect starts the consumer; it stops before the queue does.
func connect(t *testing.T, c *nsq.Consumer, q *queuetest.Queue) {
	t.Helper()
	if err := c.ConnectToNSQLookupd(q.Lookupd()); err != nil {
		t.Fatalf("connect through nsqlookupd: %v", err)
	}
	t.Cleanup(func() {
		c.Stop()
		<-c.StopChan
	})
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patient):
		t.Fatalf("nothing arrived within %s", patient)
		panic("unreachable")
	}
}

// consume returns the bodies of the next n messages.
func consume(t *testing.T, q *queuetest.Queue, n int) []string {
	t.Helper()
	c := newConsumer(t)
	arrived := make(chan string, n)
	c.AddHandler(nsq.HandlerFunc(func(m *nsq.Message) error {
		arrived <- string(m.Body)
		return nil
	}))
	connect(t, c, q)
	bodies := make([]string, n)
	for i := range bodies {
		bodies[i] = receive(t, arrived)
	}
	return bodies
}
