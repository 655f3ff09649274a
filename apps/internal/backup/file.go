package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/wholefile"
)

// ArchiveMode is the mode of an archive: it has names and descriptors of people.
const ArchiveMode = 0o600

// abandoned is the age of a file from which nobody writes it any more. The backup of the
// next night must find it old enough.
const abandoned = 12 * time.Hour

// empty is in the names of archives of an empty system. One that is encrypted cannot be
// looked into.
const empty = "-empty"

var ownName = regexp.MustCompile(`^rollcall-[0-9]{8}T[0-9]{6}Z(-empty)?\.tar\.gz(\.age)?$`)

// FileName returns the name of an archive that was begun at a time. Names sort by time.
func FileName(at time.Time, emptySystem, encrypted bool) string {
	name := "rollcall-" + at.UTC().Format("20060102T150405Z")
	if emptySystem {
		name += empty
	}
	name += ".tar.gz"
	if encrypted {
		name += ".age"
	}
	return name
}

// WriteFile writes an archive that is there whole or not at all. It replaces no file.
func WriteFile(name string, write func(io.Writer) error) error {
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return fmt.Errorf("open the folder of the archive: %w", err)
	}
	defer root.Close()
	base := filepath.Base(name)
	if _, err := root.Lstat(base); err == nil {
		return fmt.Errorf("there is a file %s already; choose another name, or remove it", name)
	}
	if err := wholefile.WriteWith(root, base, ArchiveMode, write); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	return nil
}

// WriteToFolder writes an archive to a folder of archives, under a name of its time. write
// says whether it is of an empty system. Then there must be no archive in the folder of a
// system that was not: the database is lost, or is another one, and such archives would take
// the place of the good ones.
func WriteToFolder(folder string, now time.Time, encrypted bool, write func(io.Writer) (emptySystem bool, err error)) (name string, err error) {
	root, archives, err := openFolder(folder)
	if err != nil {
		return "", err
	}
	defer root.Close()
	emptySystem, name := false, FileName(now, false, encrypted)
	err = WriteFile(filepath.Join(folder, name), func(w io.Writer) (err error) {
		if emptySystem, err = write(w); err != nil || !emptySystem {
			return err
		}
		for _, e := range archives {
			if !strings.Contains(e.Name(), empty) {
				return fmt.Errorf("the database has no images and no people, and %s has archives that do: is it the right database? "+
					"No archive was written or deleted. If it is meant to be empty, name another folder, or move those archives away", folder)
			}
		}
		return nil
	})
	if err == nil && emptySystem {
		before := name
		name = FileName(now, true, encrypted)
		err = errors.Join(root.Rename(before, name), wholefile.SyncFolder(root, "."))
	}
	return filepath.Join(folder, name), err
}

// openFolder opens a folder of archives, and lists the archives from old to new.
func openFolder(folder string) (root *os.Root, archives []fs.DirEntry, err error) {
	if root, err = os.OpenRoot(folder); err != nil {
		return nil, nil, fmt.Errorf("open the folder of archives: %w", err)
	}
	entries, err := fs.ReadDir(root.FS(), ".") // sorted
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("list the folder of archives: %w", err), root.Close())
	}
	for _, e := range entries {
		if e.Type().IsRegular() && ownName.MatchString(e.Name()) {
			archives = append(archives, e)
		}
	}
	return root, archives, nil
}

// Tidy deletes the oldest archives in a folder, but for a number of them. It returns how
// many it deleted.
func Tidy(folder string, keep int) (deleted int, err error) {
	root, archives, err := openFolder(folder)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	old := archives[:max(0, len(archives)-keep)]
	for _, e := range old {
		err = errors.Join(err, root.Remove(e.Name()))
	}
	if err != nil {
		return 0, fmt.Errorf("delete old archives: %w", err)
	}
	return len(old), wholefile.SyncFolder(root, ".")
}

// RemoveAbandoned deletes what killed backups have left in a folder of archives. It comes
// before a backup: a volume that is full of it has no room for the next one.
func RemoveAbandoned(folder string, now time.Time) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("open the folder of archives: %w", err)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return fmt.Errorf("list the folder of archives: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), wholefile.Temporary) {
			continue
		}
		if info, gone := e.Info(); gone == nil && now.Sub(info.ModTime()) > abandoned {
			err = errors.Join(err, root.Remove(e.Name()))
		}
	}
	if err != nil {
		return fmt.Errorf("delete what a killed backup has left: %w", err)
	}
	return nil
}

// Newest returns the newest archive in a folder that Tidy keeps, or name itself if it is no
// folder.
func Newest(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("look for the archive: %w", err)
	}
	if !info.IsDir() {
		return name, nil
	}
	root, archives, err := openFolder(name)
	if err != nil {
		return "", err
	}
	defer root.Close()
	if len(archives) == 0 {
		return "", fmt.Errorf("there is no archive in the folder %s", name)
	}
	return filepath.Join(name, archives[len(archives)-1].Name()), nil
}
