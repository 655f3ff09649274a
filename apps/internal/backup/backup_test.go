package backup_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/archive"
	"github.com/rollcall-faces/rollcall/apps/internal/backup"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// writers post, answer, correct and enrol until the context ends. Each round of each is
// one send.
func (s *system) writers(ctx context.Context) (rounds <-chan struct{}, wait func()) {
	done := make(chan struct{})
	var all sync.WaitGroup
	for name, write := range map[string]func(context.Context, int) error{
		"post": func(ctx context.Context, i int) error {
			_, err := s.answered(ctx, fmt.Sprintf("%s/%04d.jpg", unknownPeople, i), "ada.jpg")
			return err
		},
		"correct": func(ctx context.Context, i int) error { return s.correctOne(ctx, i) },
		"enrol": func(ctx context.Context, i int) error {
			e, err := s.enrolled(ctx, fmt.Sprintf("person %d", i))
			if err != nil || i%3 != 0 {
				return err
			}
			// As a receiver deletes: the row, then the file.
			if _, err := s.db.DeleteKnownPicture(ctx, e.PersonID, e.ID); err != nil {
				return err
			}
			return os.Remove(filepath.Join(s.KnownPeople, e.Name))
		},
	} {
		all.Go(func() {
			for i := 1; ctx.Err() == nil; i++ {
				if err := write(ctx, i); err != nil && ctx.Err() == nil {
					s.Errorf("%s: %v", name, err)
					return
				}
				select {
				case done <- struct{}{}:
				default:
				}
			}
		})
	}
	return done, all.Wait
}

// correctOne says something of a face of an image that is answered.
func (s *system) correctOne(ctx context.Context, i int) error {
	page, err := s.db.PageOfImages(ctx, store.Filter{Limit: 20})
	if err != nil {
		return err
	}
	for _, listed := range page.Images {
		img, err := s.db.Image(ctx, listed.ID)
		if err != nil {
			return err
		}
		if len(img.Faces) == 0 {
			continue
		}
		_, err = s.db.CorrectFace(ctx, faces.Statement{FaceID: img.Faces[i%len(img.Faces)].ID, Name: fmt.Sprintf("corrected %d", i%5)})
		if faces.ErrorCode(err) == faces.CodeMissing || faces.ErrorCode(err) == faces.CodeConflict {
			return nil
		}
		return err
	}
	return nil
}

// A backup that is taken while others write is as the database was at one moment, and a
// restore has each of its rows and files.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *system) {
		from := open(t).migrated()
		must(t, writeFile(from.KnownPeople, "Grace/1.jpg", []byte("not enrolled yet")))
		must(t, writeFile(from.KnownPeople, "ada.jpg", []byte("ada")))
		_, err := from.db.SyncKnownImages(t.Context(), map[string]string{"ada.jpg": "Ada"}, func(string) bool { return false })
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		rounds, wait := from.writers(ctx)
		for from.count("select count(*) from images") < 10 || from.count("select count(*) from person_images") < 5 || from.count("select count(*) from corrections") < 5 {
			select {
			case <-rounds:
			case <-t.Context().Done():
				t.Fatal("nobody writes")
			}
		}
		data, taken := from.take(func(o *backup.Options) {
			o.Before = func(step string) error {
				if step == "table faces" { // a pod that starts meanwhile does not wait
					if _, err := from.db.Migrate(t.Context(), from.UnknownPeople); err != nil {
						return err
					}
				}
				select { // each table is read after others have written again
				case <-rounds:
				case <-t.Context().Done():
				}
				return nil
			}
		})
		stop()
		wait()

		head, end, err := backup.Verify(strings.NewReader(string(data)), nil)
		must(t, err)
		if diff := cmp.Diff(taken.End, end); diff != "" || head.Schema != store.SchemaVersion {
			t.Errorf("verify (-taken +verified): schema %d\n%s", head.Schema, diff)
		}
		if now := from.count("select count(*) from images"); rowsOf(end, "images") == 0 || int64(now) <= rowsOf(end, "images") {
			t.Errorf("%d images were backed up, %d are there at the end: nobody wrote meanwhile", rowsOf(end, "images"), now)
		}
		to := open(t)
		done, err := to.restore(data)
		must(t, err)
		if done.LeftOut > 3 { // one at most for each look at the rows; their rows are gone
			t.Errorf("left out: %d", done.LeftOut)
		}
		must(t, to.db.Ping(t.Context()))
		_, again := to.take()
		if diff := cmp.Diff(end.Tables, again.Tables); diff != "" {
			t.Errorf("the restored tables (-archive +restored):\n%s", diff)
		}
		to.checkInvariants()
		to.checkKnownFiles()
		if got := contents(t, to.KnownPeople); got["Grace/1.jpg"] != "not enrolled yet" || got["ada.jpg"] != "ada" {
			t.Errorf("files of people's folders: %v", got)
		}
		// Writing goes on, with ids that nobody had.
		id, err := to.answered(t.Context(), unknownPeople+"/later.jpg", "ada.jpg")
		must(t, err)
		if last := tableOf(end, "images").NextID; id < last {
			t.Errorf("a new image has the id %d, and the backup goes up to %d", id, last)
		}
	})
}

