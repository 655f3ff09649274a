package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/archive"
	"github.com/rollcall-faces/rollcall/apps/internal/eraser"
	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/wholefile"
)

// restoredFolder is where files are restored to. os.Root refuses names and links that
// lead out of it.
type restoredFolder struct {
	known, unknown *os.Root
	path           string // of known people
	names          map[string]bool
	other          int // files of the same name and another content
	erased         []erasure.Entry
}

func openRestored(f Folders) (*restoredFolder, error) {
	known, err := os.OpenRoot(f.KnownPeople)
	if err != nil {
		return nil, fmt.Errorf("open the folder of known people (KNOWN_PEOPLE): %w", err)
	}
	all := &restoredFolder{known: known, path: f.KnownPeople, names: map[string]bool{}}
	all.unknown, err = os.OpenRoot(f.UnknownPeople)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it is needed for uploaded pictures only
		return nil, errors.Join(fmt.Errorf("open the folder of unknown people (UNKNOWN_PEOPLE): %w", err), known.Close())
	}
	return all, nil
}

func (f *restoredFolder) close() {
	_ = f.known.Close() // each file was closed
	if f.unknown != nil {
		_ = f.unknown.Close()
	}
}

// examine compares a file of the archive with one that is there.
func (f *restoredFolder) examine(k archive.Kind, name string, content []byte) error {
	if k == archive.Pictures {
		if f.unknown == nil {
			return errors.New("the archive has uploaded pictures, and there is no folder for them: set UNKNOWN_PEOPLE")
		}
		return nil
	}
	f.names[name] = true
	switch same, err := isSame(f.known, name, content); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("look at a file of the known people: %w", unnamed(err))
	case !same:
		f.other++
	}
	return nil
}

// isSame reports whether a file has a content.
func isSame(root *os.Root, name string, content []byte) (bool, error) {
	info, err := root.Stat(name)
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("there is something that is no file in the place of one: %s", info.Mode().Type())
	}
	if info.Size() != int64(len(content)) {
		return false, nil
	}
	there, err := root.ReadFile(name)
	return err == nil && sha256.Sum256(there) == sha256.Sum256(content), err
}

// inTheWay returns an error if the folder has files that the archive does not have.
func (f *restoredFolder) inTheWay(ctx context.Context) error {
	folder, err := picturefiles.Open(f.path, "known people")
	if err != nil {
		return fmt.Errorf("open the folder of known people (KNOWN_PEOPLE): %w", err)
	}
	defer folder.Close()
	more := 0
	err = folder.Walk(ctx, func(e picturefiles.Entry) {
		if !f.names[e.Name] {
			more++
		}
	}, func(string) {})
	if err != nil {
		return fmt.Errorf("list the folder of known people: %w", unnamed(err))
	}
	if more == 0 && f.other == 0 {
		return nil
	}
	return fmt.Errorf("the folder of known people is not empty: %d files are not in the archive, %d have another content there; nothing was changed. "+
		"To keep the first and to write over the second, say so by -replace, which also deletes what the database has", more, f.other)
}

// readErased reads which files were known pictures of erased people.
func (f *restoredFolder) readErased(l eraser.Ledger, ids []string) error {
	for _, id := range ids {
		e, err := l.Read(id)
		if err != nil {
			return err
		}
		f.erased = append(f.erased, erasure.Entry{Salt: e.Salt, Files: e.Files})
	}
	return nil
}

// nobodys reports whether a file without a row stays away: Rollcall wrote it, or it showed
// somebody who was erased.
func (f *restoredFolder) nobodys(name string) bool {
	if strings.HasPrefix(name, faces.WrittenFolder+"/") {
		return true
	}
	return slices.ContainsFunc(f.erased, func(e erasure.Entry) bool {
		return slices.Contains(e.Files, e.Salt.OfFile(name))
	})
}

// write writes a file, unless it is there with the same content.
func write(root *os.Root, name string, modified time.Time, content []byte) (written bool, err error) {
	same, err := isSame(root, name, content)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look at a file: %w", unnamed(err))
	}
	if same {
		return false, nil
	}
	if err := wholefile.Write(root, name, content); err != nil {
		return false, fmt.Errorf("write a file: %w", unnamed(err))
	}
	if modified.IsZero() || modified.Unix() <= 0 {
		return true, nil
	}
	if err := root.Chtimes(name, modified, modified); err != nil { // by it, a changed picture is noticed
		return true, fmt.Errorf("set the time of a file: %w", unnamed(err))
	}
	return true, nil
}
