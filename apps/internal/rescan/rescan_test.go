package rescan_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/rescan"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var (
	oldSet = faces.Model{ID: "old", Threshold: 0.5, Margin: 0.0625}
	newSet = faces.Model{ID: "new", Threshold: 0.5, Margin: 0.0625}
)

// recognizers answer by their model sets; the first of them recognizes.
type recognizers struct {
	mu     sync.Mutex // guards the fields below
	models []faces.Model
	asked  []string // paths
	atWork int
	most   int // calls at the same time
	fail   func(path string) error
	away   bool
}

func (r *recognizers) use(models ...faces.Model) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.models = models
}

func (r *recognizers) ModelsInUse(context.Context) ([]faces.Model, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return nil, errors.New("one does not answer")
	}
	return slices.Clone(r.models), nil
}

func (r *recognizers) Ping(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail("")
	}
	return nil
}

func (r *recognizers) Recognize(_ context.Context, path string, _ faces.File) (faces.Recognition, error) {
	r.mu.Lock()
	r.asked = append(r.asked, path)
	r.atWork++
	r.most = max(r.most, r.atWork)
	seen, fail := faces.Recognition{Width: 8, Height: 8, Model: r.models[0]}, r.fail
	r.mu.Unlock()
	time.Sleep(100 * time.Millisecond) // in a bubble: what a picture takes
	r.mu.Lock()
	r.atWork--
	r.mu.Unlock()
	if fail != nil {
		if err := fail(path); err != nil {
			return faces.Recognition{}, err
		}
	}
	if seen.Model == newSet { // it sees a face where the old one saw none
		seen.Sightings = []faces.Sighting{{Box: faces.Box{Width: 5, Height: 5}, Descriptor: faces.Descriptor{1}}}
	}
	return seen, nil
}

// takeAsked returns the paths asked about since the last call.
func (r *recognizers) takeAsked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = nil
	return asked
}

// rig is a database, recognizers and a processor.
type rig struct {
	*testing.T
	store *store.Store
	rec   *recognizers
	proc  *processor.Processor
	log   *slog.Logger
	token int64
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s, err := store.OpenSQLite(filepath.Join(t.TempDir(), "rollcall.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Migrate(t.Context(), "/u"); err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, store: s, rec: &recognizers{models: []faces.Model{oldSet}}}
	r.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	r.proc = processor.New(s, r.rec, "test", processor.Defaults(), r.log, prometheus.NewRegistry())
	r.proc.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.proc.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	token, ok, err := s.LeaseRematch(t.Context(), "test", 0, 1000*time.Hour)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	r.token = token
	return r
}

// done is a message that tells when it is finished.
type done chan struct{}

func (d done) Finish()               { close(d) }
func (d done) Requeue(time.Duration) {}

// post adds images, lets the processor answer them, and returns their ids.
func (r *rig) post(names ...string) []int64 {
	r.Helper()
	ids := r.add(names...)
	for _, id := range ids {
		d := make(done)
		r.proc.Take(id, d)
		<-d
	}
	return ids
}

func (r *rig) add(names ...string) []int64 {
	r.Helper()
	paths := make([]string, len(names))
	for i, n := range names {
		paths[i] = "/u/" + n
	}
	images, err := r.store.AddImages(r.Context(), paths)
	r.must(err)
	ids := make([]int64, len(images))
	for i, img := range images {
		ids[i] = img.ID
	}
	return ids
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) runner(opts rescan.Options) *rescan.Runner {
	return rescan.New(r.store, r.rec, func(id int64, m rescan.Message) { r.proc.Take(id, m) }, opts, r.log, prometheus.NewRegistry())
}

// work calls Work once.
func (r *rig) work(run *rescan.Runner) bool {
	r.Helper()
	r.rec.mu.Lock()
	model := r.rec.models[0]
	r.rec.mu.Unlock()
	worked, err := run.Work(r.Context(), r.token, model)
	r.must(err)
	return worked
}

// settle makes turns, as a Rematcher does, until there is nothing to do.
func (r *rig) settle(run *rescan.Runner) {
	r.Helper()
	for idle := 0; idle < 5; idle++ {
		if r.work(run) {
			idle = 0
			continue
		}
		time.Sleep(2 * time.Second)
	}
}

func (r *rig) jobs() []history.Rescan {
	r.Helper()
	jobs, err := r.store.Rescans(r.Context(), 0, 0)
	r.must(err)
	return jobs
}

func (r *rig) states() string {
	r.Helper()
	var states []string
	for _, j := range slices.Backward(r.jobs()) {
		states = append(states, j.Model+" "+string(j.State))
	}
	return strings.Join(states, ", ")
}

func (r *rig) models(ids ...int64) string {
	r.Helper()
	var models []string
	for _, id := range ids {
		img, err := r.store.Image(r.Context(), id)
		r.must(err)
		models = append(models, img.Model)
	}
	return strings.Join(models, " ")
}

func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%02d.jpg", i)
	}
	return names
}

