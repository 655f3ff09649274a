package processor_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

var annsFile = faces.File{Size: 7, Modified: 1, SHA256: "aa"}

// isAnn is an answer in which Ann is named.
func isAnn() faces.Recognition {
	seen := near(faces.Neighbour{Image: "ann/1.jpg", Distance: 0.4})
	seen.File = annsFile
	return seen
}

// TestRescan is about images that have an answer and are looked at again.
func TestRescan(t *testing.T) {
	t.Parallel()
	changed := near()
	changed.File = faces.File{Size: 8, Modified: 2, SHA256: "bb"}
	touched := faces.Recognition{Model: lite, Unchanged: true, File: faces.File{Size: 7, Modified: 3, SHA256: "aa"}}
	for _, c := range []struct {
		name        string
		onlyChanged bool
		again       faces.Recognition
		err         error
		wantKnown   faces.File
		wantReason  faces.Reason
		wantRescan  faces.Rescan
		wantFile    faces.File
		wantResult  string
	}{
		{
			name: "changed", onlyChanged: true, again: changed, wantKnown: annsFile,
			wantReason: faces.UnknownPerson, wantFile: changed.File, wantResult: "answered",
		},
		{
			name: "unchanged", onlyChanged: true, again: touched, wantKnown: annsFile,
			wantReason: faces.Identified, wantFile: touched.File, wantResult: "unchanged",
		},
		{name: "whatever the file", again: changed, wantReason: faces.UnknownPerson, wantFile: changed.File, wantResult: "answered"},
		{
			name: "the file is away", onlyChanged: true, err: faces.Fault(faces.NotFound, "there is no such file"), wantKnown: annsFile,
			wantReason: faces.Identified, wantFile: annsFile, wantResult: "failed",
			wantRescan: faces.Rescan{State: faces.RescanFailed, Reason: faces.NotFound, Detail: "there is no such file"},
		},
		{
			name: "the recognizer fails on it", err: faces.Fault(faces.Internal, "it failed"),
			wantReason: faces.Identified, wantFile: annsFile, wantResult: "failed",
			wantRescan: faces.Rescan{State: faces.RescanFailed, Reason: faces.Internal, Detail: "it failed"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := newDatabase(t)
				enrol(t, db)
				answers := []faces.Recognition{isAnn(), c.again}
				first := true
				rec := newRecognizer(func(context.Context, string) (faces.Recognition, error) {
					if first {
						first = false
						return answers[0], nil
					}
					return c.again, c.err
				})
				q := newMemoryQueue(t, db)
				r := newRig(t, db, rec, options()).start(t)
				q.attach(r.Processor)
				id := db.add(t, 1)[0]
				q.publish(id)
				q.awaitFinished(id)

				if _, err := db.RequestRescans(t.Context(), []int64{id}, c.onlyChanged); err != nil {
					t.Fatal(err)
				}
				q.publish(id)
				await(t, "the image was looked at again", func() bool { return db.image(t, id).Rescan.State != faces.RescanWaiting })
				img := db.image(t, id)
				if img.Reason != c.wantReason || img.File != c.wantFile {
					t.Errorf("got %s of %+v, want %s of %+v", img.Reason, img.File, c.wantReason, c.wantFile)
				}
				img.Rescan.Since = c.wantRescan.Since
				if diff := cmp.Diff(c.wantRescan, img.Rescan); diff != "" {
					t.Errorf("rescan (-want +got):\n%s", diff)
				}
				if known := rec.known[img.Path]; known != c.wantKnown {
					t.Errorf("asked with %+v, want %+v", known, c.wantKnown)
				}
				await(t, "it is counted", func() bool { return r.count(t, "rollcall_rescanned_images_total", c.wantResult) == 1 })
			})
		})
	}
}

// A recognizer of another model set than a rescan wants answers in vain.
func TestRescanWantsItsModelSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		db := newDatabase(t)
		enrol(t, db)
		model := lite
		rec := newRecognizer(nil)
		rec.recognize = func(_ context.Context, path string) (faces.Recognition, error) {
			seen := isAnn()
			seen.Model = model
			if rec.calls[path] == 3 { // the rollout is over
				seen.Model.ID = "new"
			}
			return seen, nil
		}
		q := newMemoryQueue(t, db)
		q.attach(newRig(t, db, rec, options()).start(t).Processor)
		id := db.add(t, 1)[0]
		q.publish(id)
		q.awaitFinished(id)

		token, _, err := db.LeaseRematch(ctx, "test", 0, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		job, err := db.RequestRescan(ctx, "new", false)
		if err == nil {
			_, err = db.BeginRescan(ctx, token, job.ID, "new")
		}
		if err == nil {
			_, _, err = db.TakeRescanImages(ctx, token, job.ID, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		q.publish(id)
		await(t, "the new set's answer", func() bool { return db.image(t, id).Model == "new" })
		if pauses := q.pausesOf(id); len(pauses) != 1 || pauses[0] == 0 {
			t.Errorf("handed back with the pauses %v, want one", pauses)
		}
		if job, err := db.Rescan(ctx, job.ID); err != nil || job.Done != 1 {
			t.Errorf("the rescan: %+v, %v", job, err)
		}
	})
}
