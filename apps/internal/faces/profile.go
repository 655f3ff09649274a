package faces

import "time"

// Profile is a person as lists of people show it.
type Profile struct {
	Person
	// Version grows with each change of the person or of their known pictures. A
	// writer who names it changes nothing that somebody else has changed meanwhile.
	Version int64
	// Hidden people are left out of lists unless these ask for them. They are
	// recognized like everybody else.
	Hidden bool
	// KnownPictures is the number of rows of person_images.
	KnownPictures int
	// Cover is the id of the known image to show for the person; 0 if there is none.
	Cover int64
}

// ProfileChange is what a writer changes about a person. nil means no change.
type ProfileChange struct {
	Name   *string
	Hidden *bool
	Cover  *int64 // id of one of the person's known images; 0 is the oldest one
}

// AnyVersion makes a change whatever the version of a person is.
const AnyVersion int64 = -1

// Merge is two people who became one.
type Merge struct {
	ID         int64
	Person     Person // who stays
	Merged     Person // who was merged into them, with the name of before
	Images     int    // that showed Merged
	KnownMoved int    // known pictures that were Merged's
	CreatedAt  time.Time
	UndoneAt   time.Time // zero if it stands
}

// Enrolled is a known image with what is kept about it.
type Enrolled struct {
	KnownImage
	Source  EnrolSource
	FaceID  int64  // of SourceFace: the face that it was cut from, which may be gone
	SHA256  string // of the file, in hexadecimal; empty unless Rollcall wrote it
	AddedAt time.Time
	// PublicID is the id that callers of another contract know it by, a UUID. It is
	// empty in rows that Rollcall did not write, until the first list of such a caller.
	PublicID string
}

// EnrolSource is how a known picture came in.
type EnrolSource string

// Sources of known pictures.
const (
	SourceFolder  EnrolSource = ""        // a file in the person's folder, or a row that somebody wrote by SQL
	SourcePath    EnrolSource = "path"    // a file in KNOWN_PEOPLE, enrolled by the API
	SourceUpload  EnrolSource = "upload"  // sent to the API
	SourceFace    EnrolSource = "face"    // cut from an image
	SourceRemoved EnrolSource = "removed" // a file in a folder that is nobody's any more, because the API said so
)

// Written reports whether Rollcall wrote the file, so that it may delete it.
func (s EnrolSource) Written() bool { return s == SourceUpload || s == SourceFace }

// WrittenFolder is the folder in KNOWN_PEOPLE of the known pictures that Rollcall
// writes. It is no person's folder.
const WrittenFolder = "_rollcall"
