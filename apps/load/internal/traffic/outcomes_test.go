package traffic_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/load/internal/drive"
	"github.com/rollcall-faces/rollcall/apps/load/internal/measure"
	"github.com/rollcall-faces/rollcall/apps/load/internal/traffic"
)

// rollcall accepts images and tells of their outcomes.
type rollcall struct {
	skew   time.Duration // of its clock
	answer time.Duration // from the row to the answer of the post
	work   time.Duration // from the row to the outcome
	end    func(id int64) (event string)

	ids    atomic.Int64
	events chan string
}

func newRollcall() *rollcall {
	return &rollcall{
		answer: 20 * time.Millisecond, work: 300 * time.Millisecond, events: make(chan string, 1000),
		end: func(int64) string { return "image.answered" },
	}
}

func (r *rollcall) now() time.Time { return time.Now().Add(r.skew) }

func (r *rollcall) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/api/v1/events" {
		r.stream(w, req)
		return
	}
	id, created := r.ids.Add(1), r.now()
	time.AfterFunc(r.work, func() {
		kind := r.end(id)
		event := fmt.Sprintf("id: %d-x\nevent: %s\ndata: {\"id\":%d,\"type\":%q,\"created_at\":%q,\"image\":{\"id\":%d,\"people\":[]}}\n\n",
			id, kind, id, kind, r.now().Format(time.RFC3339Nano), id)
		r.events <- event + event // twice: at least once is the promise
	})
	time.Sleep(r.answer)
	answer(w, http.StatusAccepted, accepted(id, created))
}

func (r *rollcall) stream(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = fmt.Fprint(w, "event: ready\nid: 0-x\ndata: {\"after\":0}\n\n")
	for {
		_ = http.NewResponseController(w).Flush()
		select {
		case e := <-r.events:
			_, _ = fmt.Fprint(w, e)
		case <-req.Context().Done():
			return
		}
	}
}

// follow posts ten images and waits for their outcomes.
func (r *rollcall) follow(t *testing.T) measure.Result {
	t.Helper()
	c := serve(t, r)
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	var outs *traffic.Outcomes
	var recorder *measure.Recorder
	posts(t, c, 10, time.Second, func(o *traffic.Options, d *drive.Options) {
		outs, recorder = o.Outcomes, d.Recorder
		if err := outs.Follow(ctx, c); err != nil {
			t.Fatal(err)
		}
	})
	settling, done := context.WithTimeout(ctx, 5*time.Second)
	defer done()
	outs.Settle(settling)
	if outs.Missed() {
		t.Error("events were missed")
	}
	return recorder.Result()
}

// The time of an outcome is that of its row, whatever Rollcall's clock says, and however
// long the event was on its way.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*rollcall)
		low    time.Duration // the row was made at once
		high   time.Duration
	}{
		{"one clock", func(*rollcall) {}, 300 * time.Millisecond, 300 * time.Millisecond},
		{"a clock ahead", func(r *rollcall) { r.skew = time.Hour }, 300 * time.Millisecond, 320 * time.Millisecond},
		{"a clock behind", func(r *rollcall) { r.skew = -time.Hour }, 300 * time.Millisecond, 320 * time.Millisecond},
		{"an outcome before the answer to the post", func(r *rollcall) { r.answer = time.Second }, 300 * time.Millisecond, 300 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRollcall()
				c.change(r)
				got := r.follow(t)
				if o := got.Outcomes; o.Accepted != 10 || o.Answered != 10 || o.Failed != 0 || o.Missing() != 0 || o.Before != 0 {
					t.Errorf("outcomes %+v", o)
				}
				p := got.OutcomeTime
				if p.Count != 10 || p.P50 < c.low || p.Max > c.high+c.high/500 {
					t.Errorf("%d times, from %s to %s; want %s to %s", p.Count, p.P50, p.Max, c.low, c.high)
				}
			})
		})
	}
}

