// Package gallery keeps the descriptors of the known people's pictures ready
// for matching while the folder of known people changes.
//
// A Loader reads the folder. Its Refresh method builds a new immutable
// Gallery when the folder has changed, and reuses what is unchanged.
// Descriptors are cached on disk, so that a restart need not describe the
// pictures again.
package gallery

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// ContentID is the SHA-256 of a picture's bytes. All zeros stand for a
// picture that could not be read.
type ContentID [sha256.Size]byte

// String returns the first half in hexadecimal, which is enough to tell
// contents apart.
func (c ContentID) String() string { return hex.EncodeToString(c[:sha256.Size/2]) }

// knownFile identifies the state of a known picture's file without reading
// it.
type knownFile struct {
	name     string // relative to the folder, with forward slashes
	size     int64
	modified int64 // nanoseconds since 1970
}

// knownPicture is a known picture that was read. The index has its
// descriptors.
type knownPicture struct {
	file    knownFile
	content ContentID
}

// problem is why a known picture cannot be matched.
type problem struct {
	text string
	kind string // one word: a reason, or a kind of picturefiles
	// transient reports whether the problem can go away without the file changing,
	// such as a failed read.
	transient bool
}

// Gallery is one state of the known people. It is immutable.
type Gallery struct {
	version  string
	index    *nearest.Index
	read     bool               // false before the folder is read for the first time
	pictures []knownPicture     // sorted by name
	problems map[string]problem // keyed by picture name: pictures that cannot be matched
}

// Version identifies what can be matched. Galleries with the same pictures
// under the same names, described by the same model set, have the same
// version.
func (g *Gallery) Version() string { return g.version }

// Index returns the descriptors of the pictures that can be matched.
func (g *Gallery) Index() *nearest.Index { return g.index }

// Loaded reports whether the folder has been read. It is false only before
// the first Refresh.
func (g *Gallery) Loaded() bool { return g.read }

// Problems yields the names of the pictures that cannot be matched, sorted,
// each with the reason.
func (g *Gallery) Problems() iter.Seq2[string, string] {
	return func(yield func(name, why string) bool) {
		for _, name := range slices.Sorted(maps.Keys(g.problems)) {
			if !yield(name, g.problems[name].text) {
				return
			}
		}
	}
}

// emptyGallery returns the empty gallery that is used before the first
// listing.
func emptyGallery(kernel nearest.Kernel, size int) *Gallery {
	return &Gallery{version: "none", index: nearest.NewIndex(kernel, size, func(func(string, []faces.Descriptor) bool) {}), problems: map[string]problem{}}
}

// current reports whether the gallery is up to date with the listing, and has
// no problem that may have gone away.
func (g *Gallery) current(now listing) bool {
	if !g.read || len(g.pictures) != len(now.files) {
		return false
	}
	for i, f := range now.files {
		if g.pictures[i].file != f {
			return false
		}
	}
	for name, p := range now.problems {
		if g.problems[name].text != p.text {
			return false
		}
	}
	for _, p := range g.problems {
		if p.transient {
			return false
		}
	}
	return true
}

// find returns the index of a picture in pictures, or where it would be
// inserted.
func (g *Gallery) find(name string) (int, bool) {
	return slices.BinarySearchFunc(g.pictures, name, func(p knownPicture, name string) int {
		return strings.Compare(p.file.name, name)
	})
}

// Spelled returns names as the files on disk are called: a name that is not
// there may be there in the other Unicode normal form.
func (g *Gallery) Spelled(names []string) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = name
		for _, form := range []string{name, norm.NFC.String(name), norm.NFD.String(name)} {
			if _, ok := g.find(form); ok {
				list[i] = form
				break
			}
		}
	}
	return list
}

// has returns the picture of a file that has not changed and need not be read
// again.
func (g *Gallery) has(f knownFile) (knownPicture, bool) {
	at, ok := g.find(f.name)
	if !ok || g.pictures[at].file != f || g.problems[f.name].transient {
		return knownPicture{}, false
	}
	return g.pictures[at], true
}

// Picture is a known picture that can be matched.
type Picture struct {
	Name    string // relative to the folder, with forward slashes
	Content ContentID
}

// Page returns up to n pictures that can be matched, sorted by name, starting
// after the name after.
func (g *Gallery) Page(after string, n int) []Picture {
	at, found := g.find(after)
	if found {
		at++
	}
	var page []Picture
	for ; at < len(g.pictures) && len(page) < n; at++ {
		if p := g.pictures[at]; g.problems[p.file.name].text == "" {
			page = append(page, Picture{Name: p.file.name, Content: p.content})
		}
	}
	return page
}

// versionFor computes the version for a model set. It depends on the
// pictures' names and contents, not on where the folder is.
func (g *Gallery) versionFor(modelID string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", modelID)
	for _, p := range g.pictures {
		if g.problems[p.file.name].text == "" {
			fmt.Fprintf(h, "%q %x\n", p.file.name, p.content)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// problemOf classifies a failure to describe a known picture.
func problemOf(err error) problem {
	switch code := faces.Reason(faces.ErrorCode(err)); code {
	case faces.NoFace, faces.Uncertain, faces.CorruptImage, faces.UnsupportedFormat, faces.ImageTooLarge:
		return problem{text: ProblemText(err), kind: string(code)}
	default: // the next try may succeed
		return problem{text: ProblemText(err), kind: string(faces.ReasonOf(err)), transient: true}
	}
}

// ProblemKinds counts the pictures that cannot be matched by the kind of their
// problem. It has no names, which may be people's.
func (g *Gallery) ProblemKinds() map[string]int {
	kinds := map[string]int{}
	for _, p := range g.problems {
		kinds[cmp.Or(p.kind, "other")]++
	}
	return kinds
}

// ProblemText returns one line that says why a known picture cannot be
// matched.
func ProblemText(err error) string {
	var fault *faces.Error
	if errors.As(err, &fault) {
		return fault.Message
	}
	return err.Error()
}
