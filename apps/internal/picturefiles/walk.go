package picturefiles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Entry is something that Walk found in the folder.
type Entry struct {
	Name string // relative to the folder, with forward slashes
	Link bool   // it is a symbolic link
	// Problem says why it cannot be used, and Kind is a word for that. Both are
	// empty for a file or a link.
	Problem string
	Kind    string
}

// Kinds of problems that Walk and the gallery tell apart.
const (
	KindName   = "bad_name"          // not UTF-8
	KindFolder = "unreadable_folder" // without permission to list it
	KindLink   = "link"              // to a folder, out of the folder, or to nothing
)

// notPictures are the names that file servers, operating systems and editors
// leave in shared folders. Nobody is called so.
var notPictures = [...]string{
	"lost+found", "@eaDir", "@Recycle", "@Recently-Snapshot", "@tmp", "#recycle", "#snapshot",
	"$RECYCLE.BIN", "RECYCLER", "System Volume Information", "Thumbs.db", "ehthumbs.db", "desktop.ini", "__MACOSX",
}

// Passed reports whether a file or folder of this name is passed over wherever
// pictures are listed: it is hidden, or a system's and not a person's.
func Passed(name string) bool {
	return strings.HasPrefix(name, ".") ||
		slices.ContainsFunc(notPictures[:], func(other string) bool { return strings.EqualFold(name, other) })
}

// Walk calls visit for each file, each link and each problem in the folder and
// the folders below it. It calls passed for what it passes over. A folder that
// cannot be listed is one problem; Walk fails only if the top folder or the
// volume does, because an incomplete list looks as if people had been removed.
func (f *Folder) Walk(ctx context.Context, visit func(Entry), passed func(name string)) error {
	return f.walk(ctx, ".", visit, passed)
}

func (f *Folder) walk(ctx context.Context, folder string, visit func(Entry), passed func(name string)) error {
	entries, err := f.list(folder)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case folder == "." && err != nil:
		return err
	case errors.Is(err, fs.ErrNotExist), err != nil && isNotDirectory(err):
		return nil // deleted meanwhile
	case errors.Is(err, fs.ErrPermission):
		visit(Entry{Name: folder, Kind: KindFolder, Problem: "the recognizer may not read this folder"})
		return nil
	case err != nil:
		return fmt.Errorf("list a folder: %w", err)
	}
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		switch {
		case Passed(e.Name()):
			passed(name)
		case !utf8.ValidString(e.Name()):
			visit(Entry{Name: name, Kind: KindName, Problem: "its name is not UTF-8"}) // gRPC cannot transmit it
		case e.IsDir():
			err = f.walk(ctx, name, visit, passed)
		default:
			visit(Entry{Name: name, Link: e.Type()&fs.ModeSymlink != 0})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// list lists a folder. It uses os.Root itself and not its FS, which refuses
// names that are not UTF-8.
func (f *Folder) list(folder string) ([]fs.DirEntry, error) {
	dir, err := f.root.Load().Open(folder)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.ReadDir(-1)
}
