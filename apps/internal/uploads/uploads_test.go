package uploads_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/uploads"
)

// rig is a folder of uploads and the paths that have rows.
type rig struct {
	t      *testing.T
	root   string
	rows   map[string]bool
	err    error // of the database
	asked  int   // times
	folder *uploads.Folder
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, root: t.TempDir(), rows: map[string]bool{}}
	r.folder = r.open()
	return r
}

// open returns the folder as another process has it.
func (r *rig) open() *uploads.Folder {
	return uploads.New(uploads.Options{
		UnknownPeople: r.root, MaxFile: 1 << 20, Log: slog.New(slog.DiscardHandler),
		InUse: func(_ context.Context, path string) (bool, error) {
			r.asked++
			return r.rows[path], r.err
		},
	})
}

func (r *rig) begin(f *uploads.Folder) *uploads.Batch {
	r.t.Helper()
	b, err := f.Begin()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(b.Close)
	return b
}

func (r *rig) add(b *uploads.Batch, text string) string {
	r.t.Helper()
	path, err := b.Add(strings.NewReader("\xff\xd8\xff" + text))
	if err != nil {
		r.t.Fatal(err)
	}
	return path
}

// upload stores a file with its row.
func (r *rig) upload(text string) string {
	r.t.Helper()
	b := r.begin(r.folder)
	defer b.Close()
	path := r.add(b, text)
	r.must(b.Publish())
	r.rows[path] = true
	if _, err := b.Confirm(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// entries are the names in uploads/, without those of the work folders' random ends.
func (r *rig) entries() (files, works int) {
	r.t.Helper()
	err := filepath.WalkDir(r.root+"/uploads", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && strings.HasPrefix(e.Name(), ".tmp-"):
			works++
		case !e.IsDir() && e.Name() != "lock":
			files++
		}
		return nil
	})
	r.must(err)
	return files, works
}

func (r *rig) expect(what string, files, works int) {
	r.t.Helper()
	if f, w := r.entries(); f != files || w != works {
		r.t.Errorf("%s: %d files and %d work folders, want %d and %d", what, f, w, files, works)
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// What a process that was killed has left goes at the start of the next one, and what
// one that lives is writing stays.
func TestTidy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(r.folder.Tidy(t.Context())) // there is no folder yet
	alive := r.begin(r.folder)
	path := r.add(alive, "alive")
	old := time.Now().Add(-2 * time.Hour)
	left := func(name string, locked bool, age time.Time) string {
		folder := r.root + "/uploads/" + name
		r.must(os.MkdirAll(folder, 0o750))
		r.must(os.WriteFile(folder+"/1-1", []byte("half a file"), 0o600))
		if locked {
			r.must(os.WriteFile(folder+"/lock", nil, 0o600))
			r.must(os.Chtimes(folder+"/lock", age, age))
		}
		r.must(os.Chtimes(folder+"/1-1", age, age))
		r.must(os.Chtimes(folder, age, age))
		return folder
	}
	host, err := os.Hostname()
	r.must(err)
	host = strings.ReplaceAll(host, "-", "_")
	gone := []string{
		left(".tmp-"+host+"-KILLED", true, time.Now()),
		left(".tmp-"+host+"-NOLOCK", false, old),
		left(".tmp-elsewhere-OLD", true, old),
	}
	stay := []string{left(".tmp-elsewhere-AT_WORK", true, time.Now()), left(".tmp-"+host+"-STARTING", false, time.Now())}
	r.must(r.open().Tidy(t.Context()))
	for _, folder := range gone {
		if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", folder, err)
		}
	}
	for _, folder := range stay {
		if _, err := os.Stat(folder); err != nil {
			t.Error(err)
		}
	}
	r.must(alive.Publish())
	if !isFile(path) {
		t.Error("the file of the process that lives is gone")
	}
}

// A work folder that somebody deletes while it is in use is made again.
func TestWorkFolderIsDeleted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upload("first")
	works, err := filepath.Glob(r.root + "/uploads/.tmp-*")
	r.must(err)
	for _, w := range works {
		r.must(os.RemoveAll(w))
	}
	r.upload("second")
	r.expect("in the end", 2, 1)
}

// A deletion that was interrupted is ended, and a file whose path has got a row
// meanwhile comes back.
func TestInterruptedDeletion(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	used, unused := r.upload("used"), r.upload("unused")
	r.err = errors.New("the database is away")
	for _, path := range []string{used, unused} {
		if err := r.folder.Remove(t.Context(), path); err == nil {
			t.Error("a file was deleted without asking the database")
		}
	}
	if isFile(used) || isFile(unused) {
		t.Fatal("the files were not put aside: this test would prove nothing")
	}
	r.err, r.rows[unused] = nil, false
	r.must(r.open().Tidy(t.Context()))
	if !isFile(used) || isFile(unused) {
		t.Errorf("the used file is there: %v, the other: %v", isFile(used), isFile(unused))
	}
	r.expect("in the end", 1, 1)
}

