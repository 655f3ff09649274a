// Package operations is how programs tell the dashboard how they are. Each program writes
// a row about itself every few seconds; the page of operations reads the rows.
//
// State is what such a row says. Everything in it is a number, an id, or a word of ours:
// never a name of a person, and never a path. Package report writes it. A Tally counts
// what a processor finished.
package operations

import (
	"encoding/json"
	"fmt"
	"time"
)

const (
	// Every is how often a program writes its row.
	Every = 5 * time.Second
	// Silent is after how long without a new row a program is not heard from any more.
	Silent = 20 * time.Second
	// SamplesKept is how long samples are kept.
	SamplesKept = 2 * 24 * time.Hour
)

// State is what a program says about itself. A part is nil if the program knows nothing
// about it.
type State struct {
	Processor   *Processor   `json:"processor,omitempty"`
	Queue       *Queue       `json:"queue,omitempty"`
	Recognizers []Recognizer `json:"recognizers,omitempty"`
	Volumes     []Volume     `json:"volumes,omitempty"`
	Redeemer    *Run         `json:"redeemer,omitempty"`
}

// Processor is the state of a processor.
type Processor struct {
	Open     bool      `json:"open"`               // the circuit to the recognizers: no call goes through
	Since    time.Time `json:"since,omitzero"`     // of the circuit's last change
	NextTry  time.Time `json:"next_try,omitzero"`  // of an open circuit
	Why      string    `json:"why,omitempty"`      // a reason, such as timeout
	InFlight int       `json:"in_flight"`          // images that it holds a lease on
	Received int       `json:"received,omitempty"` // images that it has taken from the queue, and not leased yet
	Slowest  []Slow    `json:"slowest,omitempty"`  // of the last hour, the slowest first
}

// Slow is an image whose processing took long.
type Slow struct {
	Image int64     `json:"image"`
	Took  int64     `json:"took_ms"`
	At    time.Time `json:"at"`
}

// Queue is how many messages the queue has.
type Queue struct {
	Waiting  int64 `json:"waiting"`
	InFlight int64 `json:"in_flight"`
	Deferred int64 `json:"deferred"`
}

// Recognizer is what a recognizer answered.
type Recognizer struct {
	Address  string `json:"address"`
	Away     bool   `json:"away,omitempty"` // it did not answer
	Model    string `json:"model,omitempty"`
	Known    int    `json:"known"`    // pictures that it compares with
	Problems int    `json:"problems"` // known pictures that it cannot use
	Engines  int    `json:"engines"`
}

// Volume is the room of a volume of pictures.
type Volume struct {
	Name string `json:"name"` // of the setting that names its folder
	Free uint64 `json:"free"`
	Size uint64 `json:"size"`
}

// Run is what a pass of the redeemer did.
type Run struct {
	Finished  time.Time `json:"finished"`
	Took      int64     `json:"took_ms"`
	Failed    bool      `json:"failed,omitempty"`
	Reclaimed int64     `json:"reclaimed"`
	Retried   int       `json:"retried"`
	Queued    int       `json:"queued"`
	Deleted   int64     `json:"deleted"` // images, by the rules of retention
}

// Read reads the state that a program has written. Parts that a newer program says and
// this one does not know are passed over.
func Read(text []byte) (State, error) {
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		return State{}, fmt.Errorf("read what a program says about itself: %w", err)
	}
	return s, nil
}
