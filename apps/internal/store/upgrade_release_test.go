package store_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// testdata/release-0.1.0.*.sql are databases that release 0.1.0 filled: the
// faces that its detector finds in 25 photographs, each of them corrected by a
// person, and pictures with every other outcome.
//
// Face number k belongs to Person k. Where k is 1 more than a multiple of 3, it
// was said not to be Person k; else it was said to be.

// onReleaseBefore runs a test on databases that release 0.1.0 filled and that
// were upgraded since.
func onReleaseBefore(t *testing.T, test func(t *testing.T, s *store.Store, raw *sql.DB)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "rollcall.db")
		raw := rawSQLite(t, file)
		fillFrom(t, raw, "testdata/release-0.1.0.sqlite.sql")
		s := openSQLite(t, file)
		migrate(t, s)
		test(t, s, raw)
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		db := mariadbtest.Database(t)
		raw := rawMariaDB(t, db)
		fillFrom(t, raw, "testdata/release-0.1.0.mariadb.sql")
		s := openMariaDB(t, db)
		migrate(t, s)
		test(t, s, raw)
	})
}

// fillFrom runs the statements of a file. A semicolon at the end of a line ends
// each.
func fillFrom(t *testing.T, raw *sql.DB, name string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := raw.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range strings.Split(strings.TrimSpace(forServer(t, raw, name, string(text))), ";\n") {
		if _, err := tx.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%.200s: %v", statement, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// forServer turns a dump of MariaDB into one that MySQL takes, where raw is that.
func forServer(t *testing.T, raw *sql.DB, name, text string) string {
	t.Helper()
	if !strings.HasSuffix(name, ".mariadb.sql") || strings.Contains(textsOf(t, raw, "select version()")[0], "MariaDB") {
		return text
	}
	return strings.NewReplacer(
		"utf8mb4_nopad_bin", "utf8mb4_0900_bin",
		" COLLATE=utf8mb4_general_ci", "", // each server's own
		"DEFAULT utc_timestamp(6)", "DEFAULT (utc_timestamp(6))",
	).Replace(text)
}

// photograph is one of the pictures of the filled databases.
type photograph struct {
	Picture string
	HOG     []faces.Box // as release 0.1.0 finds its faces
	YuNet   []faces.Box `json:"yunet_640"` // as this release finds them
	first   int         // the number of its first face
}

func photographs(t *testing.T) []photograph {
	t.Helper()
	text, err := os.ReadFile("../faces/testdata/boxes.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []photograph
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range list {
		list[i].first = n
		n += len(list[i].HOG)
	}
	return list
}

// saidOf is whom a face shows, by the correction of it.
func saidOf(k int) string {
	if k%3 == 1 {
		return string(faces.UnknownPerson)
	}
	return fmt.Sprintf("Person %02d", k)
}

func who(f faces.Face) string {
	if f.Person != nil {
		return f.Person.Name
	}
	return string(f.Reason)
}

func imageAt(t *testing.T, s *store.Store, path string) faces.Image {
	t.Helper()
	images, err := s.AddImages(t.Context(), []string{"/unknown_people/" + path + ".jpg"})
	if err != nil {
		t.Fatal(err)
	}
	img, err := s.Image(t.Context(), images[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// The answers and the corrections of the release before stand after the upgrade.
func TestUpgradeKeepsAnswers(t *testing.T) {
	t.Parallel()
	onReleaseBefore(t, func(t *testing.T, s *store.Store, raw *sql.DB) {
		corrections := 0
		for _, p := range photographs(t) {
			img := imageAt(t, s, p.Picture)
			if img.Model != "lite-1" && len(p.HOG) > 0 || !img.File.IsZero() || img.Rescan != (faces.Rescan{}) || len(img.Faces) != len(p.HOG) {
				t.Errorf("%s: %+v", p.Picture, img)
				continue
			}
			for i, f := range img.Faces {
				if got, want := who(f), saidOf(p.first+i); got != want || !f.Corrected {
					t.Errorf("%s, face %d: %s, want %s", p.Picture, i, got, want)
				}
				said, err := s.FaceCorrections(t.Context(), f.ID)
				if err != nil || len(said) != 1 {
					t.Errorf("%s, face %d: corrections %v, %v", p.Picture, i, said, err)
				}
				corrections += len(said)
			}
		}
		if corrections != 50 {
			t.Errorf("%d corrections, want 50", corrections)
		}
		for _, r := range []faces.Reason{faces.NotFound, faces.CorruptImage, faces.UnsupportedFormat, faces.Timeout} {
			if img := imageAt(t, s, string(r)); img.Reason != r || img.Detail != "why "+string(r) {
				t.Errorf("%s: %+v", r, img)
			}
		}
		if img := imageAt(t, s, "queued"); img.Reason != faces.Queued {
			t.Errorf("queued: %+v", img)
		}
		if img := imageAt(t, s, "original"); img.Reason != faces.Identified || img.Person == nil {
			t.Errorf("written by an original program: %+v", img)
		}
		claim, err := s.Claim(t.Context(), "test", []int64{imageAt(t, s, "at-work").ID, imageAt(t, s, "queued").ID}, time.Minute)
		if err != nil || len(claim.Claimed) != 2 {
			t.Errorf("what was at work or waited: %+v, %v", claim, err)
		}
		// Programs of the release before go on beside us.
		execRaw(t, raw,
			"insert into images (path, person, status) values ('/unknown_people/new.jpg', -1, 0)",
			"insert into models (id, threshold, margin, official, last_used) values ('old-2', 0.4, 0.03, 0, '2026-10-03 00:00:00')",
			"update images set status = 3, reason = '', lease_owner = 'old', lease_token = 7, attempts = 1 where path like '%new.jpg'",
			"update images set status = 1, reason = 'identified', person = 1, model = 'old-2', lease_token = 0 where path like '%new.jpg'",
		)
		if img := imageAt(t, s, "new"); img.Person == nil || img.Person.Name != "Person 00" || !img.File.IsZero() {
			t.Errorf("answered by the release before: %+v", img)
		}
	})
}

// The rescan that the new model set starts looks at all pictures of the release
// before, and every correction that was made with it survives.
func TestUpgradeRescansWithCorrections(t *testing.T) {
	t.Parallel()
	onReleaseBefore(t, func(t *testing.T, s *store.Store, _ *sql.DB) {
		ctx := t.Context()
		token, ok, err := s.LeaseRematch(ctx, "test", 0, time.Hour)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		for _, id := range []string{"lite-1", "trial-0"} {
			if _, started, err := s.AgreeOnModel(ctx, token, faces.Model{ID: id}, true); err != nil || started {
				t.Errorf("the set %s of the release before starts a rescan: %v, %v", id, started, err)
			}
		}
		set := faces.Model{ID: "dlib-mobilefacenet-1", Size: 320, Threshold: 0.9, Margin: 0.05}
		job, started, err := s.AgreeOnModel(ctx, token, set, true)
		if err != nil || !started {
			t.Fatalf("the new set starts no rescan: %v, %v", started, err)
		}
		if job, err = s.BeginRescan(ctx, token, job.ID, set.ID); err != nil {
			t.Fatal(err)
		}
		ids, _, err := s.TakeRescanImages(ctx, token, job.ID, math.MaxInt32)
		if err != nil || int64(len(ids)) != job.Total {
			t.Fatalf("took %d of %d images: %v", len(ids), job.Total, err)
		}
		list := photographs(t)
		for _, id := range ids {
			lookAgain(t, s, id, list, set)
		}
		for _, p := range list {
			checkCorrected(t, s, p)
		}
		if job, err = s.FinishRescan(ctx, token, job.ID); err != nil || job.Done != job.Total || job.Unplaced != 0 || job.FacesFound < 6 {
			t.Errorf("the rescan: %+v, %v", job, err)
		}
	})
}

// Programs of the release before do not note that recognizers of their set are
// in use again. What those answered is looked at again all the same once the new
// release is back, and once only.
func TestUpgradeRescansAfterGoingBack(t *testing.T) {
	t.Parallel()
	onReleaseBefore(t, func(t *testing.T, s *store.Store, raw *sql.DB) {
		ctx := t.Context()
		token, ok, err := s.LeaseRematch(ctx, "test", 0, time.Hour)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		set := faces.Model{ID: "dlib-mobilefacenet-1", Size: 320, Threshold: 0.9, Margin: 0.05}
		agree := func(auto bool) (history.Rescan, bool) {
			t.Helper()
			job, started, err := s.AgreeOnModel(ctx, token, set, auto)
			if err != nil {
				t.Fatal(err)
			}
			return job, started
		}
		first, started := agree(true)
		if !started {
			t.Fatal("the new set starts no rescan")
		}
		if _, started := agree(true); started {
			t.Error("another processor starts a second rescan")
		}
		goBack := func() {
			t.Helper()
			execRaw(t, raw, "update models set last_used = '2199-01-01 00:00:00' where id = 'lite-1'")
		}
		goBack()
		if _, started := agree(false); started {
			t.Error("a rescan starts, though that is off")
		}
		if _, err := s.ChangeRescanState(ctx, first.ID, history.RescanPaused); err != nil {
			t.Fatal(err)
		}
		if _, started := agree(true); started {
			t.Error("a rescan that somebody paused is superseded")
		}
		if _, err := s.ChangeRescanState(ctx, first.ID, history.RescanWaiting); err != nil {
			t.Fatal(err)
		}
		second, started := agree(true)
		if !started || second.ID == first.ID || second.Model != set.ID {
			t.Errorf("what the release before answered meanwhile is not looked at again: %+v, %v", second, started)
		}
		if first, err = s.Rescan(ctx, first.ID); err != nil || first.State != history.RescanSuperseded {
			t.Errorf("the rescan that was at work before: %+v, %v", first, err)
		}
		execRaw(t, raw, "update models set last_used = '2001-01-01 00:00:00' where id = 'lite-1'")
		if _, started := agree(true); started {
			t.Error("another processor starts a third rescan")
		}
	})
}

// lookAgain answers an image as the new release does. The known pictures say
// the contrary of the corrections, so that only these can be right.
func lookAgain(t *testing.T, s *store.Store, id int64, list []photograph, set faces.Model) {
	t.Helper()
	ctx := t.Context()
	c, err := s.Claim(ctx, "test", []int64{id}, time.Minute)
	if err != nil || len(c.Claimed) != 1 {
		t.Fatalf("claim image %d: %+v, %v", id, c, err)
	}
	l := c.Claimed[0]
	owners, err := s.AllOwners(ctx)
	if err != nil {
		t.Fatal(err)
	}
	said, err := s.Corrections(ctx, []int64{id})
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSuffix(strings.TrimPrefix(l.Path, "/unknown_people/"), ".jpg")
	seen := faces.Recognition{Width: 4000, Height: 4000, Model: set, Gallery: "g2"}
	if i := slices.IndexFunc(list, func(p photograph) bool { return p.Picture == name }); i >= 0 {
		for _, box := range list[i].YuNet {
			sighting := faces.Sighting{Box: box, Descriptor: make(faces.Descriptor, 320)}
			if k := list[i].faceAt(box); k >= 0 && k%3 == 1 {
				sighting.Neighbours = []faces.Neighbour{{Image: fmt.Sprintf("person%02d/1.jpg", k), Distance: 0.25}}
			}
			seen.Sightings = append(seen.Sightings, sighting)
		}
	}
	out := faces.Decide(seen, func(image string) (faces.Person, bool) { p, ok := owners[image]; return p, ok }, said...)
	if stale, err := s.Finish(ctx, []store.Result{{Lease: l.Lease, Outcome: out}}); err != nil || len(stale) > 0 {
		t.Fatalf("finish image %d: %v, %v", id, stale, err)
	}
}

// faceAt returns the number of the face that is at a box of the new detector, or
// -1 where the old one did not find it.
func (p photograph) faceAt(box faces.Box) int {
	best, overlap := -1, 0.3
	for i, b := range p.HOG {
		if o := b.Overlap(box); o > overlap {
			best, overlap = p.first+i, o
		}
	}
	return best
}

func checkCorrected(t *testing.T, s *store.Store, p photograph) {
	t.Helper()
	img := imageAt(t, s, p.Picture)
	got, want := map[int]string{}, map[int]string{}
	for i := range p.HOG {
		want[p.first+i] = saidOf(p.first + i)
	}
	for _, f := range img.Faces {
		k := p.faceAt(f.Box)
		if k < 0 {
			if f.Corrected {
				t.Errorf("%s: a face that was not found before is corrected: %+v", p.Picture, f)
			}
			continue
		}
		got[k] = who(f)
		if !f.Corrected {
			got[k] += ", without its correction"
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(img.Faces) != len(p.YuNet) {
		t.Errorf("%s, %d faces (-want +got):\n%s", p.Picture, len(img.Faces), diff)
	}
}