func tableOf(e archive.End, name string) archive.Table {
	i := slices.IndexFunc(e.Tables, func(t archive.Table) bool { return t.Name == name })
	if i < 0 {
		return archive.Table{}
	}
	return e.Tables[i]
}

func rowsOf(e archive.End, name string) int64 { return tableOf(e, name).Rows }

// checkInvariants finds the halves of transactions.
func (s *system) checkInvariants() {
	s.Helper()
	for what, query := range map[string]string{
		"faces without an image":                 "select count(*) from faces where image_id not in (select id from images)",
		"answers without faces":                  "select count(*) from images where reason = 'identified' and id not in (select image_id from faces)",
		"corrections without an image":           "select count(*) from corrections where image_id not in (select id from images)",
		"corrections that their face ignores":    "select count(*) from corrections c where undone_at is null and kind = '' and not exists (select 1 from faces f where f.image_id = c.image_id and f.corrected <> 0)",
		"known pictures of nobody":               "select count(*) from person_images where person_id not in (select id from person)",
		"images without the event of their post": "select count(*) from images where id not in (select image_id from outbox where type = 'image.accepted') and id not in (select image_id from events where type = 'image.accepted')",
		"events without their change":            "select count(*) from outbox where type = 'person.created' and person_id not in (select id from person)",
	} {
		if n := s.count(query); n != 0 {
			s.Errorf("%s: %d", what, n)
		}
	}
}

// checkKnownFiles compares the rows of known pictures that Rollcall wrote with their files.
func (s *system) checkKnownFiles() {
	s.Helper()
	there := contents(s.T, s.KnownPeople)
	rows, err := s.raw.QueryContext(s.Context(), "select image_name from person_images where source = 'upload'")
	must(s.T, err)
	defer rows.Close()
	named := map[string]bool{}
	for rows.Next() {
		var name string
		must(s.T, rows.Scan(&name))
		named[name] = true
		if there[name] == "" {
			s.Errorf("a row has no file")
		}
	}
	must(s.T, rows.Err())
	for name := range there {
		if strings.HasPrefix(name, faces.WrittenFolder) && !named[name] {
			s.Errorf("a file has no row")
		}
	}
	if len(named) == 0 {
		s.Error("nobody was enrolled")
	}
}

