package store

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm" // one name has one spelling, however a keyboard or a file system composes it
	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// The rules about names of people are here and not in the domain, which imports
// the standard library only: composing letters needs Unicode's tables. All names
// that Rollcall writes pass through here.

// cleanName returns the spelling in which a name is stored: without spaces around
// it, and with composed letters (NFC).
func cleanName(name string) string { return norm.NFC.String(strings.TrimSpace(name)) }

// foldName returns what names that differ only in upper and lower case have in
// common.
func foldName(name string) string { return norm.NFC.String(cases.Fold().String(cleanName(name))) }

// spellings returns how a name may be stored: as it is, as we store it, and with
// its letters taken apart, as older releases took it from a Mac's folder.
func spellings(name string) []string {
	clean := cleanName(name)
	return unique([]string{name, clean, norm.NFD.String(clean)})
}

// registry finds people by name. Tables of older releases have names that differ
// in spaces, composition or case only: each still finds its own row first.
type registry struct {
	exact, clean, folded map[string]faces.Person // the oldest of a name
}

// newRegistry makes a registry of people in any order.
func newRegistry(rows []personRow) *registry {
	r := &registry{exact: map[string]faces.Person{}, clean: map[string]faces.Person{}, folded: map[string]faces.Person{}}
	rows = slices.SortedFunc(slices.Values(rows), func(a, b personRow) int { return cmp.Compare(b.ID, a.ID) })
	for _, row := range rows {
		r.add(faces.Person{ID: row.ID, Name: row.Name})
	}
	return r
}

func (r *registry) add(p faces.Person) {
	r.exact[p.Name], r.clean[cleanName(p.Name)], r.folded[foldName(p.Name)] = p, p, p
}

// find returns the person who has the name.
func (r *registry) find(name string) (faces.Person, bool) {
	clean := cleanName(name)
	for _, look := range []struct {
		in   map[string]faces.Person
		name string
	}{{r.exact, name}, {r.exact, clean}, {r.clean, clean}} {
		if p, ok := look.in[look.name]; ok {
			return p, true
		}
	}
	return faces.Person{}, false
}

// similar returns a person whose name differs in upper and lower case only.
func (r *registry) similar(name string) (faces.Person, bool) {
	p, ok := r.folded[foldName(name)]
	return p, ok
}

// personNamed returns the person of a name and adds one if nobody has it. A name
// that differs from another only in case is an error with faces.CodeConflict. The
// caller has called serialize.
func personNamed(tx *gorm.DB, name string) (p faces.Person, added bool, err error) {
	var rows []personRow
	if err := tx.Where("name IN ?", spellings(name)).Find(&rows).Error; err != nil {
		return p, false, err
	}
	if p, ok := newRegistry(rows).find(name); ok {
		return p, false, nil
	}
	// Seldom: a new name is compared with all others.
	if err := tx.Find(&rows).Error; err != nil {
		return p, false, err
	}
	people := newRegistry(rows)
	if p, ok := people.find(name); ok {
		return p, false, nil
	}
	if p, ok := people.similar(name); ok {
		return p, false, faces.Errorf(faces.CodeConflict,
			"person %d has the name %q, which differs from %q in upper and lower case only; send that name or id, or choose another name",
			p.ID, p.Name, cleanName(name))
	}
	p, err = addPerson(tx, name)
	return p, true, err
}

func addPerson(tx *gorm.DB, name string) (faces.Person, error) {
	row := personRow{Name: cleanName(name)}
	if err := tx.Create(&row).Error; err != nil {
		return faces.Person{}, err
	}
	return faces.Person{ID: row.ID, Name: row.Name}, nil
}
