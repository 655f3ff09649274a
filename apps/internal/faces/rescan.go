package faces

import "time"

// RescanState is the state of an answered image's rescan.
type RescanState string

// The states of an image's rescan.
const (
	RescanNone    RescanState = ""        // no rescan was requested
	RescanWaiting RescanState = "waiting" // queued, or being processed
	RescanFailed  RescanState = "failed"  // the old answer stands
)

// Rescan describes the rescan of an answered image: the picture is recognized
// again. The image's answer stands until the new one replaces it.
type Rescan struct {
	State  RescanState
	Reason Reason // why it failed
	Detail string // describes the failure in one line for people
	Since  time.Time
}
