package groups

import "time"

// State says how far the grouping of a model set's faces is.
type State string

// The states.
const (
	// Building: the first run over all faces is under way. There are no groups yet,
	// or those from before an interruption.
	Building State = "building"
	// Ready: the groups are those of all faces, but for changes of the last seconds.
	Ready State = "ready"
	// Waiting: the groups cannot be kept up to date; Detail says why.
	Waiting State = "waiting"
)

// States returns all states.
func States() []State { return []State{Building, Ready, Waiting} }

// Progress is the state of the grouping of a model set's faces.
type Progress struct {
	Model    string
	State    State
	Detail   string  // in words for people
	Distance float64 // the largest distance of two neighbours
	Faces    int64   // that have been compared with all others
	Total    int64   // that are to be compared
	Groups   int64
	Started  time.Time // when the first run began
	Updated  time.Time
}
