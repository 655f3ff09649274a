package gallery

// This file owns forgetting: which records leave the gallery's cache, and how
// small segments become few. See cache.go for why this needs no locks.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// verdict is what is thought of a record.
type verdict int

const (
	useful  verdict = iota
	useless         // it is of a picture that was here and is gone
	foreign         // it is of a picture that was never here: perhaps another recognizer's
)

// judge returns what to think of records after one gallery has followed
// another.
func judge(old, now *Gallery, scope string) func(record) verdict {
	live := make(map[ContentID]bool, len(now.pictures))
	for _, p := range now.pictures {
		live[p.content] = true
	}
	gone := map[ContentID]bool{}
	for _, p := range old.pictures {
		if !live[p.content] {
			gone[p.content] = true
		}
	}
	return func(r record) verdict {
		if r.kind == kindFile {
			at, there := now.find(r.file.name)
			_, was := old.find(r.file.name)
			switch {
			case there && now.pictures[at] == knownPicture{file: r.file, content: r.content}:
				return useful
			case was:
				return useless
			}
			return foreign
		}
		switch {
		case gone[r.content]:
			return useless
		case live[r.content] && (r.kind == kindDescriptors || r.scope == scope):
			return useful
		}
		return foreign
	}
}

// lost reports whether a gallery has forgotten anything of the one before.
func lost(old, now *Gallery) bool {
	return slices.ContainsFunc(old.pictures, func(p knownPicture) bool {
		at, ok := now.find(p.file.name)
		return !ok || now.pictures[at] != p
	})
}

// ragged is a segment that is to be replaced, with the places of the records
// to keep.
type ragged struct {
	segment
	keep []int
}

// tidy removes from disk what is of no use, where there must be some, and joins
// small segments where there are many.
func (c *cache) tidy(must bool, think func(record) verdict) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.write == nil {
		return nil
	}
	removeLeftovers(c.write)
	segments, err := segmentsIn(c.write)
	if err != nil {
		return err
	}
	if !must && countSmall(segments) <= maxSmall {
		return nil
	}
	list, dirty, err := c.raggedOf(segments, think)
	if err != nil || !dirty && len(list) <= maxSmall {
		return err
	}
	written := map[string]bool{}
	w := segmentWriter{root: c.write, model: c.model, wrote: func(s segment, _ []byte) {
		written[s.name], c.seen[s.name] = true, true
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
			return fmt.Errorf("tidy the gallery cache: %w", err)
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

// raggedOf returns the segments that are small or hold what is of no use, and
// whether any does. What is told twice is kept in the first segment by name:
// two who tidy at once then keep the same.
func (c *cache) raggedOf(segments []segment, think func(record) verdict) (list []ragged, dirty bool, err error) {
	type key struct {
		kind         byte
		content      ContentID
		scope, where string
	}
	told := map[key]bool{}
	for _, s := range segments {
		info, err := s.root.Stat(s.name)
		if err != nil {
			continue // another recognizer has tidied
		}
		raw, err := s.load()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		r, dropped := ragged{segment: s}, 0
		foreignStays := time.Since(info.ModTime()) < graceful
		damaged := readRecords(raw, c.model, func(rec record, at, _ int) {
			k := key{rec.kind, rec.content, rec.scope, rec.file.name}
			v := think(rec)
			if told[k] || v == useless || v == foreign && !foreignStays {
				dropped++
				return
			}
			told[k] = true
			r.keep = append(r.keep, at)
		})
		if dropped+damaged > 0 || len(raw) < fullSegment {
			list, dirty = append(list, r), dirty || dropped+damaged > 0
		}
	}
	return list, dirty, nil
}

// copyTo writes the records to keep.
func (r ragged) copyTo(w *segmentWriter) error {
	raw, err := r.load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another recognizer has joined it with others, and kept what it holds
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

// removeLeftovers removes what somebody began to write and could not end.
func removeLeftovers(root *os.Root) {
	entries, _ := fs.ReadDir(root.FS(), ".") // another time
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), temporary) && time.Since(info.ModTime()) > graceful {
			_ = root.Remove(e.Name())
		}
	}
}
