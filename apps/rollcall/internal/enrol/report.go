package enrol

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// Outcome is what became of a picture.
type Outcome string

// The outcomes.
const (
	Added    Outcome = "added"     // it is one of the person's known pictures now
	Checked  Outcome = "checked"   // of a dry run: it would be added
	Known    Outcome = "known"     // it was one already
	Repeated Outcome = "repeated"  // another file of this run has the same content
	Refused  Outcome = "refused"   // it would be a bad known picture, or is none
	Failed   Outcome = "failed"    // something went wrong
	NotTried Outcome = "not_tried" // the run ended before
)

var outcomes = []Outcome{Added, Checked, Known, Repeated, Refused, Failed, NotTried}

var outcomeWords = map[Outcome]string{
	Added: "added", Checked: "would be added", Known: "known already", Repeated: "the same as another file",
	Refused: "refused", Failed: "failed", NotTried: "not tried",
}

// Report is what became of a Plan.
type Report struct {
	DryRun bool            `json:"dry_run"`
	People []PersonResult  `json:"people"`
	Passed []PassedOver    `json:"passed_over"`
	Counts map[Outcome]int `json:"counts"`
}

// PersonResult is what became of a person. ID is 0 if the person was not added.
type PersonResult struct {
	ID       int64           `json:"id,omitempty"`
	Name     string          `json:"name"`
	New      bool            `json:"new"`
	Note     string          `json:"note,omitempty"`
	Pictures []PictureResult `json:"pictures"`
}

// PictureResult is what became of a picture.
type PictureResult struct {
	File         string        `json:"file"`
	Outcome      Outcome       `json:"outcome"`
	KnownPicture int64         `json:"known_picture,omitempty"` // its id
	SameAs       string        `json:"same_as,omitempty"`
	Code         api.ErrorCode `json:"code,omitempty"`
	Message      string        `json:"message,omitempty"`
	Refusals     []api.Refusal `json:"refusals,omitempty"`
	Accepted     []api.Refusal `json:"accepted,omitempty"`
}

// Complete reports whether everything was taken.
func (r Report) Complete() bool {
	return r.Counts[Refused]+r.Counts[Failed]+r.Counts[NotTried] == 0
}

func (r *Report) count() {
	r.Counts = map[Outcome]int{}
	for _, o := range outcomes {
		r.Counts[o] = 0
	}
	for _, p := range r.People {
		for _, f := range p.Pictures {
			r.Counts[f.Outcome]++
		}
	}
}

// WriteText writes the report for people.
func (r Report) WriteText(w io.Writer) {
	added, files := 0, 0
	for _, p := range r.People {
		files += len(p.Pictures)
		if p.New {
			added++
		}
	}
	if r.DryRun {
		fmt.Fprintln(w, "Dry run: nothing is stored.")
	}
	fmt.Fprintf(w, "%s (%d new), %s: ", number(len(r.People), "person", "people"), added, number(files, "picture", "pictures"))
	var parts []string
	for _, o := range outcomes {
		if n := r.Counts[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, outcomeWords[o]))
		}
	}
	fmt.Fprintln(w, strings.Join(parts, ", ")+".")
	r.writePeople(w)
	if len(r.Passed) > 0 {
		fmt.Fprintln(w, "\nPassed over:")
		for _, p := range r.Passed {
			fmt.Fprintf(w, "  %s: %s\n", oneLine(p.Name), oneLine(p.Why))
		}
	}
	if soft := r.soft(); len(soft) > 0 {
		fmt.Fprintf(w, "\nLook at the refused pictures. If they are good enough, run it again with --accept %s;\nwhat is known already is not sent again.\n", oneLine(strings.Join(soft, ",")))
	}
}

// writePeople writes what people should look at.
func (r Report) writePeople(w io.Writer) {
	for _, p := range r.People {
		var lines []string
		if p.Note != "" {
			lines = append(lines, p.Note)
		}
		for _, f := range p.Pictures {
			switch {
			case f.Outcome == Repeated:
				lines = append(lines, fmt.Sprintf("%s: the same picture as %s", f.File, f.SameAs))
			case f.Outcome == Refused || f.Outcome == Failed:
				lines = append(lines, fmt.Sprintf("%s: %s: %s", f.File, f.Outcome, f.reason()))
			case len(f.Accepted) > 0:
				lines = append(lines, fmt.Sprintf("%s: %s in spite of %s", f.File, outcomeWords[f.Outcome], words(f.Accepted)))
			}
		}
		if len(lines) > 0 {
			fmt.Fprintf(w, "\n%s:\n", oneLine(p.Name))
			for _, line := range lines {
				fmt.Fprintf(w, "  %s\n", oneLine(line))
			}
		}
	}
}

func (f PictureResult) reason() string {
	if len(f.Refusals) > 0 {
		return words(f.Refusals)
	}
	if f.Code != "" {
		return fmt.Sprintf("%s (%s)", f.Code, f.Message)
	}
	return f.Message
}

func words(refusals []api.Refusal) string {
	var list []string
	for _, r := range refusals {
		list = append(list, fmt.Sprintf("%s (%s)", r.Reason, r.Message))
	}
	return strings.Join(list, ", ")
}

// oneLine puts a text that others wrote into one line, or it could look like lines of the
// report.
func oneLine(text string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(text) }

// hard are the reasons that nobody can accept.
var hard = map[api.RefusalReason]bool{api.RefusedNoFace: true, api.RefusedSeveralFaces: true, api.RefusedDuplicate: true}

// soft returns the reasons because of which pictures were refused that somebody may
// accept.
func (r Report) soft() []string {
	found := map[string]bool{}
	for _, p := range r.People {
		for _, f := range p.Pictures {
			for _, why := range f.Refusals {
				if !hard[why.Reason] {
					found[string(why.Reason)] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func number(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
