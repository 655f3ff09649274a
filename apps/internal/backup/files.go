package backup

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/archive"
	"github.com/rollcall-faces/rollcall/apps/internal/eraser"
	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// files are the files of a backup.
type files struct {
	folders Folders
	known   *picturefiles.Folder
	unknown *picturefiles.Folder // nil: without uploaded pictures

	copied  map[string]bool     // known pictures that are in the archive
	uploads map[[32]byte]string // SHA-256 of the uploaded pictures in it; 50 bytes for each
	named   int                 // known pictures that the last snapshot names
}

func openFiles(f Folders, pictures bool) (*files, error) {
	known, err := picturefiles.Open(f.KnownPeople, "known people")
	if err != nil {
		return nil, fmt.Errorf("open the folder of known people (KNOWN_PEOPLE): %w", err)
	}
	all := &files{folders: f, known: known, copied: map[string]bool{}, uploads: map[[32]byte]string{}}
	if !pictures {
		return all, nil
	}
	if all.unknown, err = picturefiles.Open(f.UnknownPeople, "unknown people"); err != nil {
		_ = known.Close() // nothing was written
		return nil, fmt.Errorf("open the folder of unknown people (UNKNOWN_PEOPLE): %w", err)
	}
	return all, nil
}

func (f *files) close() {
	_ = f.known.Close() // nothing was written
	if f.unknown != nil {
		_ = f.unknown.Close()
	}
}

// uploaded returns the name of an uploaded picture in UNKNOWN_PEOPLE. ok is false for
// any other path.
func (f *files) uploaded(imagePath string) (name string, ok bool) {
	name, ok = strings.CutPrefix(imagePath, strings.TrimSuffix(f.folders.UnknownPeople, "/")+"/")
	return name, ok && archive.CheckName(archive.Pictures, name) == nil
}

// knownName returns the name of a known picture in KNOWN_PEOPLE.
func (f *files) knownName(imageName string) string {
	return path.Clean("/" + strings.TrimPrefix(imageName, strings.TrimSuffix(f.folders.KnownPeople, "/")+"/"))[1:]
}

// plausible returns an error if no known picture is there at all: then its volume is away,
// whatever the file system says.
func (f *files) plausible(missing int) error {
	if f.named > 0 && missing >= f.named && len(f.copied) == 0 {
		return errors.New("the folder of known people has none of the files that the database names: is its volume mounted?")
	}
	return nil
}

// copyNamed copies the files that the rows name and that are not in the archive yet. It
// returns the names of those that are not there.
func (t *taker) copyNamed(ctx context.Context, s *store.Snapshot) (missing map[string]bool, err error) {
	missing = map[string]bool{}
	t.files.named = 0
	err = eachText(ctx, s, "person_images", "image_name", func(text string) error {
		name := t.files.knownName(text)
		if archive.CheckName(archive.Known, name) != nil {
			return nil // no recognizer reads it either
		}
		t.files.named++
		if t.files.copied[name] {
			return nil
		}
		there, err := t.copyKnown(name)
		if !there {
			missing[name] = true
		}
		return err
	})
	if err != nil || t.files.unknown == nil {
		return missing, err
	}
	err = eachText(ctx, s, "images", "path", func(text string) error {
		name, ok := t.files.uploaded(text)
		if !ok {
			return nil
		}
		there, err := t.copyUpload(name)
		if !there {
			missing[text] = true
		}
		return err
	})
	return missing, err
}

// eachText calls f for each text of a column that is not empty.
func eachText(ctx context.Context, s *store.Snapshot, table, column string, f func(string) error) error {
	i := slices.IndexFunc(s.Tables, func(t store.TableInfo) bool { return t.Name == table })
	if i < 0 {
		return fmt.Errorf("the database has no table %s", table)
	}
	return s.EachText(ctx, s.Tables[i], column, f)
}

// copyKnown copies a known picture. there is false if it is not there, or cannot be read.
func (t *taker) copyKnown(name string) (there bool, err error) {
	content, file, err := t.files.known.ReadFile(name)
	if err != nil {
		return false, notThere(err)
	}
	t.files.copied[name] = true
	t.progress.tick("copying known people", "files", len(t.files.copied))
	return true, t.out.File(archive.Known, name, time.Unix(0, file.Modified), content)
}

func (t *taker) copyUpload(name string) (there bool, err error) {
	var key [32]byte
	if _, err := hex.Decode(key[:], []byte(archive.PictureName.FindStringSubmatch(name)[2])); err != nil {
		return false, fmt.Errorf("read the name of an uploaded picture: %w", err)
	}
	suffix := path.Ext(name)
	if t.files.uploads[key] == suffix {
		return true, nil
	}
	content, file, err := t.files.unknown.ReadFile(name)
	if err != nil {
		return false, notThere(err)
	}
	if file.SHA256 != hex.EncodeToString(key[:]) {
		return false, nil // the disk is damaged there: it is as good as gone
	}
	t.files.uploads[key] = suffix
	t.progress.tick("copying uploaded pictures", "files", len(t.files.uploads))
	return true, t.out.File(archive.Pictures, name, time.Unix(0, file.Modified), content)
}

// notThere returns nil if an error is about one file that cannot be had, and the error if
// the whole folder fails.
func notThere(err error) error {
	if faces.ReasonOf(err).Permanent() {
		return nil
	}
	return fmt.Errorf("copy a file: %w", unnamed(err))
}

// unnamed returns what is wrong without the name of the file, which can be that of a
// person: errors are logged.
func unnamed(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	if link := (*os.LinkError)(nil); errors.As(err, &link) {
		return link.Err
	}
	return err
}

// copyOthers copies the files of known people that no row names, such as those that are
// not enrolled yet.
func (t *taker) copyOthers(ctx context.Context) error {
	var names []string
	err := t.files.known.Walk(ctx, func(e picturefiles.Entry) {
		switch {
		case e.Problem != "", archive.CheckName(archive.Known, e.Name) != nil:
			t.taken.Left++
		default:
			names = append(names, e.Name)
		}
	}, func(string) {})
	if err != nil {
		return fmt.Errorf("list the folder of known people: %w", unnamed(err))
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		// What Rollcall wrote and no row names is waiting to be deleted, or for its row.
		if t.files.copied[name] || strings.HasPrefix(name, faces.WrittenFolder+"/") {
			continue
		}
		there, err := t.copyKnown(name)
		if err != nil {
			return err
		}
		if !there {
			t.taken.Left++
		}
	}
	return nil
}

// entryFile returns an entry of the ledger as its file has it.
func entryFile(l eraser.Ledger, id string) (name string, text []byte, err error) {
	e, err := l.Read(id)
	if err != nil {
		return "", nil, err
	}
	text, err = json.Marshal(e)
	if err != nil {
		return "", nil, fmt.Errorf("encode entry %s of the ledger of erasures: %w", id, err)
	}
	return id + erasure.EntrySuffix, append(text, '\n'), nil
}
