package history

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// KnownPeople is one version of the known people: the pictures that recognizers
// list, joined with the people in the database.
type KnownPeople struct {
	Basis    Basis
	Model    faces.Model
	Pictures []faces.KnownPicture // by name

	owners map[string]faces.Person // by picture
	owned  []string                // pictures that have an owner; nil if all have one
	people int                     // number of people with pictures

	withheld map[int64]bool // people whose pictures have no owner because their consent does not stand
}

// NewKnownPeople joins the known pictures with their owners. m is the rule to
// apply; its threshold and margin may differ from those of the set.
func NewKnownPeople(set faces.KnownSet, m faces.Model, owners map[string]faces.Person) *KnownPeople {
	k := &KnownPeople{Model: m, owners: make(map[string]faces.Person, len(set.Pictures))}
	for _, p := range set.Pictures {
		picture := faces.KnownPicture{Image: p.Image, Content: p.Content, Person: faces.NoPerson}
		if owner, ok := owners[p.Image]; ok {
			picture.Person, k.owners[p.Image] = owner.ID, owner
			k.owned = append(k.owned, p.Image)
		}
		k.Pictures = append(k.Pictures, picture)
	}
	slices.SortFunc(k.Pictures, func(a, b faces.KnownPicture) int { return cmp.Compare(a.Image, b.Image) })
	if len(k.owned) == len(k.Pictures) {
		k.owned = nil
	}
	k.people = countPeople(k.owners)
	k.Basis = Basis{Gallery: set.Gallery, Model: m.ID, Threshold: m.Threshold, Margin: m.Margin, Rule: m.RuleID()}
	k.Basis.Fingerprint = fingerprint(k.Basis, k.Pictures)
	return k
}

// WithRule returns the same known people with another threshold and margin; 0 keeps what
// they have.
func (k *KnownPeople) WithRule(threshold, margin float64) *KnownPeople {
	other := *k
	other.Model = k.Model.WithRule(threshold, margin)
	other.Basis.Threshold, other.Basis.Margin, other.Basis.Rule = other.Model.Threshold, other.Model.Margin, other.Model.RuleID()
	other.Basis.Fingerprint = fingerprint(other.Basis, other.Pictures)
	return &other
}

// Withholding notes the people whose pictures have no owner because their consent does
// not stand. It returns k.
func (k *KnownPeople) Withholding(people map[int64]bool) *KnownPeople {
	k.withheld = people
	return k
}

func countPeople(owners map[string]faces.Person) int {
	ids := map[int64]bool{}
	for _, p := range owners {
		ids[p.ID] = true
	}
	return len(ids)
}

// fingerprint returns a digest of a basis and its pictures.
func fingerprint(b Basis, pictures []faces.KnownPicture) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %v %v %q\n", b.Gallery, b.Model, b.Threshold, b.Margin, b.Rule)
	for _, p := range pictures {
		fmt.Fprintf(h, "%q %q %d\n", p.Image, p.Content, p.Person)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// IsEmpty reports whether no known picture has an owner.
func (k *KnownPeople) IsEmpty() bool { return len(k.owners) == 0 }

// owner returns the person whom a picture shows. See faces.Candidates.
func (k *KnownPeople) owner(image string) (faces.Person, bool) {
	p, ok := k.owners[image]
	return p, ok
}

// isOf reports whether a picture belongs to a person.
func (k *KnownPeople) isOf(image string, person int64) bool {
	p, ok := k.owners[image]
	return ok && p.ID == person
}

// picturesOf returns the names of the pictures of the wanted people.
func (k *KnownPeople) picturesOf(wanted func(person int64) bool) []string {
	var names []string
	for _, p := range k.Pictures {
		if p.Person != faces.NoPerson && wanted(p.Person) {
			names = append(names, p.Image)
		}
	}
	return names
}
