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
