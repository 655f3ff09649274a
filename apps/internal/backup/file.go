package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/wholefile"
)

// ArchiveMode is the mode of an archive: it has names and descriptors of people.
const ArchiveMode = 0o600

// abandoned is the age of a file from which nobody writes it any more.
const abandoned = 24 * time.Hour

var ownName = regexp.MustCompile(`^rollcall-[0-9]{8}T[0-9]{6}Z\.tar\.gz(\.age)?$`)

// FileName returns the name of an archive that was begun at a time. Names sort by time.
func FileName(at time.Time, encrypted bool) string {
	name := "rollcall-" + at.UTC().Format("20060102T150405Z") + ".tar.gz"
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

// Tidy deletes the oldest archives in a folder, but for a number of them, and what killed
// backups have left. It returns how many archives it deleted.
func Tidy(folder string, keep int, now time.Time) (deleted int, err error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return 0, fmt.Errorf("open the folder of archives: %w", err)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return 0, fmt.Errorf("list the folder of archives: %w", err)
	}
	var archives, left []string
	for _, e := range entries {
		switch info, err := e.Info(); {
		case err != nil || !info.Mode().IsRegular():
		case ownName.MatchString(e.Name()):
			archives = append(archives, e.Name())
		case strings.HasPrefix(e.Name(), wholefile.Temporary) && now.Sub(info.ModTime()) > abandoned:
			left = append(left, e.Name())
		}
	}
	slices.Sort(archives)
	old := archives[:max(0, len(archives)-keep)]
	for _, name := range append(left, old...) {
		err = errors.Join(err, root.Remove(name))
	}
	if err != nil {
		return 0, fmt.Errorf("delete old archives: %w", err)
	}
	return len(old), wholefile.SyncFolder(root, ".")
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
	entries, err := os.ReadDir(name) // sorted
	if err != nil {
		return "", fmt.Errorf("list the folder of archives: %w", err)
	}
	for _, e := range slices.Backward(entries) {
		if e.Type().IsRegular() && ownName.MatchString(e.Name()) {
			return filepath.Join(name, e.Name()), nil
		}
	}
	return "", fmt.Errorf("there is no archive in the folder %s", name)
}
