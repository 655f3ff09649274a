package poster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/e2e/internal/poster"
	"github.com/rollcall-faces/rollcall/apps/internal/schedule"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// cluster is a receiver and a dashboard that can be out of order.
type cluster struct {
	*httptest.Server
	down   atomic.Bool
	ids    atomic.Int64
	posts  atomic.Int64 // since the start
	failed atomic.Int64
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{}
	image := func() map[string]any { return map[string]any{"id": c.ids.Add(1), "status": "pending"} }
	answer := func(body any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if c.down.Load() {
				c.failed.Add(1)
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			c.posts.Add(1)
			w.WriteHeader(http.StatusAccepted)
			switch f := body.(type) {
			case func() map[string]any:
				_ = json.NewEncoder(w).Encode(f())
			case int:
				_ = json.NewEncoder(w).Encode(map[string]any{"images": []any{image(), image()}})
			}
		}
	}
	mux := http.NewServeMux()
	mux.Handle("POST /image/post", answer(image))
	mux.Handle("POST /images/post", answer(2))
	mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *cluster) options() poster.Options {
	return poster.Options{
		Receiver: c.URL, Dashboard: c.URL, Clients: 2, Pause: time.Millisecond, Repeat: 3,
		Path: "load/%d.jpg", Timeout: time.Minute,
	}
}

// An answer is compared with that of the sample behind the path. One that is still to
// come is not, and one that fails to be read is a failure.
func TestAnswers(t *testing.T) {
	t.Parallel()
	ada := samples.Expectation{Reason: "identified", People: []string{"Ada"}, Faces: 1}
	nobody := samples.Expectation{Reason: "no_face", People: []string{}}
	const (
		isAda    = `{"id":1,"status":"processed","reason":"identified","faces":[{"person":{"id":1,"name":"Ada"}}]}`
		isBruno  = `{"id":1,"status":"processed","reason":"identified","faces":[{"person":{"id":2,"name":"Bruno"}}]}`
		isFailed = `{"id":1,"status":"failed","reason":"recognizer_unavailable","faces":[]}`
		waits    = `{"id":1,"status":"pending","reason":"queued","faces":[]}`
	)
	for _, tt := range []struct {
		name, answer            string
		want                    samples.Expectation
		compared, wrong, failed bool
	}{
		{"right", isAda, ada, true, false, false},
		{"another person", isBruno, ada, true, true, false},
		{"a face where none is", isAda, nobody, true, true, false},
		{"no outcome but a failure", isFailed, ada, true, true, false},
		{"not there yet", waits, ada, false, false, false},
		{"refused", "", ada, false, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reads := make(chan string, 1000)
			mux := http.NewServeMux()
			mux.HandleFunc("POST /image/post", func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusAccepted)
				_, _ = w.Write([]byte(`{"id":1,"status":"pending"}`))
			})
			mux.HandleFunc("POST /images/post", func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusAccepted)
				_, _ = w.Write([]byte(`{"images":[{"id":1,"status":"pending"},{"id":1,"status":"pending"}]}`))
			})
			mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
			mux.HandleFunc("GET /api/v1/images/1", func(w http.ResponseWriter, req *http.Request) {
				if tt.answer == "" {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(tt.answer))
				reads <- req.Header.Get("Authorization")
			})
			server := httptest.NewServer(mux)
			defer server.Close()
			o := poster.Options{
				Receiver: server.URL, Dashboard: server.URL, Clients: 1, Pause: time.Millisecond, Repeat: 1000,
				Path: "load/%d.jpg", Timeout: time.Minute, Expected: []samples.Expectation{tt.want}, Key: "secret",
			}
			p := poster.New(o)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { p.Run(ctx); close(ended) }()
			for range 3 {
				if got := <-reads; got != "Bearer secret" {
					t.Errorf("read with the key %q", got)
				}
			}
			stop()
			<-ended
			got := p.Phase()
			failed := got.Counts[poster.Answers].Failed > 0
			if got.Compared > 0 != tt.compared || got.Wrong > 0 != tt.wrong || failed != tt.failed || len(got.WrongAnswers) != min(got.Wrong, 20) {
				t.Errorf("got %+v, answers %+v", got, got.Counts[poster.Answers])
			}
		})
	}
}

// A phase tells everything since the one before: what was accepted, and what
// failed, with the first failures to look at.
func TestPhases(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	p := poster.New(c.options())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { p.Run(ctx); close(ended) }()
	until := func(n *atomic.Int64, least int64) {
		for n.Load() < least {
			runtime.Gosched()
		}
	}

	until(&c.posts, 20)
	first := p.Phase()
	c.down.Store(true)
	until(&c.failed, 50)
	c.down.Store(false)
	until(&c.posts, c.posts.Load()+20)
	stop()
	<-ended
	second := p.Phase()

	if got := first.Counts[poster.API]; got.Failed != 0 || got.Requests == 0 {
		t.Errorf("first phase: %+v", got)
	}
	switch got := second.Counts[poster.API]; {
	case got.Failed < 50-2 || len(got.Failures) == 0 || len(got.Failures) > 20:
		t.Errorf("second phase: %d failed, %d kept", got.Failed, len(got.Failures))
	case got.Gap <= 0:
		t.Error("no gap although the receiver was down")
	}
	if got := second.Counts[poster.Dashboard]; got.Requests == 0 || got.Failed != 0 {
		t.Errorf("dashboard: %+v", got)
	}
	// Every id is in one phase, but for those that the end cut off.
	told := int64(len(first.Accepted) + len(second.Accepted))
	if missing := c.ids.Load() - told; missing < 0 || missing > 2*2 {
		t.Errorf("%d ids were given, %d told", c.ids.Load(), told)
	}
}

// By a schedule, a new picture is posted when it is due, also while nobody has an answer yet.
func TestLoadDoesNotWaitForAnswers(t *testing.T) {
	t.Parallel()
	const posts = 20
	var arrived atomic.Int64
	enough := make(chan struct{}) // closed when that many posts wait for their answers
	mux := http.NewServeMux()
	mux.HandleFunc("POST /image/post", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Path string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		if arrived.Add(1) == posts {
			close(enough)
		}
		<-enough
		var id int64
		if _, err := fmt.Sscanf(body.Path, "load/%d.jpg", &id); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(map[string]any{"id": id + 1, "status": "pending"})
	})
	mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	opts := (&cluster{Server: server}).options()
	opts.Load = schedule.Constant(500, time.Minute)
	p := poster.New(opts)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { p.Run(ctx); close(ended) }()
	accepted := map[int64]bool{}
	for len(accepted) < posts {
		r := p.Phase()
		if got := r.Counts[poster.API]; got.Failed > 0 {
			t.Fatalf("posts failed: %q", got.Failures)
		}
		for _, id := range r.Accepted {
			if accepted[id] {
				t.Errorf("picture %d was posted twice", id)
			}
			accepted[id] = true
		}
		runtime.Gosched()
	}
	stop()
	<-ended
}
