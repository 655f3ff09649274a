package receiver_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nsqio/go-nsq"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/queuetest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const root = "/unknown_people"

// options are those of a receiver that this machine only reaches, with limits
// that are quick to exceed.
func options() receiver.Options {
	return receiver.Options{Address: "127.0.0.1:8000", UnknownPeople: root, MaxBody: 64 << 10, MaxPaths: 100, MaxIdentify: 32 << 10, RenderCache: 1 << 20}
}

var quiet = slog.New(slog.DiscardHandler)

// bench is a receiver with its database and its queue.
type bench struct {
	*client
	store   *store.Store
	queue   *queuetest.Queue
	drained int64 // times
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return newBenchWith(t, newStore(t), options())
}

func newBenchWith(t *testing.T, st *store.Store, opts receiver.Options) *bench {
	t.Helper()
	return newBenchAsking(t, st, nil, opts)
}

// newBenchAsking returns a bench whose receiver asks a recognizer.
func newBenchAsking(t *testing.T, st *store.Store, rec receiver.Recognizer, opts receiver.Options) *bench {
	t.Helper()
	b := &bench{store: st, queue: queuetest.Start(t)}
	producer, err := imagequeue.NewProducer(b.queue.NSQD(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	publisher := receiver.NewPublisher(b.store, producer, quiet, prometheus.NewRegistry())
	publisher.Start()
	t.Cleanup(func() { publisher.Stop(context.Background()) })
	b.client = serveAsking(t, b.store, publisher, rec, opts)
	return b
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	return newStoreAt(t, filepath.Join(t.TempDir(), "rollcall.db"))
}

func newStoreAt(t testing.TB, file string) *store.Store {
	t.Helper()
	s, err := store.OpenSQLite(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Migrate(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	return s
}

func handler(s receiver.Store, q receiver.Queue, opts receiver.Options) http.Handler {
	reg := prometheus.NewRegistry()
	return receiver.New(s, q, nil, opts, quiet, reg).Handler(reg, func(context.Context) error { return nil })
}

// serve returns a client of a receiver.
func serve(t *testing.T, s receiver.Store, q receiver.Queue) *client {
	t.Helper()
	return serveWith(t, s, q, options())
}

func serveWith(t *testing.T, s receiver.Store, q receiver.Queue, opts receiver.Options) *client {
	t.Helper()
	return serveAsking(t, s, q, nil, opts)
}

// serveAsking returns a client of a receiver that asks a recognizer.
func serveAsking(t *testing.T, s receiver.Store, q receiver.Queue, rec receiver.Recognizer, opts receiver.Options) *client {
	t.Helper()
	reg := prometheus.NewRegistry()
	r := receiver.New(s, q, rec, opts, quiet, reg)
	t.Cleanup(r.Close)
	server := httptest.NewServer(r.Handler(reg, func(context.Context) error { return nil }))
	t.Cleanup(server.Close)
	return &client{t: t, http: server.Client(), url: server.URL, server: r, metrics: reg}
}

// nowhere is a queue that takes nothing.
type nowhere struct{}

func (nowhere) Publish(context.Context, []int64) bool { return false }

// client is somebody who uses the API.
type client struct {
	t    *testing.T
	http *http.Client
	url  string

	server  *receiver.Server
	metrics *prometheus.Registry
}

// answer is what the receiver said.
type answer struct {
	t      *testing.T
	code   int
	header http.Header
	body   []byte
}

// do sends a request, and compares it and its answer with the document. Headers
// are pairs; "Host" sets the request's host.
func (c *client) do(method, path, body string, headers ...string) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	a := answer{t: c.t, code: res.StatusCode, header: res.Header, body: text}
	checkExchange(c.t, req, body, a)
	return a
}

// post sends a body as curl -d does.
func (c *client) post(path, body string, headers ...string) answer {
	c.t.Helper()
	return c.do(http.MethodPost, path, body, append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

func (c *client) get(path string) answer {
	c.t.Helper()
	return c.do(http.MethodGet, path, "")
}

// postOne posts one good path.
func (c *client) postOne(path string) image {
	c.t.Helper()
	return read[image](c.post("/image/post", body("path", path)).expect(http.StatusAccepted))
}

// postAll posts good paths in one request.
func (c *client) postAll(paths ...string) []image {
	c.t.Helper()
	entries := make([]map[string]string, len(paths))
	for i, p := range paths {
		entries[i] = map[string]string{"path": p}
	}
	got := read[struct{ Images []image }](c.post("/images/post", body("paths", entries)).expect(http.StatusAccepted)).Images
	if len(got) != len(paths) {
		c.t.Fatalf("%d entries for %d paths", len(got), len(paths))
	}
	return got
}

// body returns a JSON object with one field.
func body(name string, value any) string {
	text, err := json.Marshal(map[string]any{name: value})
	if err != nil {
		panic(err) // strings and maps of strings always have JSON
	}
	return string(text)
}

func (a answer) expect(code int) answer {
	a.t.Helper()
	if a.code != code {
		a.t.Fatalf("got %d, want %d: %s", a.code, code, a.body)
	}
	if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		a.t.Errorf("content type %q", got)
	}
	return a
}

// refused expects an error in its one and only shape, that says nothing which
// is not the client's.
func (a answer) refused(code int, errorCode string) {
	a.t.Helper()
	a.expect(code)
	fields := read[map[string]any](a)
	if diff := cmp.Diff([]string{"error", "request_id"}, keys(fields)); diff != "" {
		a.t.Errorf("keys (-want +got):\n%s", diff)
	}
	problem, _ := fields["error"].(map[string]any)
	if diff := cmp.Diff([]string{"code", "message"}, keys(problem)); diff != "" {
		a.t.Errorf("keys of the error (-want +got):\n%s", diff)
	}
	if problem["code"] != errorCode || problem["message"] == "" {
		a.t.Errorf("got %v, want the code %s and a message", problem, errorCode)
	}
	if id := fields["request_id"]; id == "" || id != a.header.Get("X-Request-ID") {
		a.t.Errorf("request id %q in the body, %q in the header", id, a.header.Get("X-Request-ID"))
	}
	for _, secret := range []string{"goroutine", ".go:", "SELECT", "INSERT", "UPDATE", "sql:", "tcp", "panic", "receiver."} {
		if strings.Contains(string(a.body), secret) {
			a.t.Errorf("the answer tells %q: %s", secret, a.body)
		}
	}
}

// read decodes an answer.
func read[T any](a answer) T {
	a.t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("%v in %q", err, a.body)
	}
	return v
}

func keys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// image is what the API says of an image.
type image struct {
	ID     int64
	Path   string
	Status string
	Reason string
	Person *struct {
		ID   int64
		Name string
	}
	Queued bool
	Error  *struct{ Code, Message string }
}

func ids(images []image) []int64 {
	list := make([]int64, len(images))
	for i, img := range images {
		list[i] = img.ID
	}
	return list
}

// finish gives a waiting image its outcome, as a processor does.
func (b *bench) finish(id int64, out faces.Outcome) {
	b.t.Helper()
	c, err := b.store.Claim(b.t.Context(), "test", []int64{id}, time.Minute)
	if err != nil || len(c.Claimed) != 1 {
		b.t.Fatalf("claim image %d: %+v, %v", id, c, err)
	}
	stale, err := b.store.Finish(b.t.Context(), []store.Result{{Lease: c.Claimed[0].Lease, Outcome: out}})
	if err != nil || len(stale) > 0 {
		b.t.Fatalf("finish image %d: %v, %v", id, stale, err)
	}
}

// settle waits until every waiting image is noted as queued.
func (b *bench) settle() {
	b.t.Helper()
	wait.Until(b.t, "all images to be queued", func() bool {
		left, err := b.store.Unpublished(b.t.Context(), 0, time.Now().Add(time.Hour), 0)
		if err != nil {
			b.t.Fatal(err)
		}
		return len(left) == 0
	})
}

// drain takes everything out of the settled queue and returns the ids in order,
// each once. An id of its own, queued last, tells when it has all: nsqd keeps
// the order, while its statistics pass over what is on the way.
func (b *bench) drain() []int64 {
	b.t.Helper()
	b.settle()
	b.drained++
	last := firstMark + b.drained
	b.publish(last)
	got := map[int64]bool{}
	done := make(chan struct{})
	consumer, err := nsq.NewConsumer(imagequeue.Topic, imagequeue.Channel, nsq.NewConfig()) // one message at a time
	if err != nil {
		b.t.Fatal(err)
	}
	consumer.SetLoggerLevel(nsq.LogLevelMax)
	consumer.AddHandler(nsq.HandlerFunc(func(m *nsq.Message) error {
		id, err := imagequeue.Decode(m.Body)
		switch {
		case err != nil:
			b.t.Error(err)
		case id == last:
			close(done)
		case id < firstMark:
			got[id] = true
		}
		return nil
	}))
	if err := consumer.ConnectToNSQD(b.queue.NSQD()); err != nil {
		b.t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(waitTime):
		b.t.Fatal("waited too long for the queue's end")
	}
	consumer.Stop()
	<-consumer.StopChan
	return slices.Sorted(maps.Keys(got))
}

// firstMark is more than any image's id.
const firstMark = math.MaxInt64 / 2

func (b *bench) publish(id int64) {
	b.t.Helper()
	p, err := imagequeue.NewProducer(b.queue.NSQD(), quiet)
	if err != nil {
		b.t.Fatal(err)
	}
	defer p.Close()
	if err := p.Publish(b.t.Context(), []int64{id}); err != nil {
		b.t.Fatal(err)
	}
}

// waitTime is long even for a machine that is busy with other things.
const waitTime = 30 * time.Second

func expectIDs(t *testing.T, what string, got, want []int64) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
