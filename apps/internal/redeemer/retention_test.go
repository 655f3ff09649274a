package redeemer_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/redeemer"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/uploads"
)

// attic is a database and a folder of pictures that are kept no longer.
type attic struct {
	t   *testing.T
	dir string
	*store.Store
	files *uploads.Folder
	clock *time.Time
}

func newAttic(t *testing.T) *attic {
	t.Helper()
	now := time.Now()
	a := &attic{t: t, dir: t.TempDir(), clock: &now}
	var mu sync.Mutex
	st, err := store.OpenSQLite(filepath.Join(t.TempDir(), "rollcall.db"), store.WithClock(func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return *a.clock
	}))
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, st.Close)
	if _, err := st.Migrate(t.Context(), a.dir); err != nil {
		t.Fatal(err)
	}
	a.Store = st
	a.files = uploads.New(uploads.Options{UnknownPeople: a.dir, InUse: st.HasPath, Log: quiet})
	return a
}

// upload stores n uploaded files and their images, which have no face.
func (a *attic) upload(n int) (paths []string) {
	a.t.Helper()
	for i := range n {
		sum := fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%d", i)))
		paths = append(paths, a.file(filepath.Join("uploads", sum[:2], sum+".jpg")))
	}
	a.answer(paths...)
	return paths
}

func (a *attic) file(name string) string {
	a.t.Helper()
	full := filepath.Join(a.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(name), 0o644)); err != nil {
		a.t.Fatal(err)
	}
	return full
}

func (a *attic) answer(paths ...string) {
	a.t.Helper()
	images, err := a.AddImages(a.t.Context(), paths)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, img := range images {
		c, err := a.Claim(a.t.Context(), "test", []int64{img.ID}, time.Minute)
		if err != nil || len(c.Claimed) != 1 {
			a.t.Fatalf("claim: %+v, %v", c, err)
		}
		if _, err := a.Finish(a.t.Context(), []store.Result{{Lease: c.Claimed[0].Lease, Outcome: faces.Outcome{Reason: faces.NoFace}}}); err != nil {
			a.t.Fatal(err)
		}
	}
}

func (a *attic) left() (images, files int) {
	a.t.Helper()
	list, err := a.ListImages(a.t.Context(), store.Filter{})
	if err != nil {
		a.t.Fatal(err)
	}
	err = filepath.WalkDir(a.dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files++
		}
		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return len(list), files
}

func (a *attic) run(files redeemer.Files, rules faces.Retention) (faces.RetentionRun, error) {
	return redeemer.NewRetention(a.Store, files, rules, quiet).Run(a.t.Context())
}

var noFaces = faces.Retention{{Outcome: "no_face", Days: 1}}

func TestRetentionDeletesImagesAndTheirFiles(t *testing.T) {
	t.Parallel()
	a := newAttic(t)
	uploaded := a.upload(250)
	posted := a.file("camera/1.jpg")
	a.answer(posted)
	*a.clock = a.clock.Add(25 * time.Hour)
	a.answer(a.file("camera/2.jpg"))
	if run, err := a.run(a.files, nil); err != nil || run.Images != 0 {
		t.Fatalf("without rules: %+v, %v", run, err)
	}
	if err := a.SetRetention(t.Context(), noFaces); err != nil {
		t.Fatal(err)
	}
	run, err := a.run(a.files, nil)
	if err != nil || run.Images != int64(len(uploaded)+1) || run.Files != int64(len(uploaded)) || !run.Complete {
		t.Fatalf("%+v, %v", run, err)
	}
	if images, files := a.left(); images != 1 || files != 2 {
		t.Errorf("%d images and %d files are left, want the young one, and the two that were posted by their path", images, files)
	}
	_, last, err := a.Retention(t.Context())
	if err != nil || last.Images != run.Images || last.Finished.IsZero() || !last.Complete {
		t.Errorf("stored: %+v, %v", last, err)
	}
	entries, err := a.Audit(t.Context(), 0, 10)
	if err != nil || len(entries) < 3 || entries[0].Action != "image.delete" || entries[0].RequestID != "retention" {
		t.Errorf("audit log: %+v, %v", entries, err)
	}
}

// killed ends in the middle of a deletion, before or after the rows are gone.
type killed struct {
	*uploads.Folder
	after bool
}

var errKilled = errors.New("killed")

func (k killed) Expire(ctx context.Context, names []string, remove func() error) (err error) {
	defer func() { // what settles is lost, as after kill -9
		if recover() != nil {
			err = errKilled
		}
	}()
	return k.Folder.Expire(ctx, names, func() error {
		if k.after {
			if err := remove(); err != nil {
				return err
			}
		}
		panic(errKilled)
	})
}