// A new set starts a rescan once all recognizers use it: newest first, few at a
// time, and each picture is looked at once. A rollback starts none.
func TestRescanFollowsTheModelSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ids := r.post(numbered(10)...)
		run := r.runner(rescan.Defaults())
		r.settle(run)
		r.rec.takeAsked()
		r.rec.use(newSet, oldSet)
		r.settle(run)
		if got := r.states(); got != "" {
			t.Errorf("while a rollout is under way: %s", got)
		}
		r.rec.away = true
		r.rec.use(newSet, newSet)
		r.settle(run)
		if got := r.states(); got != "" {
			t.Errorf("while one recognizer is away: %s", got)
		}
		r.rec.away = false
		r.rec.most = 0
		r.settle(run)
		job := r.jobs()[0]
		if job.State != history.RescanFinished || job.Cause != history.CauseModel || job.Total != 10 || job.Done != 10 || job.Changed != 10 || job.FacesFound != 10 {
			t.Errorf("got %+v", job)
		}
		want := numbered(10)
		slices.Reverse(want)
		asked := r.rec.takeAsked()
		for i, path := range asked { // two are at work at the same time
			if at := slices.Index(want, strings.TrimPrefix(path, "/u/")); max(at-i, i-at) > 1 {
				t.Errorf("picture %s was number %d of %v", path, i, asked)
			}
		}
		if len(asked) != 10 || r.rec.most != 2 {
			t.Errorf("%d looks, %d at the same time", len(asked), r.rec.most)
		}
		if got := r.models(ids...); got != strings.Repeat("new ", 9)+"new" {
			t.Errorf("model sets: %s", got)
		}
		r.rec.use(oldSet, oldSet)
		r.settle(run)
		r.settle(r.runner(rescan.Defaults())) // another program takes over
		if got := r.states(); got != "new finished" {
			t.Errorf("after a rollback: %s", got)
		}
		r.post("while.jpg")
		r.rec.use(newSet, newSet)
		r.settle(run)
		if got := r.states(); got != "new finished, new finished" || len(r.rec.takeAsked()) != 2 {
			t.Errorf("after the newest set came back: %s", got)
		}
	})
}

// A rescan that is at work when the recognizers are rolled back waits, and
// changes nothing.
func TestRescanWaitsForItsModelSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ids := r.post(numbered(3)...)
		opts := rescan.Defaults()
		opts.Auto = false
		run := r.runner(opts)
		r.settle(run)
		r.rec.use(newSet)
		r.settle(run)
		if got := r.states(); got != "" {
			t.Errorf("by itself, though that is off: %s", got)
		}
		_, err := r.store.RequestRescan(t.Context(), "new", false)
		r.must(err)
		for _, models := range [][]faces.Model{{oldSet}, {newSet, oldSet}} {
			r.rec.use(models...)
			time.Sleep(time.Minute)
			r.settle(run)
			if job := r.jobs()[0]; job.State != history.RescanWaiting || !strings.Contains(job.Detail, "waits until all recognizers use new; now they use") {
				t.Errorf("while they use %v: %+v", models, job)
			}
		}
		r.rec.away = true
		r.settle(run)
		if job := r.jobs()[0]; job.Detail != "waits until all recognizers answer" {
			t.Errorf("while they are away: %+v", job)
		}
		if got := r.models(ids...); got != "old old old" {
			t.Errorf("model sets: %s", got)
		}
		r.rec.away = false
		r.rec.use(newSet)
		r.settle(run)
		if job := r.jobs()[0]; job.State != history.RescanFinished || job.Done != 3 {
			t.Errorf("got %+v", job)
		}
	})
}

