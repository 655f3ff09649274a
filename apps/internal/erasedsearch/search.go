// Package erasedsearch looks whether anything is left of an erased person. It shares the
// marks of package erasure with the job that erases, and nothing else: it reads every
// column of every table that the database lists, and the files of both volumes. It
// knows no name; it makes marks of what it reads, and compares. What it reports names
// places, never a value.
package erasedsearch

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Database is what a search reads of the database.
type Database interface {
	Tables(ctx context.Context) ([]string, error)
	EachRow(ctx context.Context, table string, f func(store.Row) error) error
}

// Options says where to search.
type Options struct {
	KnownPeople   string
	UnknownPeople string
}

// Result is what a search found of one erasure.
type Result struct {
	ID string
	// Found are the places with something that should be gone, each with how often.
	Found []string
	// Left are places with what Rollcall may not touch, such as files of others.
	Left []string
}

// tally counts what is found, by place.
type tally struct{ found, left map[string]int }

func (t tally) lines(of map[string]int) []string {
	lines := make([]string, 0, len(of))
	for _, place := range slices.Sorted(maps.Keys(of)) {
		lines = append(lines, fmt.Sprintf("%s: %d", place, of[place]))
	}
	return lines
}

// search is one run, for all erasures at once: both stores are read once.
type search struct {
	opts    Options
	entries []erasure.Entry
	tallies []tally
	salts   map[erasure.Salt][]int // → indices of entries

	living   [][]string       // words of names of people and users who are there
	people   map[int64]string // names, by id
	images   map[int64]imageOf
	uses     map[string][]int64 // paths → ids of images
	theirs   map[string]bool    // names and hashes of known pictures of people who are there
	words    int                // of the longest name
	places   []erasure.Places
	describe map[erasure.Mark][]int // descriptors → indices of entries
	contents map[erasure.Mark][]int
	files    map[erasure.Mark][]int
	names    map[erasure.Mark][]int
}

type imageOf struct {
	path, sha string
}

// Run searches both stores for what is left of the entries.
func Run(ctx context.Context, db Database, entries []erasure.Entry, opts Options) ([]Result, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	s := newSearch(entries, opts)
	if err := errors.Join(s.readDatabase(ctx, db), s.readKnown(ctx), s.readUnknown(ctx)); err != nil {
		return nil, fmt.Errorf("search for erased people: %w", err)
	}
	results := make([]Result, len(entries))
	for i, e := range entries {
		results[i] = Result{ID: e.ID, Found: s.tallies[i].lines(s.tallies[i].found), Left: s.tallies[i].lines(s.tallies[i].left)}
	}
	return results, nil
}

func newSearch(entries []erasure.Entry, opts Options) *search {
	s := &search{
		opts: opts, entries: entries, salts: map[erasure.Salt][]int{}, people: map[int64]string{}, images: map[int64]imageOf{},
		uses: map[string][]int64{}, theirs: map[string]bool{},
		describe: map[erasure.Mark][]int{}, contents: map[erasure.Mark][]int{}, files: map[erasure.Mark][]int{}, names: map[erasure.Mark][]int{},
	}
	for i, e := range entries {
		s.tallies = append(s.tallies, tally{map[string]int{}, map[string]int{}})
		s.salts[e.Salt] = append(s.salts[e.Salt], i)
		for _, n := range e.Names {
			s.names[n.Mark] = append(s.names[n.Mark], i)
			s.words = max(s.words, n.Words)
		}
		for of, marks := range map[*map[erasure.Mark][]int][]erasure.Mark{&s.describe: e.Descriptors, &s.contents: e.Contents, &s.files: e.Files} {
			for _, m := range marks {
				(*of)[m] = append((*of)[m], i)
			}
		}
	}
	return s
}

func (s *search) found(entries []int, place string) {
	for _, i := range entries {
		s.tallies[i].found[place]++
	}
}

func (s *search) left(entries []int, place string) {
	for _, i := range entries {
		s.tallies[i].left[place]++
	}
}

// named returns the entries whose names are in a text, and are not a part of the name of
// somebody who is there.
func (s *search) named(text string) (entries []int) {
	if text == "" || s.words == 0 {
		return nil
	}
	words := erasure.Words(text)
	for at := range words {
		for n := 1; n <= s.words && at+n <= len(words); n++ {
			for salt := range s.salts {
				hit := s.names[salt.OfWords(words[at:at+n])]
				if len(hit) > 0 && !s.isLiving(words, at, at+n) {
					entries = append(entries, hit...)
				}
			}
		}
	}
	return unique(entries)
}

// isLiving reports whether the words from one to another are within the name of somebody
// who is there.
func (s *search) isLiving(words []string, from, to int) bool {
	for _, name := range s.living {
		for at := max(0, to-len(name)); at <= from && at+len(name) <= len(words); at++ {
			if slices.Equal(words[at:at+len(name)], name) {
				return true
			}
		}
	}
	return false
}

// look returns the entries that have one of the marks of a value.
func (s *search) look(in map[erasure.Mark][]int, mark func(erasure.Salt) erasure.Mark) (entries []int) {
	if len(in) == 0 {
		return nil
	}
	for salt := range s.salts {
		entries = append(entries, in[mark(salt)]...)
	}
	return entries
}

// ofFile, ofHex and ofContent pass over the known pictures of people who are there:
// whoever was erased may come back, and be known by the same picture.
func (s *search) ofFile(name string) []int {
	if s.theirs[name] {
		return nil
	}
	return s.look(s.files, func(salt erasure.Salt) erasure.Mark { return salt.OfFile(name) })
}

func (s *search) ofHex(sum string) []int {
	if s.theirs[sum] {
		return nil
	}
	return s.look(s.contents, func(salt erasure.Salt) erasure.Mark { return salt.OfHex(sum) })
}

func (s *search) ofContent(sum []byte) []int {
	if s.theirs[hex.EncodeToString(sum)] {
		return nil
	}
	return s.look(s.contents, func(salt erasure.Salt) erasure.Mark { return salt.OfContent(sum) })
}

func (s *search) ofDescriptor(b []byte) []int {
	return s.look(s.describe, func(salt erasure.Salt) erasure.Mark {
		m, _ := salt.OfDescriptor(b)
		return m
	})
}

func unique(list []int) []int {
	slices.Sort(list)
	return slices.Compact(list)
}

// vocabulary are the values of columns that are words of Rollcall's own, and no names.
func vocabulary() map[string]bool {
	words := map[string]bool{"keep": true, "queued": true, "person": true, "image": true, "merge": true, "correction": true, "known_picture": true}
	for _, r := range append(faces.Reasons(), faces.FaceReasons()...) {
		words[string(r)] = true
	}
	for _, t := range faces.EventTypes() {
		words[string(t)] = true
	}
	return words
}
