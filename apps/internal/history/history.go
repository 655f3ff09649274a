// Package history is the domain of stored answers that change later. It plans
// what a change of the known people affects, decides stored faces again, and
// describes what a job changes.
//
// There are two kinds of jobs. A re-match compares stored faces with the known
// people again, without their pictures; package rematch runs it. A rescan
// recognizes old pictures again with a new model set; package rescan runs it.
// Package store keeps both in the database. This package does no I/O and imports
// only package faces and the standard library.
//
// A re-match uses these types in this order:
//
//	KnownPeople + Reflected ─▶ Plan ─▶ Job ─▶ Judge: StoredFace ─▶ Change ─▶ Step
package history

import (
	"errors"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// ErrLeaseLost means that another program holds the lease of re-matching now. The
// call that returns it has written nothing.
var ErrLeaseLost = errors.New("another program has taken over re-matching")

// Basis is what stored answers are based on: a model set with its rule, and the
// known people.
type Basis struct {
	Fingerprint string // a digest of the fields below and of all known pictures with their owners
	Gallery     string // version of the known pictures
	Model       string
	Threshold   float64
	Margin      float64
	Rule        string // identifies the rest of the rule, see faces.Model.RuleID
}

// Reflected is the current basis of the stored answers, and which faces it is
// true for. The fingerprint is empty before the first re-match.
type Reflected struct {
	Basis
	// FaceMark is an id: all faces up to it reflect the basis. A newer face was
	// answered with the known people that its row names.
	FaceMark int64
	// Dirty is set while a job writes. If the job is interrupted, some faces reflect
	// another basis.
	Dirty bool
}

// State is the state of a Job.
type State string

// The states of a job.
const (
	Requested State = "requested" // waits for a processor
	Running   State = "running"   // faces are matched
	Ready     State = "ready"     // a preview: nothing has changed yet
	Applying  State = "applying"  // a preview is being applied
	Applied   State = "applied"
	Undoing   State = "undoing"
	Undone    State = "undone"
	Outdated  State = "outdated" // the known people changed before it was done
	Failed    State = "failed"   // the detail says why
)

// Cause is why a job was created. Rescans have causes, too.
type Cause string

// The causes of a job.
const (
	CauseRequest Cause = "request"      // somebody requested it
	CauseKnown   Cause = "known_people" // the known people changed
	CauseModel   Cause = "model"        // the model set, the threshold or the margin changed
	CauseTrial   Cause = "trial"        // somebody tries another threshold or margin; it is never applied
)

// Scope says which faces a job matches, and against which known pictures.
type Scope string

// The scopes of a job.
const (
	ScopeFull    Scope = "full"    // all faces, against all known pictures
	ScopeAdded   Scope = "added"   // all faces, against the added pictures; faces near a removed picture against all
	ScopeTouched Scope = "touched" // faces near a removed picture, against all known pictures
)

// Job is one re-match: stored faces are matched against the known people again,
// and the answers are updated.
type Job struct {
	ID       int64
	State    State
	Cause    Cause
	Scope    Scope
	Apply    bool // apply at once, without a preview
	Full     bool // match all faces, whatever changed
	Detail   string
	Gallery  string
	Model    string
	Added    int   // known pictures that were added
	Removed  int   // known pictures that were removed
	Faces    int64 // faces matched so far
	Images   int64 // images whose answer changes, or has changed
	Skipped  int64 // images left alone because somebody else changed them meanwhile
	Seek     int64 // id of the last face that is done; while applying or undoing, of the last image
	Created  time.Time
	Started  time.Time // zero before that
	Finished time.Time // zero before that

	Basis Basis
}

// Step is a part of a job's work. It is written in one transaction.
type Step struct {
	Seek    int64 // id of the last face that is done
	Faces   int64 // number of faces matched
	Changes []Change
	// CaughtUp are ids of faces that had been answered with other known people and
	// reflect the job's known people from now on.
	CaughtUp []int64
}

// PendingCorrection is a correction whose image has not been matched again yet.
type PendingCorrection struct {
	ID        int64
	ImageID   int64
	ChangedAt time.Time
}

// Undescribed is a face that a user drew and that has no descriptor of the model set
// in use.
type Undescribed struct {
	CorrectionID int64 // of the drawing
	ImageID      int64
	FaceID       int64
	Path         string
	Box          faces.Box
	File         faces.File // in which it was drawn
	Since        time.Time  // when it was drawn
}

// RescanState is the state of a Rescan. faces.RescanState is the state of one
// image's rescan.
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

// Rescan is a job that recognizes old pictures again, newest first.
type Rescan struct {
	ID     int64
	State  RescanState
	Cause  Cause  // CauseRequest or CauseModel
	Model  string // the set that answers; empty means the one in use when the job begins
	Full   bool   // include pictures that the set has answered already
	Detail string

	Total   int64 // images to process, counted at the beginning
	Done    int64 // images processed, including those that failed
	Changed int64 // images whose answer changed
	Failed  int64 // images that could not be recognized: the old answers stand

	PeopleFound int64 // newly identified people, summed over all images
	PeopleLost  int64 // people who are no longer identified, summed over all images
	FacesFound  int64
	FacesLost   int64
	// Unplaced counts corrections whose face was not found again. They stay stored
	// and take effect once it is.
	Unplaced int64

	Created  time.Time
	Started  time.Time // zero before that
	Finished time.Time // zero before that
}

// ResultState is the kind of a RescanResult.
type ResultState string

// The kinds of a rescan's result.
const (
	ResultChanged ResultState = "changed"
	ResultFailed  ResultState = "failed" // the old answer stands; To says why
)

// RescanResult is what a rescan changed in one image, or why it failed.
type RescanResult struct {
	ImageID                 int64
	Path                    string
	State                   ResultState
	From, To                Outcome
	FacesBefore, FacesAfter int
	Found, Lost             []faces.Person // one entry per face
	Unplaced                int            // corrections whose face was not found
	Detail                  string         // of a failure
}
