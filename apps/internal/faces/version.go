package faces

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// VersionOf identifies what people see of an image's faces, and what was said
// about them: a change of either makes another version. It is computed from the
// state itself, not from a counter, so that it also changes if a program of another
// release has written the rows. said are all corrections of the image, also undone
// ones, so that a statement and its undoing do not lead back to an old version.
//
// Distances are left out: they change in the background without a change of the
// answer.
func VersionOf(img Image, said []Correction) string {
	h := sha256.New()
	fmt.Fprintln(h, img.ID, img.Status, img.Reason)
	writePerson(h, img.Person)
	for i := range img.Faces {
		f := &img.Faces[i]
		fmt.Fprintln(h, "face", f.ID, f.Box, f.Reason, f.Corrected, f.Confirmed)
		writePerson(h, f.Person)
		for _, c := range []*Candidate{f.Best, f.Second} {
			if c != nil {
				writePerson(h, &c.Person)
			}
		}
	}
	for _, c := range said {
		fmt.Fprintln(h, "said", c.ID, c.UndoneAt.IsZero())
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// writePerson adds a person to a digest, with the name, because users read names
// and not ids.
func writePerson(h hash.Hash, p *Person) {
	if p == nil {
		fmt.Fprintln(h, "nobody")
		return
	}
	fmt.Fprintf(h, "%d %q\n", p.ID, p.Name)
}

// CheckVersion returns an error with CodeStale if a user has seen another version
// of the image. An empty version is any.
func (img Image) CheckVersion(seen string) error {
	if seen == "" || seen == img.Version {
		return nil
	}
	return Errorf(CodeStale, "image %d has changed since you read it; read it again, then decide again", img.ID)
}