// A file that is deleted between its upload and its row comes back.
func TestDeletedBetweenUploadAndRow(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"new content": false, "content that is there already": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if again {
				r.upload("content")
			}
			b := r.begin(r.folder)
			path := r.add(b, "content")
			r.must(b.Publish())
			r.rows[path] = false // somebody deletes the image, …
			r.must(r.folder.Remove(t.Context(), path))
			if isFile(path) {
				t.Fatal("the file was not deleted: this test would prove nothing")
			}
			r.rows[path] = true // … and then the upload writes its row
			missing, err := b.Confirm(t.Context())
			if err != nil || len(missing) > 0 || !isFile(path) {
				t.Errorf("missing %v, %v", missing, err)
			}
			b.Close()
			r.expect("in the end", 1, 1)
		})
	}
}

// Withdraw takes back what the batch has made, and nothing that others need.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	before := r.upload("before")
	b := r.begin(r.folder)
	made, same := r.add(b, "made"), r.add(b, "before")
	r.must(b.Publish())
	r.must(r.folder.Withdraw(t.Context(), b))
	b.Close()
	if same != before || !isFile(before) || isFile(made) {
		t.Errorf("the old file is there: %v, the new one: %v", isFile(before), isFile(made))
	}
	r.expect("in the end", 1, 1)

	// Without the database, too, and without asking it for each file.
	b = r.begin(r.folder)
	for i := range 100 {
		r.add(b, strings.Repeat("x", i))
	}
	r.must(b.Publish())
	r.err, r.asked = errors.New("the database is away"), 0
	if err := r.folder.Withdraw(t.Context(), b); err == nil || r.asked != 1 {
		t.Errorf("the database was asked %d times, want once: %v", r.asked, err)
	}
	b.Close()
	r.expect("while nobody can tell, each with two names", 201, 1) // a row may have them, whatever the database said
	r.err = nil
	r.must(r.folder.Tidy(t.Context()))
	r.expect("after the database is back", 1, 1)
}

// Only uploaded files are Rollcall's to delete.
func TestRemoveLeavesOtherFiles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hash := strings.Repeat("ab", 32)
	for _, name := range []string{
		"a.jpg", "uploads/a.jpg", "uploads/ab/a.jpg", "uploads/cd/" + hash + ".jpg", "uploads/" + hash + ".jpg", "uploads/ab/" + hash, "uploads/ab/" + hash + ".",
		"uploads/ab/" + strings.ToUpper(hash) + ".jpg", "other/uploads/ab/" + hash + ".jpg", "uploads/ab/" + hash[1:] + ".jpg", "uploads/ab/sub/" + hash + ".jpg",
	} {
		path := filepath.Join(r.root, name)
		r.must(os.MkdirAll(filepath.Dir(path), 0o750))
		r.must(os.WriteFile(path, []byte("x"), 0o600))
		if r.folder.Owns(path) {
			t.Errorf("%s counts as uploaded", name)
		}
		r.must(r.folder.Remove(t.Context(), path))
		if !isFile(path) {
			t.Errorf("%s is deleted", name)
		}
	}
	r.must(r.folder.Remove(t.Context(), "/etc/passwd"))
}

// Something else in the place of a file is neither taken for it nor replaced.
func TestPlaceIsTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.upload("content")
	r.must(os.Remove(path))
	r.must(os.Symlink("/etc/passwd", path))
	b := r.begin(r.folder)
	r.add(b, "content")
	if err := b.Publish(); faces.ErrorCode(err) != faces.CodeUnavailable {
		t.Errorf("a link in its place: %v", err)
	}
	r.must(os.Remove(path))
	r.must(os.WriteFile(path, []byte("\xff\xd8\xffcont"), 0o600)) // cut by something else
	r.must(b.Publish())
	text, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(text, []byte("\xff\xd8\xffcontent")) {
		t.Errorf("half a file was kept: %q, %v", text, err)
	}
}

// An error of the reader is told from one of the volume.
func TestReaderFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.begin(r.folder)
	broken := errors.New("the client has gone")
	_, err := b.Add(failing{strings.NewReader("\xff\xd8\xff" + strings.Repeat("x", 1000)), broken})
	if !uploads.IsClients(err) || !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	_, err = b.Add(strings.NewReader("text"))
	if uploads.IsClients(err) || faces.ErrorCode(err) != faces.CodeOf(faces.UnsupportedFormat) {
		t.Errorf("got %v", err)
	}
	r.expect("in the end", 0, 1)
}

// failing is a reader that ends with an error.
type failing struct {
	*strings.Reader
	err error
}

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil {
		err = f.err
	}
	return n, err
}

// The part of a program leaves no work folder behind.
func TestPart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	part := r.folder.Part()
	r.must(part.Start(t.Context(), func(error) {}))
	r.upload("content")
	r.must(part.Stop(t.Context()))
	r.expect("after the stop", 1, 0)
}
