package faces

import "time"

// WebhookState says whether a webhook delivers.
type WebhookState string

// The states of a webhook.
const (
	WebhookActive WebhookState = "active"
	WebhookPaused WebhookState = "paused" // somebody has paused it
	// WebhookDead is the state after its target has failed for too long, or has said
	// that it is gone. Its events are kept like all others.
	WebhookDead WebhookState = "dead"
)

// Webhook is an address to which events are sent, one after another.
type Webhook struct {
	ID       int64
	Name     string
	URL      string
	Types    []EventType // none: all
	State    WebhookState
	Declared bool // in a file, which has its secret

	// Sealed is the secret that signs, encrypted, and OldSealed the one before, which
	// signs too until OldUntil. A declared webhook has none.
	Sealed, OldSealed string
	OldUntil          time.Time

	Delivered    int64     // the event up to which all were delivered
	FailingSince time.Time // zero if the last delivery succeeded
	Failures     int       // in a row
	NextAttempt  time.Time
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Wants reports whether a webhook gets events of a type.
func (w Webhook) Wants(t EventType) bool {
	for _, own := range w.Types {
		if own == t {
			return true
		}
	}
	return len(w.Types) == 0
}

// Delivery is an attempt to deliver an event to a webhook.
type Delivery struct {
	ID        int64
	WebhookID int64
	EventID   int64 // 0 for a test
	Message   string
	Type      string
	OK        bool
	Status    int    // of the target's answer; 0 if there was none
	Problem   string // why it failed
	Took      time.Duration
	CreatedAt time.Time
}

// WebhookLease is the right to deliver to a webhook.
type WebhookLease struct {
	WebhookID int64
	Token     int64
	Until     time.Time
}

// WebhookProgress is what the holder of a lease stores after some deliveries.
type WebhookProgress struct {
	Delivered    int64
	Deliveries   []Delivery
	State        WebhookState
	FailingSince time.Time
	Failures     int
	NextAttempt  time.Time
}
