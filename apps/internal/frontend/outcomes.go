package frontend

import "github.com/rollcall-faces/rollcall/apps/internal/faces"

// outcome is a status and reason as shown to people.
type outcome struct {
	Label  string
	Tone   string // class in the style sheet: wait, work, good, warn, quiet, bad
	Status string
	Reason string
}

func (l *language) outcomeOf(status faces.Status, reason faces.Reason) outcome {
	o := outcome{Label: l.label(reason), Tone: toneOf(status, reason), Status: status.String(), Reason: string(reason)}
	if status == faces.Processing {
		o.Label = l.status(status)
	}
	return o
}

func toneOf(status faces.Status, reason faces.Reason) string {
	switch {
	case status == faces.Processing:
		return "work"
	case status == faces.Failed:
		return "bad"
	case reason == faces.Identified:
		return "good"
	case reason == faces.UnknownPerson, reason == faces.Uncertain, reason.BelowFloor():
		return "warn"
	case reason == faces.NoFace, reason.IsDismissed():
		return "quiet"
	default:
		return "wait"
	}
}

// awaitsOutcome reports whether an image has no outcome yet.
func awaitsOutcome(status faces.Status, reason faces.Reason) bool {
	return status == faces.Processing || reason == faces.Queued
}

// label names a reason. One that this version does not know is shown as it is.
func (l *language) label(r faces.Reason) string { return l.wordsOr("outcome."+string(r), string(r)) }

// status names a status.
func (l *language) status(s faces.Status) string { return l.wordsOr("status."+s.String(), s.String()) }
