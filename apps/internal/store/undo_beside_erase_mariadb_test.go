package store_test

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// TestEraseBesideUndo takes somebody away while undoing a decision is about to name
// them. In the end no answer does, whoever came first.
func TestEraseBesideUndo(t *testing.T) {
	t.Parallel()
	erase := func(t *testing.T, s *store.Store, person int64) error {
		_, _, err := s.Erase(t.Context(), store.EraseRequest{ID: erasure.NewID(), Person: person, Version: faces.AnyVersion, Images: erasure.Keep},
			func(erasure.Entry) error { return nil })
		return err
	}
	for name, c := range map[string]struct {
		decide func(t *testing.T, s *store.Store, face int64) (id int64, err error)
		undo   func(t *testing.T, s *store.Store, id int64) error
		leave  func(t *testing.T, s *store.Store, person int64) error
	}{
		"the name of a group, and an erasure": {nameGroupOf, undoGroupName, erase},
		"a correction, and an erasure":        {correctToCleo, undoCorrectionOf, erase},
		"a correction, and a deletion": {correctToCleo, undoCorrectionOf, func(t *testing.T, s *store.Store, person int64) error {
			_, err := s.DeletePerson(t.Context(), person, faces.AnyVersion)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := mariadbtest.Database(t)
			s, raw := openMariaDB(t, db), rawMariaDB(t, db)
			migrate(t, s)
			bob, face := nearBob(t, s, raw)
			decision, err := c.decide(t, s, face)
			if err != nil {
				t.Fatal(err)
			}
			// Matched again meanwhile, the face may have nobody beside who was named.
			execArgs(t, raw, "update faces set second_person_id = -1, second_image = ''")

			blocks := begin(t, raw)
			execTx(t, blocks, "select id from faces where id = ? for update", face)
			undone, left := make(chan error, 1), make(chan error, 1)
			go func() { undone <- c.undo(t, s, decision) }()
			wait.Until(t, "the undoing waits to write", func() bool { return lockWaits(t, raw) == 1 })
			go func() { left <- c.leave(t, s, bob.ID) }()
			wait.Until(t, "the other one waits, or is done", func() bool { return len(left) > 0 || lockWaits(t, raw) == 2 })
			if err := blocks.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(<-undone, <-left); err != nil {
				t.Fatal(err)
			}
			var named int
			err = raw.QueryRowContext(t.Context(), "select (select count(*) from faces where best_person_id = ? or second_person_id = ?) + "+
				"(select count(*) from images where person = ?)", bob.ID, bob.ID, bob.ID).Scan(&named)
			if err != nil || named > 0 {
				t.Errorf("%d answers name somebody who is gone (%v)", named, err)
			}
		})
	}
}

// nearBob makes a face that is as near to Bob as to Carl.
func nearBob(t *testing.T, s *store.Store, raw *sql.DB) (bob faces.Person, face int64) {
	t.Helper()
	if err := s.UseModel(t.Context(), faces.Model{ID: "lite-1", Size: 128, Threshold: 0.6, Margin: 0.05}); err != nil {
		t.Fatal(err)
	}
	bob, carl := personNamed(t, s, "Bob"), personNamed(t, s, "Carl")
	for _, p := range []faces.Person{bob, carl} {
		_, _, err := s.AddKnownPicture(t.Context(), faces.Enrolled{KnownImage: faces.KnownImage{Name: p.Name + "/1.jpg", PersonID: p.ID}, Source: faces.SourcePath})
		if err != nil {
			t.Fatal(err)
		}
	}
	l := claimed(t, s, 1)[0]
	stale, err := s.Finish(t.Context(), []store.Result{{Lease: l, Outcome: faces.Outcome{
		Reason: faces.Uncertain, Width: 800, Height: 600, Model: "lite-1",
		Faces: []faces.Face{{
			Box: faces.Box{Width: 80, Height: 80}, Descriptor: make(faces.Descriptor, 128), Reason: faces.Uncertain, Model: "lite-1",
			Best:   &faces.Candidate{Person: bob, Distance: 0.25, Image: "Bob/1.jpg"},
			Second: &faces.Candidate{Person: carl, Distance: 0.26, Image: "Carl/1.jpg"},
		}},
	}}})
	if err != nil || len(stale) > 0 {
		t.Fatal(stale, err)
	}
	img, err := s.Image(t.Context(), l.ImageID)
	if err != nil {
		t.Fatal(err)
	}
	face = img.Faces[0].ID
	execArgs(t, raw, "insert into face_groups (face_id, model, group_key) values (?, 'lite-1', ?)", face, face)
	execArgs(t, raw, "insert into group_sizes (model, group_key, faces) values ('lite-1', ?, 1)", face)
	return bob, face
}

func nameGroupOf(t *testing.T, s *store.Store, face int64) (int64, error) {
	done, err := s.ChangeGroup(t.Context(), store.GroupStatement{Model: "lite-1", Key: face, Says: store.GroupIs, Name: "Cleo"})
	return done.ID, err
}

func undoGroupName(t *testing.T, s *store.Store, id int64) error {
	_, err := s.UndoGroupChange(t.Context(), id)
	return err
}

func correctToCleo(t *testing.T, s *store.Store, face int64) (int64, error) {
	done, err := s.CorrectFace(t.Context(), faces.Statement{FaceID: face, Name: "Cleo"})
	return done.Correction.ID, err
}

func undoCorrectionOf(t *testing.T, s *store.Store, id int64) error {
	_, err := s.UndoCorrection(t.Context(), id, "")
	return err
}

func execArgs(t *testing.T, raw *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := raw.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// lockWaits counts the statements that do not get on.
func lockWaits(t *testing.T, raw *sql.DB) (n int) {
	t.Helper()
	err := raw.QueryRowContext(t.Context(), "select count(*) from information_schema.processlist "+
		"where db = database() and id <> connection_id() and command = 'Query' and time_ms > 100").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
