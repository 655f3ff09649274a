// Package faces is Rollcall's domain: images and their outcomes, people, what
// a recognizer finds in a picture, and the rule that turns it into an answer.
// It imports the standard library only.
//
// Decide applies the rule to a new picture. Face.Judge, NameOnce and Conclude
// are its three steps; package history calls them for stored faces. The database,
// the API and the dashboard use the types of this package.
package faces

import (
	"fmt"
	"slices"
)

// Status is an image's place in the pipeline, as the column images.status
// holds it. The numbers are shared with programs that others wrote.
type Status int

// The statuses, in the order of their numbers.
const (
	Pending    Status = 0 // waiting, or answered with nobody known in it
	Processed  Status = 1 // at least one known person
	Failed     Status = 2 // no answer; the reason says whether a retry can help
	Processing Status = 3 // a processor holds a lease on it
)

var statusNames = [...]string{"pending", "processed", "failed", "processing"}

// String returns the status's name in the API.
func (s Status) String() string {
	if s < 0 || int(s) >= len(statusNames) {
		return fmt.Sprintf("status(%d)", int(s))
	}
	return statusNames[s]
}

// ParseStatus is the reverse of String.
func ParseStatus(name string) (Status, error) {
	for i, n := range statusNames {
		if n == name {
			return Status(i), nil
		}
	}
	return 0, Errorf(CodeInvalid, "unknown status %q: use pending, processed, failed or processing", name)
}

// Reason says why an image has its status, or what was decided about a face.
type Reason string

// The reasons, grouped by the status they belong to.
const (
	// Pending.
	Queued        Reason = "queued"         // waits for its turn
	UnknownPerson Reason = "unknown_person" // faces, none of them known
	Uncertain     Reason = "uncertain"      // too close to call
	NoFace        Reason = "no_face"        // no face at all, or none that counts (see IsDismissed)

	// Processed.
	Identified Reason = "identified" // at least one known person

	// Failed for good: the picture can never work as it is.
	NotFound          Reason = "not_found"
	CorruptImage      Reason = "corrupt_image"
	UnsupportedFormat Reason = "unsupported_format"
	ImageTooLarge     Reason = "image_too_large"
	PathNotAllowed    Reason = "path_not_allowed"

	// Failed because a service was in the way, after all attempts.
	RecognizerUnavailable Reason = "recognizer_unavailable"
	Timeout               Reason = "timeout"
	Internal              Reason = "internal"

	// Processing has no reason of its own.
	NoReason Reason = ""
)

// Reasons of faces only: the face fails a quality floor, so it is never named
// automatically (see Floors.Shortfall). No image has them.
const (
	TooSmall   Reason = "too_small"
	Blurred    Reason = "blurred"
	TurnedAway Reason = "turned_away"
	CutOff     Reason = "cut_off"
)

// Reasons of faces only: somebody said that the face does not count. It is never
// named or suggested. An image in which no face counts is NoFace: a reason of its
// own would make programs of the release before queue the image again, because
// they take a pending row with an unknown reason for a waiting one.
const (
	Ignored  Reason = "ignored"    // a face that nobody wants to see again
	NotAFace Reason = "not_a_face" // a poster, a pattern
)

type reasonInfo struct {
	status    Status
	permanent bool // for failures: only a person may ask for another try
}

var reasons = map[Reason]reasonInfo{
	Queued:                {status: Pending},
	UnknownPerson:         {status: Pending},
	Uncertain:             {status: Pending},
	NoFace:                {status: Pending},
	Identified:            {status: Processed},
	NotFound:              {status: Failed, permanent: true},
	CorruptImage:          {status: Failed, permanent: true},
	UnsupportedFormat:     {status: Failed, permanent: true},
	ImageTooLarge:         {status: Failed, permanent: true},
	PathNotAllowed:        {status: Failed, permanent: true},
	RecognizerUnavailable: {status: Failed},
	Timeout:               {status: Failed},
	Internal:              {status: Failed},
	NoReason:              {status: Processing},
}

// Reasons lists every reason of an image in the order of the documentation.
func Reasons() []Reason {
	return []Reason{
		Queued, Identified, UnknownPerson, Uncertain, NoFace,
		NotFound, CorruptImage, UnsupportedFormat, ImageTooLarge, PathNotAllowed,
		RecognizerUnavailable, Timeout, Internal,
	}
}

