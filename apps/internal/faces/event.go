package faces

import "time"

// EventType says what an event tells of.
type EventType string

// The types of events.
const (
	ImageAccepted   EventType = "image.accepted"    // it is stored and waits
	ImageAnswered   EventType = "image.answered"    // a round ended with an answer
	ImageChanged    EventType = "image.changed"     // the answer is another one; see EventCause
	ImageFailed     EventType = "image.failed"      // a round ended with a failure
	ImageRetried    EventType = "image.retried"     // it is processed again
	ImageDeleted    EventType = "image.deleted"     //
	PersonCreated   EventType = "person.created"    //
	PersonRenamed   EventType = "person.renamed"    //
	PersonMerged    EventType = "person.merged"     // Other was merged into Person
	PersonMergeUndo EventType = "person.merge_undo" // Other is a person of their own again
	PersonDeleted   EventType = "person.deleted"    //
	PersonConsent   EventType = "person.consent"    // the consent was recorded or withdrawn, began or lapsed
)

// EventTypes returns all types.
func EventTypes() []EventType {
	return []EventType{
		ImageAccepted, ImageAnswered, ImageChanged, ImageFailed, ImageRetried, ImageDeleted,
		PersonCreated, PersonRenamed, PersonMerged, PersonMergeUndo, PersonDeleted, PersonConsent,
	}
}

// EventCause says why an answer changed or an image is processed again.
type EventCause string

// The causes.
const (
	NoCause        EventCause = ""
	ByCorrection   EventCause = "correction"    // somebody said or undid something about a face
	ByRematch      EventCause = "rematch"       // the known people or corrections changed
	ByRescan       EventCause = "rescan"        // the picture was processed again
	ByMerge        EventCause = "merge"         // two people became one, or two again
	ByPersonDelete EventCause = "person_delete" // a person of the answer was deleted
	ByRequest      EventCause = "request"       // somebody asked for a retry
	ByConsent      EventCause = "consent"       // the consent of a person of the answer has ended
	ByRedeemer     EventCause = "redeemer"      // the pause after a failure is over
)

// Event is one change. Its ID is larger than those of the events before it.
type Event struct {
	ID        int64
	Type      EventType
	Cause     EventCause
	CreatedAt time.Time

	ImageID int64  // 0 if it is about a person
	Reason  Reason // of the image, after the change
	// People are the ids of the people in the image, after the change. More reports
	// that there are others.
	People     []int64
	MorePeople bool

	PersonID int64 // 0 if it is about an image
	OtherID  int64 // of a merge: who was merged

	// Path and Names are as they are when the event is read. They are missing for what
	// is deleted.
	Path  string
	Names map[int64]string
}

// EventRange says which events can be read: those with ids larger than After, up
// to Newest.
type EventRange struct {
	After  int64
	Newest int64
}

// Has reports whether a consumer that has seen the events up to an id misses none.
func (r EventRange) Has(seen int64) bool { return seen >= r.After && seen <= r.Newest }

// ImageChanges are the images about which there are events.
type ImageChanges struct {
	Images []int64
	Next   int64 // the event after which to go on
	More   bool
	Missed bool // events are missing: look at all images
}
