// Package erasure is the domain of erasing a person. An Entry says what an erasure
// removes, by ids and marks: it holds no name, no path and no descriptor. Package store
// carries it out, package eraser keeps it in the ledger and runs the job, and package
// erasedsearch looks whether anything is left. This package does no I/O.
package erasure

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// LedgerFolder is the folder of the ledger in KNOWN_PEOPLE. It is hidden, so no program
// takes it for a person's, and not below faces.WrittenFolder, where receivers of the
// version before sweep away what has no row.
const LedgerFolder = ".rollcall-erased"

// EntrySuffix ends the names of the ledger's files, which begin with the id.
const EntrySuffix = ".json"

// MaxEntry is the limit in bytes of an entry: it must fit into one request that replays
// it, and into one statement of MariaDB, which may have 16 MiB.
const MaxEntry = 8 << 20

// Policy says what becomes of the pictures that show the person.
type Policy string

// The policies.
const (
	Keep   Policy = "keep"   // they stay; the place of the person's face is never described again
	Delete Policy = "delete" // they go, and their files if Rollcall wrote them
)

// State is the state of an erasure. The person is gone in all of them.
type State string

// The states.
const (
	Erasing  State = "erasing"  // the job removes what is left
	Erased   State = "erased"   // the job is done; nobody has searched yet
	Found    State = "found"    // the search found something
	Verified State = "verified" // the search found nothing
)

// Entry is what the ledger keeps of an erasure. It is all that is needed to carry it
// out again after a restore.
type Entry struct {
	ID          string    `json:"id"`
	Salt        Salt      `json:"salt"`
	PersonID    int64     `json:"person_id"`
	Merged      []int64   `json:"merged"` // ids of those who were merged into the person
	Images      Policy    `json:"images"`
	At          time.Time `json:"at"`
	Names       []Name    `json:"names"`       // of the person, and of those merged into them
	Files       []Mark    `json:"files"`       // names of known pictures
	Contents    []Mark    `json:"contents"`    // of known pictures, as SHA-256
	Descriptors []Mark    `json:"descriptors"` // of the person's faces
	Pictures    []Picture `json:"pictures"`    // that show the person, or may
}

// Name is the mark of a name, and of how many words it is.
type Name struct {
	Mark  Mark `json:"mark"`
	Words int  `json:"words"`
}

// Picture is an image with faces of the person.
type Picture struct {
	ImageID int64   `json:"image_id"`
	Path    Mark    `json:"path"`
	Content Mark    `json:"content"` // of its file; zero if that is unknown
	Shows   bool    `json:"shows"`   // it was decided that it shows the person
	Places  []Place `json:"places"`
}

// Place is where a face of the person is in a picture.
type Place struct {
	Box   faces.Box `json:"box"`
	Model string    `json:"model"` // the model set that found it
}

// NewID returns the id of a new erasure. It is no number, so that a restored database
// cannot give it to another one.
func NewID() string { return strings.ToLower(rand.Text()) }

// CheckID returns an error if a text cannot be the id of an erasure. It may become the
// name of a file.
func CheckID(id string) error {
	if len(id) != len(rand.Text()) || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return faces.Errorf(faces.CodeInvalid, "%.40q is no id of an erasure; it has 26 small letters and digits", id)
	}
	return nil
}

// Decode reads an entry, and checks what is used as a name or a limit.
func Decode(data []byte) (e Entry, err error) {
	if err := json.Unmarshal(data, &e); err != nil {
		return e, fmt.Errorf("read an entry of the ledger of erasures: %w", err)
	}
	if err := CheckID(e.ID); err != nil {
		return e, fmt.Errorf("read an entry of the ledger of erasures: %w", err)
	}
	if e.PersonID < 1 || e.Images != Keep && e.Images != Delete || len(e.Names) == 0 || e.Salt == (Salt{}) {
		return e, fmt.Errorf("entry %s of the ledger of erasures is not complete", e.ID)
	}
	return e, nil
}

// IsOf reports whether somebody with this id and name is the person of the entry, or was
// merged into them: a database of before the merge has them apart. The database of
// yesterday may have given the id to somebody else.
func (e Entry) IsOf(person int64, name string) bool {
	if person != e.PersonID && !slices.Contains(e.Merged, person) {
		return false
	}
	mark := e.Salt.OfName(name)
	for _, n := range e.Names {
		if n == mark {
			return true
		}
	}
	return false
}

// With returns the entry with what another one of the same erasure has, too: a restored
// database can know more of the person than the one that the entry was made of.
func (e Entry) With(more Entry) Entry {
	e.Merged = union(e.Merged, more.Merged)
	e.Names = union(e.Names, more.Names)
	e.Files = union(e.Files, more.Files)
	e.Contents = union(e.Contents, more.Contents)
	e.Descriptors = union(e.Descriptors, more.Descriptors)
	for _, p := range more.Pictures {
		at := slices.IndexFunc(e.Pictures, func(o Picture) bool { return o.ImageID == p.ImageID && o.Path == p.Path })
		if at < 0 {
			e.Pictures = append(e.Pictures, p)
			continue
		}
		e.Pictures[at].Places = union(e.Pictures[at].Places, p.Places)
		e.Pictures[at].Shows = e.Pictures[at].Shows || p.Shows
	}
	return e
}

func union[T comparable](a, b []T) []T {
	seen := map[T]bool{}
	var all []T
	for _, v := range slices.Concat(a, b) {
		if !seen[v] {
			seen[v] = true
			all = append(all, v)
		}
	}
	return all
}

// Receipt is an erasure as users see it.
type Receipt struct {
	ID         string
	PersonID   int64
	Images     Policy
	State      State
	Counts     map[string]int // what went, by store
	Kept       []int64        // images that show the person and stay
	LeftFiles  int            // files of others among the known pictures
	Found      []string       // where the search found something: places only
	CreatedAt  time.Time
	ErasedAt   time.Time
	VerifiedAt time.Time
}

// Plan is what an erasure would remove, for a dry run.
type Plan struct {
	Counts    map[string]int
	Kept      []int64  // images that would stay
	LeftFiles []string // files of others, which would stay
}

// MarshalText implements encoding.TextMarshaler.
func (m Mark) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, m[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mark) UnmarshalText(text []byte) error { return decodeHex(m[:], text) }

// MarshalText implements encoding.TextMarshaler.
func (s Salt) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Salt) UnmarshalText(text []byte) error { return decodeHex(s[:], text) }

func decodeHex(to, text []byte) error {
	if hex.DecodedLen(len(text)) != len(to) {
		return fmt.Errorf("a mark or salt has %d characters instead of %d", len(text), hex.EncodedLen(len(to)))
	}
	_, err := hex.Decode(to, text)
	return err
}