// Whoever is erased after the backup does not come back with it.
func TestRestoreBringsNobodyBack(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *system) {
		from := open(t).migrated()
		gone, err := from.enrolled(t.Context(), "Erika")
		must(t, err)
		kept, err := from.enrolled(t.Context(), "Ada")
		must(t, err)
		image, err := from.answered(t.Context(), unknownPeople+"/a.jpg", gone.Name)
		must(t, err)
		data, _ := from.take()
		entry := from.erase(gone.PersonID)
		newer, taken := from.take()
		if taken.Files.Ledger.Files != 1 || taken.Files.Known.Files != 1 {
			t.Errorf("a later backup has %+v", taken.Files)
		}

		for name, restore := range map[string]func(to *system) (backup.Restored, error){
			"by the ledger on the volume": func(to *system) (backup.Restored, error) {
				must(t, os.CopyFS(filepath.Join(to.KnownPeople, ".rollcall-erased"), os.DirFS(filepath.Join(from.KnownPeople, ".rollcall-erased"))))
				return to.restore(data)
			},
			"by a ledger of its own": func(to *system) (backup.Restored, error) {
				return to.restore(data, func(o *backup.RestoreOptions) { o.Ledger = append(o.Ledger, entry) })
			},
		} {
			to := open(t)
			done, err := restore(to)
			must(t, err)
			if done.Erased != 1 || done.LeftOut != 1 {
				t.Errorf("%s: %d erasures, %d files left out", name, done.Erased, done.LeftOut)
			}
			if n := to.count("select count(*) from person where name = 'Erika'"); n != 0 {
				t.Errorf("%s: the person is back", name)
			}
			img, err := to.db.Image(t.Context(), image)
			must(t, err)
			if len(img.Faces) != 1 || img.Faces[0].Person != nil {
				t.Errorf("%s: the image has %d faces", name, len(img.Faces))
			}
			got := contents(t, to.KnownPeople)
			if got[gone.Name] != "" || got[kept.Name] == "" || got[".rollcall-erased/"+entry.ID+".json"] == "" {
				t.Errorf("%s: %d files in the folder of known people", name, len(got))
			}
		}
		// The archive has its own ledger, too.
		to := open(t)
		done, err := to.restore(newer)
		must(t, err)
		if got := contents(t, to.KnownPeople); done.Erased != 0 || got[".rollcall-erased/"+entry.ID+".json"] == "" {
			t.Errorf("of a later backup: %d erasures, %d files", done.Erased, len(got))
		}
	})
}

// An interrupted restore says so, and can be begun again.
func TestRestoreIsInterrupted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *system) {
		from := open(t).migrated()
		_, err := from.enrolled(t.Context(), "Ada")
		must(t, err)
		data, taken := from.take()
		killed := errors.New("killed")
		to := open(t).migrated() // an init container has made the tables
		for _, step := range []string{"rows", "complete", "files", "finish"} {
			_, err := to.restore(data, func(o *backup.RestoreOptions) {
				o.Before = func(at string) error {
					if at == step {
						return killed
					}
					return nil
				}
			})
			if !errors.Is(err, killed) {
				t.Fatalf("killed before %s: %v", step, err)
			}
			_, migrate := to.db.Migrate(t.Context(), to.UnknownPeople)
			for what, err := range map[string]error{"ready": to.db.Ping(t.Context()), "migrate": migrate} {
				if err == nil || !strings.Contains(err.Error(), "run the restore again") {
					t.Errorf("killed before %s: %s: %v", step, what, err)
				}
			}
			if _, err := backup.Take(t.Context(), to.db, backup.Options{Folders: to.Folders, Log: quiet}, new(strings.Builder)); err == nil {
				t.Errorf("killed before %s: half a system was backed up", step)
			}
		}
		_, err = to.restore(data)
		must(t, err)
		must(t, to.db.Ping(t.Context()))
		_, again := to.take()
		if diff := cmp.Diff(taken.Tables, again.Tables); diff != "" {
			t.Errorf("tables (-archive +restored):\n%s", diff)
		}
	})
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *system) {
		from := open(t).migrated()
		e, err := from.enrolled(t.Context(), "Ada")
		must(t, err)
		data, _ := from.take()
		for _, c := range []struct {
			name, want string
			prepare    func(to *system)
			replace    bool // helps
		}{
			{"rows", "not empty", func(to *system) { to.exec("insert into person (name) values ('Bob')") }, true},
			{"files", "not empty", func(to *system) { must(t, writeFile(to.KnownPeople, "Bob/1.jpg", []byte("bob"))) }, true},
			{"another content", "another content", func(to *system) { must(t, writeFile(to.KnownPeople, e.Name, []byte("other"))) }, true},
			{"running programs", "programs use this database (processor)", func(to *system) {
				must(t, to.db.NoteProgram(t.Context(), "processor", "p1", []byte("{}")))
			}, false},
			{"a newer schema", "use the newer program", func(to *system) {
				to.exec("insert into schema_migrations (version, name, applied_at) values (999, 'x', ?)", time.Now())
			}, false},
		} {
			to := open(t).migrated()
			c.prepare(to)
			files, people := contents(t, to.KnownPeople), to.count("select count(*) from person")
			_, err := to.restore(data)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
			if diff := cmp.Diff(files, contents(t, to.KnownPeople)); diff != "" || people != to.count("select count(*) from person") {
				t.Errorf("%s: something was changed:\n%s", c.name, diff)
			}
			_, err = to.restore(data, func(o *backup.RestoreOptions) { o.Replace = true })
			if (err == nil) != c.replace {
				t.Errorf("%s, and -replace: %v", c.name, err)
			}
			if err == nil && to.count("select count(*) from person") != 1 {
				t.Errorf("%s, and -replace: there are other people", c.name)
			}
		}
	})
}

