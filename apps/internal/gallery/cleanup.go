package gallery

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// disposition is what happens to a record when the cache is cleaned up. cache.go
// says why that needs no locks.
type disposition int

const (
	keep    disposition = iota
	remove              // its picture was in the folder and was removed
	unknown             // its picture was never seen: another recognizer may know it
)

// dispose returns a function that decides about records after the gallery now
// has replaced old.
func dispose(old, now *Gallery, scope string) func(record) disposition {
	live := make(map[ContentID]bool, len(now.pictures))
	for _, p := range now.pictures {
		live[p.content] = true
	}
	removed := map[ContentID]bool{}
	for _, p := range old.pictures {
		if !live[p.content] {
			removed[p.content] = true
		}
	}
	return func(r record) disposition {
		if r.kind == kindFile {
			at, found := now.find(r.file.name)
			_, was := old.find(r.file.name)
			switch {
			case found && now.pictures[at] == knownPicture{file: r.file, content: r.content}:
				return keep
			case was:
				return remove
			}
			return unknown
		}
		switch {
		case removed[r.content]:
			return remove
		case live[r.content] && (r.kind == kindDescriptors || r.scope == scope):
			return keep
		}
		return unknown
	}
}

// removedAny reports whether a picture of the old gallery was removed or changed.
func removedAny(old, now *Gallery) bool {
	return slices.ContainsFunc(old.pictures, func(p knownPicture) bool {
		at, ok := now.find(p.file.name)
		return !ok || now.pictures[at] != p
	})
}

// rewrite is a segment to be replaced, with the offsets of the records to
// keep.
type rewrite struct {
	segment
	keep []int
}

// tidy removes useless records from disk and merges small segments if there
// are many. Unless force is set, it reads segments only if there are many
// small ones.
func (c *cache) tidy(force bool, dispose func(record) disposition) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.write == nil {
		return nil
	}
	removeTemporaries(c.write)
	segments, err := segmentsIn(c.write)
	if err != nil {
		return err
	}
	if !force && countSmall(segments) <= maxSmall {
		return nil
	}
	list, dirty, err := c.findRewrites(segments, dispose)
	if err != nil || !dirty && len(list) <= maxSmall {
		return err
	}
	written := map[string]bool{}
	w := segmentWriter{root: c.write, model: c.model, wrote: func(s segment, _ []byte) {
		written[s.name], c.loaded[s.name] = true, true
	}}
	for _, s := range list {
		if err := s.copyTo(&w); err != nil {
			return err
		}
	}
	if err := w.finish(); err != nil {
		return err
	}
	for _, s := range list {
		if written[s.name] {
			continue
		}
		if err := s.root.Remove(s.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clean up the gallery cache: %w", err)
		}
	}
	return nil
}

func countSmall(segments []segment) int {
	small := 0
	for _, s := range segments {
		if info, err := s.root.Stat(s.name); err == nil && info.Size() < fullSegment {
			small++
		}
	}
	return small
}

// findRewrites returns the segments that are small or contain useless records.
// dirty reports whether any contains useless ones. Of equal records it keeps
// the one in the first segment by name, so that two recognizers that clean up
// at the same time keep the same one.
func (c *cache) findRewrites(segments []segment, dispose func(record) disposition) (list []rewrite, dirty bool, err error) {
	type key struct {
		kind         byte
		content      ContentID
		scope, where string
	}
	kept := map[key]bool{}
	for _, s := range segments {
		info, err := s.root.Stat(s.name)
		if err != nil {
			continue // removed by another recognizer
		}
		raw, err := s.load()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		r, dropped := rewrite{segment: s}, 0
		young := time.Since(info.ModTime()) < gracePeriod
		damaged := readRecords(raw, c.model, func(rec record, at, _ int) {
			k := key{rec.kind, rec.content, rec.scope, rec.file.name}
			v := dispose(rec)
			if kept[k] || v == remove || v == unknown && !young {
				dropped++
				return
			}
			kept[k] = true
			r.keep = append(r.keep, at)
		})
		if dropped+damaged > 0 || len(raw) < fullSegment {
			list, dirty = append(list, r), dirty || dropped+damaged > 0
		}
	}
	return list, dirty, nil
}

// copyTo writes the records to keep.
func (r rewrite) copyTo(w *segmentWriter) error {
	raw, err := r.load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // merged by another recognizer
	}
	if err != nil {
		return err
	}
	readRecords(raw, w.model, func(rec record, at, _ int) {
		if _, ok := slices.BinarySearch(r.keep, at); ok {
			w.add(rec)
		}
	})
	return nil
}

// removeTemporaries removes temporary files of interrupted writers.
func removeTemporaries(root *os.Root) {
	entries, _ := fs.ReadDir(root.FS(), ".") // retried next time
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), temporary) && time.Since(info.ModTime()) > gracePeriod {
			_ = root.Remove(e.Name())
		}
	}
}