func TestRetentionIsKilled(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]bool{"before the rows are gone": false, "after the rows are gone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAttic(t)
			a.upload(3)
			*a.clock = a.clock.Add(25 * time.Hour)
			if _, err := a.run(killed{a.files, after}, noFaces); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			if err := a.files.Tidy(t.Context()); err != nil { // of a receiver
				t.Fatal(err)
			}
			images, files := a.left()
			if want := map[bool]int{false: 3, true: 0}[after]; images != want || files != want {
				t.Errorf("%d images and %d files are left, want %d", images, files, want)
			}
			if run, err := a.run(a.files, noFaces); err != nil || run.Images != int64(images) {
				t.Errorf("the next run: %+v, %v", run, err)
			}
			if images, files := a.left(); images != 0 || files != 0 {
				t.Errorf("%d images and %d files are left", images, files)
			}
		})
	}
}

// between posts the path of an expired image again between the look and its turn, or
// between its row and its file.
type between struct {
	*uploads.Folder
	before, after func()
}

func (b between) Expire(ctx context.Context, names []string, remove func() error) error {
	b.before()
	return b.Folder.Expire(ctx, names, func() error {
		defer b.after()
		return remove()
	})
}

func TestRetentionAndAPostOfTheSamePath(t *testing.T) {
	t.Parallel()
	none := func() {}
	t.Run("before its row goes", func(t *testing.T) {
		t.Parallel()
		a := newAttic(t)
		path := a.upload(1)[0]
		*a.clock = a.clock.Add(25 * time.Hour)
		images, err := a.AddImages(t.Context(), []string{path})
		if err != nil {
			t.Fatal(err)
		}
		again := func() {
			if _, err := a.RequestRescans(t.Context(), []int64{images[0].ID}, true); err != nil {
				t.Error(err)
			}
		}
		if run, err := a.run(between{a.files, again, none}, noFaces); err != nil || run.Images != 0 {
			t.Errorf("%+v, %v", run, err)
		}
		if images, files := a.left(); images != 1 || files != 1 {
			t.Errorf("%d images and %d files are left", images, files)
		}
	})
	t.Run("between its row and its file", func(t *testing.T) {
		t.Parallel()
		a := newAttic(t)
		path := a.upload(1)[0]
		*a.clock = a.clock.Add(25 * time.Hour)
		again := func() {
			if _, err := a.AddImages(t.Context(), []string{path}); err != nil {
				t.Error(err)
			}
		}
		if run, err := a.run(between{a.files, none, again}, noFaces); err != nil || run.Images != 1 {
			t.Errorf("%+v, %v", run, err)
		}
		if images, files := a.left(); images != 1 || files != 1 {
			t.Errorf("%d images and %d files are left: a row must have its file", images, files)
		}
	})
}

// Without the volume nothing is deleted, because the files would stay.
func TestRetentionWithoutTheVolume(t *testing.T) {
	t.Parallel()
	a := newAttic(t)
	a.upload(2)
	*a.clock = a.clock.Add(25 * time.Hour)
	away := uploads.New(uploads.Options{UnknownPeople: filepath.Join(a.dir, "away"), InUse: a.HasPath, Log: quiet})
	gone := renamed{Folder: away, owner: a.files}
	if run, err := a.run(gone, noFaces); err == nil || run.Images != 0 {
		t.Errorf("%+v, %v", run, err)
	}
	if images, files := a.left(); images != 2 || files != 2 {
		t.Errorf("%d images and %d files are left", images, files)
	}
}

// renamed is a folder that is away.
type renamed struct {
	*uploads.Folder
	owner *uploads.Folder
}

func (r renamed) Owns(path string) bool { return r.owner.Owns(path) }

func TestTwoRunsOfRetentionAtOnce(t *testing.T) {
	t.Parallel()
	a := newAttic(t)
	a.upload(120)
	*a.clock = a.clock.Add(25 * time.Hour)
	runs := make([]faces.RetentionRun, 3)
	var all sync.WaitGroup
	for i := range runs {
		all.Go(func() {
			var err error
			if runs[i], err = a.run(a.files, noFaces); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := runs[0].Images + runs[1].Images + runs[2].Images; n != 120 {
		t.Errorf("%d images were deleted, want each once", n)
	}
	if images, files := a.left(); images != 0 || files != 0 {
		t.Errorf("%d images and %d files are left", images, files)
	}
}
