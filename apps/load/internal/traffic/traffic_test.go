package traffic_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/schedule"
	"github.com/rollcall-faces/rollcall/apps/load/internal/drive"
	"github.com/rollcall-faces/rollcall/apps/load/internal/measure"
	"github.com/rollcall-faces/rollcall/apps/load/internal/traffic"
)

// posts runs even posts of one path each and returns the result.
func posts(t *testing.T, c *client.Client, rate float64, length time.Duration, change func(*traffic.Options, *drive.Options)) measure.Result {
	t.Helper()
	recorder := measure.New(measure.Options{Length: length})
	o := traffic.Options{
		Client: c, Mix: traffic.Mix{{Kind: traffic.Post, Weight: 1}}, Rand: rand.New(rand.NewPCG(1, 1)),
		Path: func(n int) string { return fmt.Sprintf("load/%d.jpg", n) }, Outcomes: traffic.NewOutcomes(recorder),
	}
	d := drive.Options{
		Arrivals: schedule.Constant(rate, length).Even(), Length: length, InFlight: 1000, Timeout: 10 * time.Second, Grace: time.Second,
		Recorder: recorder, Wait: drive.WaitByTimer,
	}
	if change != nil {
		change(&o, &d)
	}
	tr, err := traffic.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	d.Next = tr.Next
	drive.Run(t.Context(), d)
	return recorder.Result()
}

// A server that stalls for a second makes every request slow that is due in that second,
// not only those that happened to be under way: nothing waits for an answer before it is
// sent. A program that sends the next request after the answer would have one slow
// request here, and its p99 would be 10 ms.
func TestStallIsInAllPercentiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const service, from, until = 10 * time.Millisecond, 4 * time.Second, 5 * time.Second
		begin := time.Now()
		var ids atomic.Int64
		c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if at := time.Since(begin); at >= from && at < until {
				time.Sleep(until - at)
			}
			time.Sleep(service)
			answer(w, http.StatusAccepted, accepted(ids.Add(1), time.Now()))
		}))
		r := posts(t, c, 100, 10*time.Second, nil)
		near := func(what string, got, want time.Duration) {
			t.Helper()
			if (got - want).Abs() > want/50 {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		if r.Scheduled != 1000 || r.Answered != 1000 || r.Failed != 0 || r.LateStarts != 0 {
			t.Fatalf("%d scheduled, %d answered, %d failed, %d late", r.Scheduled, r.Answered, r.Failed, r.LateStarts)
		}
		// A tenth of the requests was due in the stall. The first of them waited a second,
		// the last 10 ms.
		near("p50", r.Latency.P50, service)
		near("p99", r.Latency.P99, service+910*time.Millisecond)
		near("p99.9", r.Latency.P999, service+time.Second)
		near("max", r.Latency.Max, service+time.Second)
		for i, w := range r.Windows[:10] {
			if w.From != 4*time.Second {
				near(fmt.Sprintf("max of second %d", i), w.Latency.Max, service)
				continue
			}
			if w.Scheduled != 100 || w.Latency.Count != 100 || w.Answered > 1 { // one that was due before
				t.Errorf("the stall: %d scheduled, %d timed, %d answered in it", w.Scheduled, w.Latency.Count, w.Answered)
			}
			near("p50 of the stall", w.Latency.P50, service+510*time.Millisecond)
			near("max of the stall", w.Latency.Max, service+time.Second)
		}
	})
}

// Each error has its code.
func TestErrorsByCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"Rollcall's", func(w http.ResponseWriter, _ *http.Request) { answer(w, 503, refused("unavailable")) }, "unavailable"},
		{"too many requests", func(w http.ResponseWriter, _ *http.Request) { answer(w, 429, refused("too_many_requests")) }, "too_many_requests"},
		{"a proxy's", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<h1>Bad gateway</h1>", http.StatusBadGateway)
		}, "http_502"},
		{"a code that is none", func(w http.ResponseWriter, _ *http.Request) { answer(w, 500, refused("\x1b[2J /etc")) }, measure.CodeOther},
		{"no answer", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client has gone
			<-r.Context().Done()
		}, measure.CodeTimeout},
		{"a lost connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, measure.CodeConnection},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }, measure.CodeConnection},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := posts(t, serve(t, c.answer), 10, time.Second, nil)
				if want := map[string]int64{c.want: 10}; !maps.Equal(r.Errors, want) || r.Failed != 10 || r.Answered != 0 {
					t.Errorf("%v, %d failed, %d answered; want %v", r.Errors, r.Failed, r.Answered, want)
				}
			})
		})
	}
}

