// Package archive is the file of a backup: a tar archive, compressed by gzip and, on
// wish, encrypted by age. It is written and read in one pass with bounded memory.
//
// Its members are, in this order:
//
//	head.json                      what the archive is of
//	known/…  ledger/…  pictures/…  files
//	tables/images/000001.jsonl     rows: the columns first, then one row a line
//	end.json                       what must have come before: counts and digests
//
// Each member has its SHA-256 in its header. An archive without end.json is not whole,
// and nothing may follow it. Who can write the file can also write the digests: they
// find damage. Only encryption, and a place where nobody else writes, keep others out.
package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
)

// Format is the version of the archive's format.
const Format = 1

const (
	headName, endName = "head.json", "end.json"
	// hashRecord is the record of a member's header with its SHA-256.
	hashRecord = "ROLLCALL.sha256"
	// maxChunk bounds a member with rows. A writer begins the next one from chunkSize on,
	// so one row may be large: an answer that is kept has 16 MiB, or 22 in base64.
	maxChunk  = 96 << 20
	chunkSize = 4 << 20
	// maxText bounds head.json and end.json.
	maxText = 4 << 20
	// maxKnown bounds the number of files of known people, whose names are kept to find
	// a second file of the same name.
	maxKnown = 5_000_000
)

// ErrDamaged marks an archive that is not as it was written, or was never whole.
var ErrDamaged = errors.New("the archive is damaged")

// ErrNewer marks an archive of a newer program.
var ErrNewer = errors.New("the archive is of a newer program")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// Head says what an archive is of.
type Head struct {
	Format   int       `json:"format"`
	Program  string    `json:"program"`  // its version
	Database string    `json:"database"` // store.KindMySQL or KindSQLite
	Schema   int       `json:"schema"`
	BeganAt  time.Time `json:"began_at"`
	Pictures bool      `json:"pictures"` // uploaded pictures are in it
	// UnknownPeople is the folder that the paths of images are in.
	UnknownPeople string `json:"unknown_people"`
}

// End says what an archive has.
type End struct {
	Schema  int       `json:"schema"`
	TakenAt time.Time `json:"taken_at"` // the moment of the rows
	Tables  []Table   `json:"tables"`
	Files   Files     `json:"files"`
	// Digest is the SHA-256 of names, sizes and digests of all members.
	Digest string `json:"sha256"`
}

// Table is a table of an archive.
type Table struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Rows    int64    `json:"rows"`
	NextID  int64    `json:"next_id"` // of the next row; 0 if rows are not numbered
	Digest  string   `json:"sha256"`  // of its rows, see Digest
}

// Files counts the files of an archive.
type Files struct {
	Known    Count `json:"known"`
	Ledger   Count `json:"ledger"`
	Pictures Count `json:"pictures"`
	// Missing are files that a row names and that were not there.
	Missing int64 `json:"missing"`
}

// Count counts files and their bytes.
type Count struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
}

func (c *Count) add(size int) {
	c.Files++
	c.Bytes += int64(size)
}

// Kind is a kind of files.
type Kind string

// The kinds of files. Names are relative to the folder of the kind.
const (
	Known    Kind = "known"    // in KNOWN_PEOPLE
	Ledger   Kind = "ledger"   // entries of erasures, ID.json
	Pictures Kind = "pictures" // in UNKNOWN_PEOPLE, uploaded
)

func (f *Files) of(k Kind) *Count {
	switch k {
	case Known:
		return &f.Known
	case Ledger:
		return &f.Ledger
	default:
		return &f.Pictures
	}
}

// maxSize returns the limit in bytes of a file of a kind.
func (k Kind) maxSize() int64 {
	if k == Ledger {
		return 2 * erasure.MaxEntry
	}
	return picturefiles.MaxSize
}

// PictureName matches the names of uploaded pictures, relative to UNKNOWN_PEOPLE. The
// SHA-256 of the content is in the name.
var PictureName = regexp.MustCompile(`^uploads/([0-9a-f]{2})/([0-9a-f]{64})\.[a-z0-9]{1,16}$`)

// CheckName returns an error if a file of a kind cannot have this name. No name leads
// out of its folder, or to a file that is no picture. The error does not have the name,
// which can be that of a person.
func CheckName(k Kind, name string) error {
	switch k {
	case Ledger:
		id, ok := strings.CutSuffix(name, erasure.EntrySuffix)
		if !ok || erasure.CheckID(id) != nil {
			return errors.New("it has no name of an entry of the ledger")
		}
	case Pictures:
		m := PictureName.FindStringSubmatch(name)
		if m == nil || !strings.HasPrefix(m[2], m[1]) {
			return errors.New("it has no name of an uploaded picture")
		}
	case Known:
		return checkKnown(name)
	default:
		return errors.New("there is no such kind of files")
	}
	return nil
}

var errNoPicture = errors.New("it has no name of a known picture")

func checkKnown(name string) error {
	if !fs.ValidPath(name) || name == "." || !utf8.ValidString(name) || strings.ContainsAny(name, "\x00\\") || utf8.RuneCountInString(name) > faces.MaxPathLength {
		return errNoPicture
	}
	for part := range strings.SplitSeq(name, "/") {
		if picturefiles.Passed(part) || len(part) > 255 {
			return errNoPicture
		}
	}
	return nil
}

var (
	identifier = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)
	chunkName  = regexp.MustCompile(`^tables/([a-z][a-z0-9_]{0,63})/([0-9]{6,9})\.jsonl$`)
)

func decodeText(data []byte, name string, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return damaged("%s cannot be read: %v", name, err)
	}
	return nil
}
