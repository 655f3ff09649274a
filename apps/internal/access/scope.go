package access

import (
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Scope is a kind of request that a key may send.
type Scope string

// The scopes.
const (
	Ingest Scope = "ingest" // post and upload pictures
	Read   Scope = "read"   // read images, faces and jobs
	People Scope = "people" // people, known pictures and corrections
	Admin  Scope = "admin"  // keys, users, jobs and settings; includes all others
	Act    Scope = "act"    // name the user on whose behalf a request is sent
)

// AllScopes returns all scopes, in the order in which lists show them.
func AllScopes() []Scope { return []Scope{Ingest, Read, People, Admin, Act} }

// Scopes is a set of scopes. The zero value is empty.
type Scopes uint8

// everything is the set of all scopes.
const everything Scopes = 1<<5 - 1

// ScopesOf returns the set of some scopes. It passes over unknown ones.
func ScopesOf(list ...Scope) Scopes {
	var set Scopes
	for _, s := range list {
		if i := slices.Index(AllScopes(), s); i >= 0 {
			set |= 1 << i
		}
	}
	return set
}

// ParseScopes returns the set of the scopes that a list names. It refuses an empty
// list and unknown names.
func ParseScopes(names []string) (Scopes, error) {
	var set Scopes
	for _, name := range names {
		s := Scope(strings.TrimSpace(name))
		if !slices.Contains(AllScopes(), s) {
			return 0, faces.Errorf(faces.CodeInvalid, "%.12q is not a scope; the scopes are %s", name, everything) // short: it may be a key in the wrong place
		}
		set |= ScopesOf(s)
	}
	if set == 0 {
		return 0, faces.Errorf(faces.CodeInvalid, "a key needs at least one scope; the scopes are %s", everything)
	}
	return set, nil
}

// Has reports whether the set has a scope, be it because it has Admin.
func (s Scopes) Has(scope Scope) bool { return s.whole()&ScopesOf(scope) != 0 }

// And returns the scopes that both sets have.
func (s Scopes) And(other Scopes) Scopes { return s.whole() & other.whole() }

// whole returns the set with everything that Admin includes.
func (s Scopes) whole() Scopes {
	if s&ScopesOf(Admin) != 0 {
		return everything
	}
	return s
}

// List returns the scopes of the set.
func (s Scopes) List() []Scope {
	list := []Scope{}
	for _, scope := range AllScopes() {
		if s&ScopesOf(scope) != 0 {
			list = append(list, scope)
		}
	}
	return list
}

// String returns the scopes, separated by commas.
func (s Scopes) String() string {
	var names []string
	for _, scope := range s.List() {
		names = append(names, string(scope))
	}
	return strings.Join(names, ",")
}

// Role is what a user may do.
type Role string

// The roles.
const (
	Viewer    Role = "viewer"   // reads
	Reviewer  Role = "reviewer" // reads, posts and corrects
	AdminRole Role = "admin"    // may do everything
)

// AllRoles returns all roles, the one that may do least first.
func AllRoles() []Role { return []Role{Viewer, Reviewer, AdminRole} }

// ParseRole returns the role of a name.
func ParseRole(name string) (Role, error) {
	if r := Role(name); slices.Contains(AllRoles(), r) {
		return r, nil
	}
	return "", faces.Errorf(faces.CodeInvalid, "%.40q is not a role; the roles are viewer, reviewer and admin", name)
}

// Includes reports whether the role allows everything that another one allows. An
// unknown role includes nothing and is included by none.
func (r Role) Includes(other Role) bool {
	mine, theirs := slices.Index(AllRoles(), r), slices.Index(AllRoles(), other)
	return theirs >= 0 && mine >= theirs
}

// Scopes returns what the role allows. An unknown role allows nothing.
func (r Role) Scopes() Scopes {
	switch r {
	case Viewer:
		return ScopesOf(Read)
	case Reviewer:
		return ScopesOf(Read, People, Ingest)
	case AdminRole:
		return everything
	default:
		return 0
	}
}