// ReasonsWhere returns the Reasons for which keep returns true.
func ReasonsWhere(keep func(Reason) bool) []Reason {
	return slices.DeleteFunc(Reasons(), func(r Reason) bool { return !keep(r) })
}

// FaceReasons lists every reason of a face in the order of the documentation.
func FaceReasons() []Reason {
	return []Reason{Identified, Uncertain, UnknownPerson, TooSmall, Blurred, TurnedAway, CutOff, Ignored, NotAFace}
}

// IsDismissed reports whether r says that a face does not count, because
// somebody said so.
func (r Reason) IsDismissed() bool { return r == Ignored || r == NotAFace }

// BelowFloor reports whether r says that a face's quality is too low for the
// face to be named automatically.
func (r Reason) BelowFloor() bool {
	return r == TooSmall || r == Blurred || r == TurnedAway || r == CutOff
}

// ParseFaceReason returns the reason in FaceReasons that has this name.
func ParseFaceReason(name string) (Reason, error) {
	if !slices.Contains(FaceReasons(), Reason(name)) {
		return "", Errorf(CodeInvalid, "unknown reason of a face %q: use one of %v", name, FaceReasons())
	}
	return Reason(name), nil
}

// ParseReason returns the reason in Reasons that has this name.
func ParseReason(name string) (Reason, error) {
	if Reason(name).BelowFloor() {
		return "", Errorf(CodeInvalid, "%q is a reason of a face, not of an image; an image with such a face is %s or %s: use one of %v",
			name, Uncertain, UnknownPerson, Reasons())
	}
	if Reason(name).IsDismissed() {
		return "", Errorf(CodeInvalid, "%q is a reason of a face, not of an image; an image in which no other face is found is %s: use one of %v",
			name, NoFace, Reasons())
	}
	if _, ok := reasons[Reason(name)]; !ok || name == "" {
		return "", Errorf(CodeInvalid, "unknown reason %q: use one of %v", name, Reasons())
	}
	return Reason(name), nil
}

// Status returns the status that the reason belongs to. It returns Pending for
// reasons of faces only.
func (r Reason) Status() Status { return reasons[r].status }

// CheckOutcome returns an error if no image can have the status and the reason
// together. nil and NoReason stand for any.
func CheckOutcome(s *Status, r Reason) error {
	if s == nil || r == NoReason || r.Status() == *s {
		return nil
	}
	return Errorf(CodeInvalid, "no image has the status %s and the reason %s: this reason belongs to the status %s", *s, r, r.Status())
}

// Permanent reports whether the image failed for good, so that only a person
// may ask for another try.
func (r Reason) Permanent() bool { return reasons[r].permanent }

// Transient reports whether the image failed because of a service, so that a
// later try may work.
func (r Reason) Transient() bool {
	info, ok := reasons[r]
	return ok && info.status == Failed && !info.permanent
}

// IsAnswer reports whether the reason is the result of recognizing a picture.
// Such an image can be rescanned.
func (r Reason) IsAnswer() bool {
	switch r {
	case Identified, UnknownPerson, Uncertain, NoFace:
		return true
	default:
		return false
	}
}

// IsContentFault reports whether the fault is in the file's content, such as an
// unsupported format. A later release may be able to read the file.
func (r Reason) IsContentFault() bool {
	switch r {
	case CorruptImage, UnsupportedFormat, ImageTooLarge:
		return true
	default:
		return false
	}
}

// IsOutcome reports whether the reason is the final result of recognizing a
// picture: an answer, or a permanent failure.
func (r Reason) IsOutcome() bool { return r.IsAnswer() || r.Permanent() }

// IsPendingAnswer reports whether the reason is an answer although its status
// is Pending: nobody known is in the picture.
func (r Reason) IsPendingAnswer() bool { return r.IsAnswer() && r.Status() == Pending }

// ShownReason returns the reason to show for a row: the stored one if it belongs
// to the status, otherwise the status's default. A stored reason does not belong
// to the status after a program that knows no reasons has changed the status.
func ShownReason(s Status, stored Reason) Reason {
	if info, ok := reasons[stored]; ok && info.status == s && stored != NoReason {
		return stored
	}
	switch s {
	case Pending:
		return Queued
	case Processed:
		return Identified
	case Failed:
		return Internal
	default:
		return NoReason
	}
}
