// Package history is the domain of stored answers that change after they were
// given: what a change of the known people means for them, what a job changes,
// and how a stored face is decided anew.
//
// It has no input and output of its own. Package rematch runs the jobs, package
// rescan looks at old pictures again, and package store keeps both in a
// database; all three speak the types of this package. It imports the standard
// library and package faces only.
//
// One re-match goes through these types:
//
//	KnownPeople + Reflected ─▶ Plan ─▶ Job ─▶ Judge: StoredFace ─▶ Change ─▶ Step
package history

import (
	"errors"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// ErrLeaseLost says that another program re-matches now. Nothing of what was
// asked for has been written.
var ErrLeaseLost = errors.New("another program has taken over re-matching")

// Basis is what stored answers reflect: a model set with its rule, and the
// known people.
type Basis struct {
	Fingerprint string // of all fields below and of all known pictures with their owners
	Gallery     string // version of the known pictures
	Model       string
	Threshold   float64
	Margin      float64
	Rule        string // names the rest of the rule: see faces.Model.RuleID
}

// Reflected is the basis of the stored answers, and how far it holds. Its
// fingerprint is empty before the first re-match.
type Reflected struct {
	Basis
	// FaceMark is the last face, by id, of those that surely reflect the basis.
	// Newer faces were answered by the known people named in their rows.
	FaceMark int64
	// Dirty is set while a job writes. If the job is cut off, some faces reflect
	// another basis.
	Dirty bool
}

// State is the state of a Job.
type State string

// The states of a job.
const (
	Requested State = "requested" // waits for a processor
	Running   State = "running"   // faces are looked at
	Ready     State = "ready"     // a preview: nothing has changed yet
	Applying  State = "applying"  // a preview is carried out
	Applied   State = "applied"
	Undoing   State = "undoing"
	Undone    State = "undone"
	Outdated  State = "outdated" // the known people changed before it was done
	Failed    State = "failed"   // the detail says why
)

// Cause says why there is a job. Rescans have causes, too.
type Cause string

// The causes of a job.
const (
	CauseRequest Cause = "request"      // somebody asked for it
	CauseKnown   Cause = "known_people" // they changed
	CauseModel   Cause = "model"        // another model set, threshold or margin
)

// Scope says which faces a job looks at.
type Scope string

// The scopes of a job.
const (
	ScopeFull    Scope = "full"    // all, against all known pictures
	ScopeAdded   Scope = "added"   // all, against the added pictures; the touched ones against all
	ScopeTouched Scope = "touched" // those near a picture that was removed, against all
)

// Job is one re-match: stored faces are matched against the known people again,
// and the answers follow.
type Job struct {
	ID       int64
	State    State
	Cause    Cause
	Scope    Scope
	Apply    bool // at once, without a preview
	Full     bool // looks at all faces, whatever changed
	Detail   string
	Gallery  string
	Model    string
	Added    int   // known pictures
	Removed  int   // known pictures
	Faces    int64 // looked at
	Images   int64 // whose answer changes, or changed
	Skipped  int64 // images that somebody else changed meanwhile
	Seek     int64 // the job is done up to this face, or up to this image where a preview is applied or undone
	Created  time.Time
	Started  time.Time // zero before that
	Finished time.Time // zero before that

	Basis Basis
}

// Step is a part of a job's work, written whole or not at all.
type Step struct {
	Seek    int64 // everything up to it is done
	Faces   int64 // looked at
	Changes []Change
	// Caught are faces that reflect the job's known people from now on, although
	// other known people answered them.
	Caught []int64
}

// PendingCorrection is a correction whose image no recognizer has been asked
// about yet.
type PendingCorrection struct {
	ID        int64
	ImageID   int64
	ChangedAt time.Time
}

// RescanState is the state of a Rescan. The state of one image that is looked
// at again is a faces.RescanState.
type RescanState string

// The states of a rescan.
const (
	RescanWaiting    RescanState = "waiting" // for a processor, or for recognizers that use its model set
	RescanRunning    RescanState = "running"
	RescanPaused     RescanState = "paused" // until somebody resumes it
	RescanFinished   RescanState = "finished"
	RescanCancelled  RescanState = "cancelled"
	RescanSuperseded RescanState = "superseded" // a newer model set came into use
)

// Rescan is a job that looks at old pictures again, newest first.
type Rescan struct {
	ID     int64
	State  RescanState
	Cause  Cause  // CauseRequest or CauseModel
	Model  string // the set that answers; empty until it has begun, for the one in use
	Full   bool   // also pictures that the set has answered already
	Detail string

	Total   int64 // images to look at, counted at the beginning
	Done    int64 // images looked at, also those that failed
	Changed int64 // images in which something else is seen now
	Failed  int64 // images that could not be looked at: the old answers stand

	PeopleFound int64 // people named now who were not named before, each image counted apart
	PeopleLost  int64 // people named before and not any more
	FacesFound  int64
	FacesLost   int64
	// Unplaced are corrections whose face was not found any more. They stay
	// stored and count again once it is.
	Unplaced int64

	Created  time.Time
	Started  time.Time // zero before that
	Finished time.Time // zero before that
}

// ResultState says what a rescan made of one image.
type ResultState string

// The states of a rescan's result.
const (
	ResultChanged ResultState = "changed"
	ResultFailed  ResultState = "failed" // the old answer stands; To says why
)

// RescanResult is what a rescan made of one image.
type RescanResult struct {
	ImageID                 int64
	Path                    string
	State                   ResultState
	From, To                Outcome
	FacesBefore, FacesAfter int
	Found, Lost             []faces.Person // once for each of their faces
	Unplaced                int            // corrections whose face was not found
	Detail                  string         // of a failure
}