// A post of which some paths were refused is an error, and the other images count.
func TestRefusedEntries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			bad := map[string]any{"path": "../a.jpg", "error": map[string]string{"code": "path_not_allowed", "message": "no"}}
			answer(w, http.StatusAccepted, map[string]any{"images": []any{accepted(1, time.Now()), bad, accepted(2, time.Now())}})
		}))
		r := posts(t, c, 10, time.Second, func(o *traffic.Options, _ *drive.Options) { o.Batch = 3 })
		if r.Errors["path_not_allowed"] != 10 || r.Outcomes.Accepted != 20 {
			t.Errorf("%v, %d accepted", r.Errors, r.Outcomes.Accepted)
		}
	})
}

// Each path is posted once, in the order of its number.
func TestPathsAreUnique(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		seen := map[string]int{}
		c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var body struct{ Paths []struct{ Path string } }
			_ = json.NewDecoder(r.Body).Decode(&body)
			mu.Lock()
			defer mu.Unlock()
			var images []any
			for _, p := range body.Paths {
				seen[p.Path]++
				images = append(images, accepted(int64(len(seen)), time.Now()))
			}
			answer(w, http.StatusAccepted, map[string]any{"images": images})
		}))
		path, err := traffic.Pattern("{run}/p-{n}.jpg", "r7")
		if err != nil {
			t.Fatal(err)
		}
		posts(t, c, 10, time.Second, func(o *traffic.Options, _ *drive.Options) { o.Batch, o.Path = 5, path })
		if len(seen) != 50 || seen["r7/p-0.jpg"] != 1 || seen["r7/p-49.jpg"] != 1 {
			t.Errorf("%d paths: %v", len(seen), seen)
		}
	})
}

func TestPatternNeedsANumber(t *testing.T) {
	t.Parallel()
	if _, err := traffic.Pattern("load/{run}.jpg", "r"); err == nil {
		t.Error("all paths would be one")
	}
}

func TestReadList(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "paths")
	if err := os.WriteFile(file, []byte("a.jpg\n\nb c.jpg\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path, n, err := traffic.ReadList(file)
	if err != nil || n != 2 || path(0) != "a.jpg" || path(1) != "b c.jpg" || path(2) != "a.jpg" {
		t.Errorf("%d paths, %v", n, err)
	}
	if err := os.WriteFile(file, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := traffic.ReadList(file); err == nil {
		t.Error("an empty list is no error")
	}
}

// The same picture is uploaded with another end each time, so that each is a new image.
func TestUploadsAreNewImages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	png := []byte("\x89PNG\r\n\x1a\n the rest of a picture")
	for name, content := range map[string][]byte{"a.png": png, "notes.txt": []byte("text")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pictures, left, err := traffic.ReadPictures(dir)
	if err != nil || len(pictures) != 1 || left != 1 {
		t.Fatalf("%d pictures, %d left out, %v", len(pictures), left, err)
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		seen := map[string]bool{}
		c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			form, err := r.MultipartReader()
			if err != nil {
				answer(w, 400, refused("invalid_request"))
				return
			}
			var images []any
			for {
				part, err := form.NextPart()
				if err != nil {
					break
				}
				content, _ := io.ReadAll(part)
				mu.Lock()
				if seen[string(content)] || !bytes.HasPrefix(content, png) || r.ContentLength < int64(len(content)) {
					t.Errorf("uploaded %q, in a body of %d bytes", content, r.ContentLength)
				}
				seen[string(content)] = true
				images = append(images, accepted(int64(len(seen)), time.Now()))
				mu.Unlock()
			}
			answer(w, http.StatusAccepted, map[string]any{"images": images})
		}))
		r := posts(t, c, 10, time.Second, func(o *traffic.Options, _ *drive.Options) { o.Batch, o.Pictures, o.Run = 2, pictures, "r1" })
		if len(seen) != 20 || r.Outcomes.Accepted != 20 || len(r.Kinds) != 1 || r.Kinds[0].Name != "upload" {
			t.Errorf("%d files, %d accepted, %+v", len(seen), r.Outcomes.Accepted, r.Kinds)
		}
	})
	if _, _, err := traffic.ReadPictures(t.TempDir()); err == nil {
		t.Error("a folder without pictures is no error")
	}
}

