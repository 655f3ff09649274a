package frontend_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// slowCounts is a store of a million images, which takes a while to count.
type slowCounts struct {
	fake
	takes time.Duration
	asked atomic.Int64
	kept  []store.Count // what a program stored
}

func (s *slowCounts) LatestTotals(context.Context, time.Time) ([]store.Count, error) {
	return s.kept, nil
}

func (s *slowCounts) CountImages(ctx context.Context) ([]store.Count, error) {
	s.asked.Add(1)
	select {
	case <-time.After(s.takes):
		return []store.Count{{Status: faces.Pending, Reason: faces.NoFace, Images: 1_000_000}}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Many tabs, each of which asks every three seconds, share the counts.
func TestTabsShareTheCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes time.Duration
		most  int64
	}{
		"a small table": {time.Millisecond, 11}, // in 30 s
		"a large table": {time.Second, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &slowCounts{takes: c.takes}
				s.list = func(context.Context) ([]faces.Image, error) { return nil, nil }
				server, err := frontend.New(s, frontend.Options{})
				if err != nil {
					t.Fatal(err)
				}
				var tabs sync.WaitGroup
				for i := range 50 {
					tabs.Go(func() {
						time.Sleep(time.Duration(i) * 60 * time.Millisecond)
						for range 10 {
							w := httptest.NewRecorder()
							server.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/", nil))
							if w.Code != http.StatusOK {
								t.Errorf("code %d", w.Code)
							}
							time.Sleep(3 * time.Second)
						}
					})
				}
				tabs.Wait()
				// Waiting for a count makes a tab slower, so there is time for a few more.
				if n := s.asked.Load(); n < 5 || n > 2*c.most {
					t.Errorf("counted %d times for 500 pages, want about %d", n, c.most)
				}
			})
		})
	}
}

// A tab that is closed in the middle of a count takes it from nobody.
func TestCountOutlivesItsTab(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slowCounts{takes: time.Second}
		s.list = func(context.Context) ([]faces.Image, error) { return nil, nil }
		server, err := frontend.New(s, frontend.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, closeTab := context.WithCancel(t.Context())
		go server.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/", nil))
		time.Sleep(500 * time.Millisecond)
		closeTab()
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/", nil))
		if n := s.asked.Load(); w.Code != http.StatusOK || n != 1 {
			t.Errorf("code %d after %d counts, want 200 after one", w.Code, n)
		}
	})
}

// Once a large table was counted, pages show those numbers for a minute rather than wait.
func TestPagesDoNotWaitForCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slowCounts{takes: time.Second}
		s.list = func(context.Context) ([]faces.Image, error) { return nil, nil }
		server, err := frontend.New(s, frontend.Options{})
		if err != nil {
			t.Fatal(err)
		}
		look := func() time.Duration {
			begin := time.Now()
			w := httptest.NewRecorder()
			server.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/", nil))
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "1000000") {
				t.Errorf("code %d: %s", w.Code, w.Body)
			}
			return time.Since(begin)
		}
		look()
		time.Sleep(30 * time.Second)
		if took := look(); took > 20*time.Millisecond || s.asked.Load() != 2 {
			t.Errorf("the second page took %s, after %d counts", took, s.asked.Load())
		}
		time.Sleep(2 * time.Minute)
		if took := look(); took < time.Second {
			t.Errorf("a page after two minutes took %s, want that of a count", took)
		}
		s.kept = []store.Count{{Status: faces.Pending, Reason: faces.NoFace, Images: 1_000_000}}
		time.Sleep(2 * time.Minute)
		if took := look(); took > 20*time.Millisecond {
			t.Errorf("a page took %s though there are stored numbers", took)
		}
		time.Sleep(s.takes) // the count for the next page ends
	})
}

// A page with an image that waits looks again, though the counts are older.
func TestPageWithWaitingImageLooksAgain(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	server, err := frontend.New(a.Store, frontend.Options{UnknownPeople: root, CountsFor: time.Hour})
	a.check(err)
	get(t, server.Handler(), "/") // counts nothing
	a.post(root + "/a.jpg")
	page := get(t, server.Handler(), "/")
	if page.Code != http.StatusOK || page.Find("[data-waiting]").Length() == 0 {
		t.Errorf("code %d: %s", page.Code, page.words("main"))
	}
}
