package processor_test

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/volume"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// An answer that is finished while the disk is full is kept, and written when
// there is room.
func TestFullDiskLosesNoAnswer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	volume.Mount(t, dir, 3<<20)
	db := databaseIn(t, dir)
	ids := db.add(t, 12)
	ballast := filepath.Join(dir, "ballast")
	var full atomic.Bool
	rec := newRecognizer(func(ctx context.Context, path string) (faces.Recognition, error) {
		if full.CompareAndSwap(false, true) { // once images are leased
			fill(t, ballast)
		}
		seen, err := nobody(ctx, path)
		for i := range 20 { // more than the pages that are there hold
			seen.Sightings = append(seen.Sightings, faces.Sighting{Box: faces.Box{X: i, Width: 30, Height: 40}, Descriptor: make(faces.Descriptor, 512)})
		}
		return seen, err
	})
	st := &refusals{Store: db}
	p := newRig(t, st, rec, options()).start(t)
	q := newMemoryQueue(t, db)
	q.attach(p.Processor)
	q.publish(ids...)
	await(t, "finished answers have no room", func() bool { return st.unavailable.Load() > 0 })
	if got := db.Problem(t.Context()); got != store.Full {
		t.Errorf("the database's problem is %q, want full", got)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-o", "remount,size=64m", dir).CombinedOutput(); err != nil {
		t.Fatalf("make room: %v: %s", err, out)
	}
	q.awaitFinished(ids...)
	for _, id := range ids {
		img := db.image(t, id)
		if img.Reason != faces.UnknownPerson || len(img.Faces) != 20 {
			t.Errorf("image %d is %s with %d faces, want unknown_person with 20", id, img.Reason, len(img.Faces))
		}
		if n := rec.calls[img.Path]; n != 1 {
			t.Errorf("image %d was asked about %d times, want once: a finished answer is kept", id, n)
		}
	}
}

// refusals is a store that counts the outcomes it cannot take for the moment.
type refusals struct {
	processor.Store
	unavailable atomic.Int64
}

func (r *refusals) Finish(ctx context.Context, results []store.Result) ([]int64, error) {
	stale, err := r.Store.Finish(ctx, results)
	if faces.ErrorCode(err) == faces.CodeUnavailable {
		r.unavailable.Add(1)
	}
	return stale, err
}

func databaseIn(t *testing.T, dir string) *database {
	t.Helper()
	file := filepath.Join(dir, "rollcall.db")
	s, err := store.OpenSQLite(file)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, s.Close)
	raw, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=synchronous(OFF)")
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, raw.Close)
	return migrated(t, &database{Store: s, raw: raw})
}

// fill writes a file until the disk is full.
func fill(t *testing.T, name string) {
	f, err := os.Create(name)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
}