// New pictures go first, always.
func TestNewPicturesGoFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.post(numbered(4)...)
		fresh := r.add("new.jpg")[0] // waits for its turn
		run := r.runner(rescan.Defaults())
		_, err := r.store.RequestRescan(t.Context(), "", true)
		r.must(err)
		r.rec.takeAsked()
		for range 20 {
			r.work(run)
		}
		if asked := r.rec.takeAsked(); len(asked) != 0 {
			t.Errorf("%v were looked at again while a new picture waited", asked)
		}
		// The rescan covers it, too, once it is answered. While it is being processed
		// it does not wait any more, and the rescan would pass over it.
		answered := make(done)
		r.proc.Take(fresh, answered)
		<-answered
		r.settle(run)
		if asked := r.rec.takeAsked(); len(asked) != 6 || asked[0] != "/u/new.jpg" {
			t.Errorf("asked about %v", asked)
		}
		if job := r.jobs()[0]; job.State != history.RescanFinished {
			t.Errorf("got %+v", job)
		}
	})
}

func TestRescanKeepsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.post(numbered(13)...)
		_, err := r.store.RequestRescan(t.Context(), "", true)
		r.must(err)
		opts := rescan.Defaults()
		opts.Rate = 2
		run := r.runner(opts)
		begin := time.Now()
		for r.jobs()[0].State != history.RescanFinished {
			r.work(run)
		}
		if took := time.Since(begin); took < 6*time.Second || took > 10*time.Second {
			t.Errorf("13 pictures at 2 a second took %s", took)
		}
	})
}

// A rescan that is paused, or whose program ends, goes on where it was.
func TestRescanGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.post(numbered(200)...)
		job, err := r.store.RequestRescan(t.Context(), "", true)
		r.must(err)
		run := r.runner(rescan.Defaults())
		r.work(run) // about 5 seconds of 10
		_, err = r.store.ChangeRescanState(t.Context(), job.ID, history.RescanPaused)
		r.must(err)
		r.rec.takeAsked()
		r.settle(run)
		paused := r.jobs()[0]
		if asked := r.rec.takeAsked(); len(asked) != 0 || paused.State != history.RescanPaused || paused.Done < 50 || paused.Done > 150 {
			t.Errorf("while it is paused, %d were looked at: %+v", len(asked), paused)
		}
		_, err = r.store.ChangeRescanState(t.Context(), job.ID, history.RescanWaiting)
		r.must(err)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel) // the program ends in the middle of a picture
		_, err = run.Work(ctx, r.token, oldSet)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Work that was cut off: %v", err)
		}
		r.settle(r.runner(rescan.Defaults()))
		asked := r.rec.takeAsked()
		if job := r.jobs()[0]; job.State != history.RescanFinished || job.Done != 200 || int64(len(asked)) != 200-paused.Done {
			t.Errorf("%d were looked at after the pause: %+v", len(asked), job)
		}
	})
}

// A picture that cannot be looked at again keeps its answer and is listed;
// recognizers that are away cost nothing but time.
func TestRescanFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ids := r.post(numbered(6)...)
		r.rec.use(newSet)
		back := time.Now().Add(30 * time.Second)
		r.rec.fail = func(path string) error {
			switch {
			case time.Now().Before(back):
				return faces.Fault(faces.RecognizerUnavailable, "away")
			case path == "/u/02.jpg":
				return faces.Fault(faces.NotFound, "there is no such file")
			case path == "/u/04.jpg":
				return faces.Fault(faces.Internal, "it fails on this picture")
			}
			return nil
		}
		r.settle(r.runner(rescan.Defaults()))
		for r.jobs()[0].State != history.RescanFinished {
			r.settle(r.runner(rescan.Defaults()))
		}
		job := r.jobs()[0]
		if job.Done != 6 || job.Failed != 2 || job.Changed != 4 {
			t.Errorf("got %+v", job)
		}
		if got := r.models(ids...); got != "new new old new old new" {
			t.Errorf("model sets: %s", got)
		}
		results, err := r.store.RescanResults(t.Context(), job.ID, 0, 0, history.ResultFailed)
		r.must(err)
		var failed []string
		for _, res := range results {
			failed = append(failed, res.Path+" "+string(res.To.Reason))
		}
		if diff := cmp.Diff([]string{"/u/04.jpg internal", "/u/02.jpg not_found"}, failed); diff != "" {
			t.Errorf("failed (-want +got):\n%s", diff)
		}
	})
}