// A known picture whose file is gone is no reason to have no backup, and neither is a
// folder that has lost all of them taken for an answer.
func TestMissingFiles(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *system) {
		from := open(t).migrated()
		ada, err := from.enrolled(t.Context(), "Ada")
		must(t, err)
		bob, err := from.enrolled(t.Context(), "Bob")
		must(t, err)
		must(t, os.Remove(filepath.Join(from.KnownPeople, ada.Name)))
		if _, taken := from.take(); taken.Files.Missing != 1 || taken.Files.Known.Files != 1 {
			t.Errorf("files: %+v", taken.Files)
		}
		must(t, os.Remove(filepath.Join(from.KnownPeople, bob.Name)))
		_, err = backup.Take(t.Context(), from.db, backup.Options{Folders: from.Folders, Log: quiet}, new(strings.Builder))
		if err == nil || !strings.Contains(err.Error(), "is its volume mounted?") {
			t.Errorf("without any file: %v", err)
		}
	})
}

// Uploaded pictures come with a backup on request.
func TestUploadedPictures(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *system) {
		from := open(t).migrated()
		first := from.upload("first")
		old := time.Date(2020, 2, 3, 4, 5, 6, 789, time.UTC)
		must(t, os.Chtimes(filepath.Join(from.UnknownPeople, first), old, old))
		_, taken := from.take()
		if taken.Files.Pictures.Files != 0 || taken.Uploaded.Files != 1 {
			t.Errorf("without pictures: %+v, %+v", taken.Files, taken.Uploaded)
		}
		var second string
		data, taken := from.take(func(o *backup.Options) {
			o.Pictures = true
			o.Before = func(step string) error {
				if step == "snapshot" { // after the first look
					second = from.upload("second")
				}
				return nil
			}
		})
		if taken.Files.Pictures.Files != 2 {
			t.Errorf("with pictures: %+v", taken.Files)
		}
		to := open(t)
		to.UnknownPeople = from.UnknownPeople + "-restored" // its parent is the test's
		must(t, os.Mkdir(to.UnknownPeople, 0o700))
		t.Cleanup(func() { must(t, os.RemoveAll(to.UnknownPeople)) })
		_, err := to.restore(data)
		must(t, err)
		got := contents(t, to.UnknownPeople)
		if got[first] == "" || got[second] == "" {
			t.Errorf("pictures: %d", len(got))
		}
		info, err := os.Stat(filepath.Join(to.UnknownPeople, first))
		must(t, err)
		if !info.ModTime().Equal(old) {
			t.Errorf("the picture is of %s, and not of %s: it looks changed", info.ModTime(), old)
		}
	})
}
