package history

import (
	"fmt"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Outcome is what an image is, or becomes: a reason, and a person where there
// is one. All of what is stored for an image is a faces.Outcome.
type Outcome struct {
	Reason faces.Reason
	Person *faces.Person
}

// String says it in a word or two.
func (o Outcome) String() string {
	if o.Person != nil {
		return o.Person.Name
	}
	return strings.TrimSuffix(string(o.Reason), "_person")
}

// Movement is how many images go from one outcome to another.
type Movement struct {
	From, To Outcome
	Images   int64
}

// ImageChange is what a job makes of one image, to be shown to people.
type ImageChange struct {
	ImageID  int64
	Path     string
	From, To Outcome
	State    ChangeState
}

// ChangeState says whether the change of one image was carried out.
type ChangeState string

// The states of one image's change.
const (
	ChangePlanned ChangeState = "planned"
	ChangeApplied ChangeState = "applied"
	ChangeSkipped ChangeState = "skipped" // somebody else had changed the image
	ChangeUndone  ChangeState = "undone"
)

// Summarize says in one line what a re-match changes:
// "12 images change: 9 unknown → Anna, 3 Anna → unknown".
func Summarize(images int64, list []Movement) string {
	switch images {
	case 0:
		return "no image changes"
	case 1:
		return "1 image changes: " + joinMovements(1, list)
	default:
		return fmt.Sprintf("%d images change: %s", images, joinMovements(images, list))
	}
}

func joinMovements(images int64, list []Movement) string {
	const maxShown = 5
	var parts []string
	for i, m := range list {
		if i == maxShown {
			parts = append(parts, fmt.Sprintf("%d others", images))
			break
		}
		parts = append(parts, fmt.Sprintf("%d %s → %s", m.Images, m.From, m.To))
		images -= m.Images
	}
	return strings.Join(parts, ", ")
}