func TestParseMix(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"post=6, list=2,get=3,thumbnail=1", ""},
		{"get=0.5,list=1", ""},
		{"put=1", `the mix has "put"`},
		{"get", "is not a number"},
		{"get=-1", "is not a number"},
		{"get=NaN", "is not a number"},
		{"get=1,get=2", "twice"},
		{"get=0", "are 0"},
		{"", `the mix has ""`},
	} {
		_, err := traffic.ParseMix(c.text)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.want)
		}
	}
}

// A mix has its weights, and reads images that are there.
func TestMix(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ids atomic.Int64
		ids.Store(100)
		mux := http.NewServeMux()
		mux.HandleFunc("POST /image/post", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusAccepted, accepted(ids.Add(1), time.Now()))
		})
		mux.HandleFunc("GET /api/v1/images", func(w http.ResponseWriter, _ *http.Request) {
			answered := map[string]any{"id": 7, "path": "/a.jpg", "status": "processed", "reason": "identified"}
			answer(w, http.StatusOK, map[string]any{"images": []any{answered, accepted(8, time.Now())}, "next": nil})
		})
		mux.HandleFunc("GET /api/v1/images/{id}", func(w http.ResponseWriter, r *http.Request) {
			if id, _ := strconv.Atoi(r.PathValue("id")); id != 7 && id != 8 && id <= 100 {
				answer(w, http.StatusNotFound, refused("not_found"))
				return
			}
			answer(w, http.StatusOK, accepted(7, time.Now()))
		})
		mux.HandleFunc("GET /api/v1/images/7/thumbnail", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "jpeg") })
		mix, err := traffic.ParseMix("post=2,list=1,get=5,thumbnail=2")
		if err != nil {
			t.Fatal(err)
		}
		r := posts(t, serve(t, mux), 1000, 10*time.Second, func(o *traffic.Options, _ *drive.Options) { o.Mix = mix })
		if r.Failed != 0 || r.Answered != 10_000 {
			t.Errorf("%d answered, errors %v", r.Answered, r.Errors)
		}
		for _, k := range r.Kinds {
			want := map[string]int64{"post": 2000, "list": 1000, "get": 5000, "thumbnail": 2000}[k.Name]
			if off := k.Scheduled - want; off > 300 || off < -300 {
				t.Errorf("%s: %d, want about %d", k.Name, k.Scheduled, want)
			}
		}
	})
}

// A mix that reads what is not there is refused before it begins.
func TestMixWithoutImages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, mix, want string
		images          []any
	}{
		{"no images", "get=1", "there are no images to get", nil},
		{"no answers", "thumbnail=1", "no thumbnails", []any{accepted(1, time.Time{})}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				api := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					answer(w, http.StatusOK, map[string]any{"images": append([]any{}, c.images...)})
				}))
				mix, err := traffic.ParseMix(c.mix)
				if err != nil {
					t.Fatal(err)
				}
				_, err = traffic.New(t.Context(), traffic.Options{
					Client: api, Mix: mix, Rand: rand.New(rand.NewPCG(1, 1)), Outcomes: traffic.NewOutcomes(measure.New(measure.Options{Length: time.Second})),
				})
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %q", err, c.want)
				}
			})
		})
	}
}