// Failures are outcomes, and images without an outcome are missing.
func TestOutcomesThatFailOrMiss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRollcall()
		r.end = func(id int64) string {
			return map[int64]string{0: "image.failed", 1: "image.answered", 2: "image.accepted"}[id%3]
		}
		got := r.follow(t)
		if o := got.Outcomes; o.Accepted != 10 || o.Failed != 3 || o.Answered != 4 || o.Missing() != 3 {
			t.Errorf("outcomes %+v", o)
		}
	})
}

// An image that had its outcome when it was posted is not waited for.
func TestOutcomesThatWereThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			image := accepted(1, time.Now().Add(-time.Hour))
			image["status"], image["reason"] = "processed", "identified"
			answer(w, http.StatusAccepted, image)
		}))
		var outs *traffic.Outcomes
		got := posts(t, c, 10, time.Second, func(o *traffic.Options, _ *drive.Options) { outs = o.Outcomes })
		if o := got.Outcomes; o.Accepted != 10 || o.Before != 10 || outs.Waiting() != 0 {
			t.Errorf("outcomes %+v", o)
		}
	})
}

// A stream that is refused is an error before the run.
func TestEventsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusForbidden, refused("forbidden")) }))
		err := traffic.NewOutcomes(measure.New(measure.Options{Length: time.Second})).Follow(t.Context(), c)
		if traffic.Code(err) != "forbidden" {
			t.Errorf("error %v", err)
		}
	})
}

func TestDial(t *testing.T) {
	t.Parallel()
	const key = "rc_secret"
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Authorization") {
		case "Bearer " + key:
			answer(w, http.StatusOK, map[string]any{"id": "k", "name": "load", "scopes": []string{"ingest"}, "user": nil})
		case "":
			answer(w, http.StatusUnauthorized, refused("unauthorized"))
		default:
			answer(w, http.StatusUnauthorized, refused("key_revoked"))
		}
	}))
	t.Cleanup(server.Close)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("rc_other"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		target traffic.Target
		need   api.KeyScope
		want   string
	}{
		{"it is there", traffic.Target{Server: server.URL + "/", KeyFile: keyFile}, api.ScopeIngest, ""},
		{"a key without the scope", traffic.Target{Server: server.URL, KeyFile: keyFile}, api.ScopeRead, `lacks the scope "read"`},
		{"no key", traffic.Target{Server: server.URL}, api.ScopeIngest, "wants an API key: name its file by -key-file"},
		{"a key that is revoked", traffic.Target{Server: server.URL, KeyFile: wrong}, api.ScopeIngest, "refuses the API key in " + wrong + " (key_revoked)"},
		{"an empty key file", traffic.Target{Server: server.URL, KeyFile: empty}, api.ScopeIngest, "does not contain one API key"},
		{"no key file", traffic.Target{Server: server.URL, KeyFile: keyFile + "x"}, api.ScopeIngest, "read the API key"},
		{"nobody there", traffic.Target{Server: gone.URL}, api.ScopeIngest, "cannot be reached"},
		{"another server", traffic.Target{Server: other.URL}, api.ScopeIngest, "not as a receiver of Rollcall should (http_404)"},
		{"no address", traffic.Target{Server: "localhost:8000"}, api.ScopeIngest, "is not an address"},
		{"a password in the address", traffic.Target{Server: "http://a:b@localhost"}, api.ScopeIngest, "name or password in it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			found, _, err := c.target.Dial(t.Context(), 10, c.need)
			if c.want == "" && (err != nil || found == nil) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "rc_other")) {
				t.Errorf("the error has the key: %v", err)
			}
		})
	}
}

// An admin may do everything.
func TestHas(t *testing.T) {
	t.Parallel()
	if !traffic.Has([]api.KeyScope{api.ScopeAdmin}, api.ScopeRead) || traffic.Has([]api.KeyScope{api.ScopeIngest}, api.ScopeRead) {
		t.Error("the scope admin includes all, and no other does")
	}
}
