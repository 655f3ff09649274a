package faces

import "time"

// RescanState says whether an image that has an answer is looked at again.
type RescanState string

// The states of an image's rescan.
const (
	RescanNone    RescanState = ""        // it is not looked at again
	RescanWaiting RescanState = "waiting" // it is about to be, or just now
	RescanFailed  RescanState = "failed"  // it could not be; the old answer stands
)

// Rescan is what is known of looking at an answered image again. The image's
// answer stands until the new one replaces it.
type Rescan struct {
	State  RescanState
	Reason Reason // why it failed
	Detail string // one line for people, of the failure
	Since  time.Time
}

// HasAnswer reports whether the reason is one that looking at a picture gave:
// somebody may ask to have it looked at again.
func (r Reason) HasAnswer() bool {
	switch r {
	case Identified, UnknownPerson, Uncertain, NoFace:
		return true
	default:
		return false
	}
}

// IsOfFaces reports whether the reason is one that the faces in a picture gave.
func (r Reason) IsOfFaces() bool { return r == Identified || r == Uncertain || r == UnknownPerson }

// OfContent reports whether the reason is a fault of the file's content, such
// as a format that cannot be read: another release may read it.
func (r Reason) OfContent() bool {
	switch r {
	case CorruptImage, UnsupportedFormat, ImageTooLarge:
		return true
	default:
		return false
	}
}
