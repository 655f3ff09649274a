package gallery

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// withoutErased leaves out the files that were known pictures of somebody who was
// erased. Rollcall deletes its own; those of others stay in the folder, and must not be
// described.
func (l *Loader) withoutErased(now listing) listing {
	l.readErased()
	if len(l.erased) == 0 {
		return now
	}
	now.files = slices.DeleteFunc(now.files, func(f knownFile) bool {
		erased := !strings.HasPrefix(f.name, faces.WrittenFolder+"/") && l.isErased(f.name)
		if erased {
			delete(now.problems, f.name) // and not to now.passed, which is logged
		}
		return erased
	})
	return now
}

// disposeErased is a disposition of the cache's records that also removes those of
// erased people, which this program has perhaps never had in its gallery.
func (l *Loader) disposeErased(now *Gallery, next func(record) disposition) func(record) disposition {
	if len(l.erased) == 0 {
		return next
	}
	erased := l.cache.contentsOf(func(name string) bool {
		return !strings.HasPrefix(name, faces.WrittenFolder+"/") && l.isErased(name)
	})
	for _, p := range now.pictures {
		delete(erased, p.content) // it is a picture of somebody else, too
	}
	return func(r record) disposition {
		if r.kind == kindFile && l.isErased(r.file.name) || erased[r.content] {
			return remove
		}
		return next(r)
	}
}

// contentsOf returns the contents of the files whose names are chosen.
func (c *cache) contentsOf(chosen func(name string) bool) map[ContentID]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	contents := map[ContentID]bool{}
	if c.index == nil {
		return contents
	}
	for name, f := range c.index.files {
		if chosen(name) {
			contents[f.content] = true
		}
	}
	return contents
}

func (l *Loader) isErased(name string) bool {
	marks := map[erasure.Salt]erasure.Mark{} // nearly always of one salt
	for _, e := range l.erased {
		mark, ok := marks[e.Salt]
		if !ok {
			mark = e.Salt.OfFile(name)
			marks[e.Salt] = mark
		}
		if slices.Contains(e.Files, mark) {
			return true
		}
	}
	return false
}

// readErased reads the entries of the ledger that are new. Entries do not go.
func (l *Loader) readErased() {
	root := l.folder.Root()
	files, err := fs.ReadDir(root.FS(), erasure.LedgerFolder)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			l.log.Warn("the ledger of erasures cannot be read; known pictures of erased people may be described", "error", err)
		}
		return
	}
	for _, f := range files {
		if _, ok := l.erased[f.Name()]; ok || !strings.HasSuffix(f.Name(), erasure.EntrySuffix) {
			continue
		}
		text, err := root.ReadFile(path.Join(erasure.LedgerFolder, f.Name()))
		var e erasure.Entry
		if err == nil {
			e, err = erasure.Decode(text)
		}
		if err != nil {
			l.log.Warn("an entry of the ledger of erasures cannot be read; known pictures of an erased person may be described", "entry", f.Name(), "error", err)
			continue
		}
		if l.erased == nil {
			l.erased = map[string]erasure.Entry{}
		}
		l.erased[f.Name()] = erasure.Entry{Salt: e.Salt, Files: e.Files}
	}
}
