package chaos

import (
	"fmt"
	"hash/fnv"
	"path/filepath"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const people = 7

// answer is the correct outcome of a path. The recognizer of the test gives it
// and the judge checks it.
type answer struct {
	reason faces.Reason
	person int // number of the identified person
	faces  int
}

// answerFor returns the correct outcome of a path.
func answerFor(path string) answer {
	h := fnv.New64a()
	h.Write([]byte(filepath.Base(path))) // and not the folder of this run
	sum := h.Sum64()
	a := answer{person: int(sum>>8) % people, faces: 1 + int(sum>>16)%3}
	switch share := sum % 100; {
	case share < 50:
		a.reason = faces.Identified
	case share < 65:
		a.reason = faces.UnknownPerson
	case share < 75:
		a.reason = faces.Uncertain
	case share < 85:
		a.reason, a.faces = faces.NoFace, 0
	case share < 93:
		a.reason, a.faces = faces.CorruptImage, 0
	default:
		a.reason, a.faces = faces.NotFound, 0
	}
	return a
}

func personName(n int) string { return fmt.Sprintf("person %d", n%people) }

// knownImage returns the name of the only known picture of person n.
func knownImage(n int) string { return fmt.Sprintf("person%d/1.jpg", n%people) }
