package doctor

import (
	"cmp"
	"fmt"
	"slices"
)

// Severity is how important a finding is.
type Severity string

// The severities, worst first. Errors and warnings need a person.
const (
	Error   Severity = "error"   // answers are wrong, or a person is never recognized
	Warning Severity = "warning" // answers are worse than they could be
	Note    Severity = "note"    // good to know
)

// Kind is what a finding is about.
type Kind string

// The kinds, in the order in which they are reported within a severity.
const (
	NoUsablePicture Kind = "no_usable_picture"
	TwoOwners       Kind = "two_owners"
	Shared          Kind = "shared"
	SamePerson      Kind = "same_person"
	Mislabelled     Kind = "mislabelled"
	Missing         Kind = "missing"
	Unreadable      Kind = "unreadable"
	NoFace          Kind = "no_face"
	SeveralFaces    Kind = "several_faces"
	Nobodys         Kind = "nobodys"
	TooClose        Kind = "too_close"
	Threshold       Kind = "threshold"
	Blurred         Kind = "blurred"
	Small           Kind = "small"
	Turned          Kind = "turned"
	Alone           Kind = "alone"
	Doubled         Kind = "doubled"
	Single          Kind = "single"
)

// kindInfo is what the findings of a kind have in common.
type kindInfo struct {
	kind     Kind
	severity Severity // unless the finding says otherwise
	title    string
	do       string
}

var kinds = []kindInfo{
	{NoUsablePicture, Error, "people who are never recognized: no usable picture",
		"add a sharp picture, from the front, that shows this person alone"},
	{TwoOwners, Error, "pictures listed for several people; the first one listed gets the name",
		"delete the wrong rows of person_images"},
	{Shared, Error, "one photograph filed under several people",
		"see who it shows and delete the other files"},
	{SamePerson, Error, "people as alike as one person's pictures are: one person under two names, or pictures filed wrongly",
		"look at the two pictures: if they show one person, make the two people one; of twins, answers cannot tell which"},
	{Mislabelled, Error, "pictures that look like another person's, probably filed under the wrong name",
		"look at both pictures; move the file to the right person, or delete it"},
	{Missing, Warning, "listed pictures that are not there",
		"put the file back, or delete its row of person_images"},
	{Unreadable, Warning, "files that cannot be used",
		"replace them, or delete them"},
	{NoFace, Warning, "pictures in which no face was found",
		"replace them by pictures of the face from the front, upright and not too small"},
	{SeveralFaces, Warning, "pictures with several faces; nobody can say whose counts",
		"crop them to the one person"},
	{Nobodys, Warning, "pictures that belong to nobody and are passed over",
		"move them to a person's folder, or list them in person_images; else delete them"},
	{TooClose, Warning, "people who are close to each other",
		"look at the two pictures: if they show one person, make the two people one; siblings and look-alikes need more, " +
			"better pictures each, or a larger ROLLCALL_MARGIN or smaller ROLLCALL_THRESHOLD"},
	{Threshold, Warning, "a threshold that does not suit the known people",
		"see the suggestion below; ROLLCALL_THRESHOLD is set on the processor"},
	{Blurred, Warning, "blurred faces: they are near to anybody's blurred face",
		"replace them by sharp pictures"},
	{Small, Warning, "small faces",
		"replace them by pictures in which the face is larger"},
	{Turned, Warning, "faces turned away",
		"replace them by pictures from the front, or add some"},
	{Alone, Note, "pictures unlike the person's others: by these alone nobody would recognize them",
		"look whether they show the right person; if so, more pictures like them help"},
	{Doubled, Note, "photographs filed more than once under their person: copies add nothing",
		"keep one and add a different picture instead"},
	{Single, Note, "people with one usable picture only: nothing can be checked by it",
		"add two or three different ones"},
}

// Kinds lists every kind in the order of the report.
func Kinds() []Kind {
	var list []Kind
	for _, i := range kinds {
		list = append(list, i.kind)
	}
	return list
}

func infoOf(k Kind) (order int, info kindInfo) {
	order = slices.IndexFunc(kinds, func(i kindInfo) bool { return i.kind == k })
	return order, kinds[order]
}

// Finding is a problem with pictures or people, or a note about them.
type Finding struct {
	Kind     Kind     `json:"kind"`
	Severity Severity `json:"severity"`
	Pictures []string `json:"pictures,omitempty"`
	People   []string `json:"people,omitempty"`
	// Distance is the distance that the finding is based on, if any.
	Distance *float64 `json:"distance,omitempty"`
	What     string   `json:"what"`
	Do       string   `json:"do"`

	rank float64 // lower is worse, among findings of the same kind
}

// newFinding returns a finding with its kind's severity and advice.
func newFinding(k Kind, format string, args ...any) Finding {
	_, info := infoOf(k)
	return Finding{Kind: k, Severity: info.severity, Do: info.do, What: fmt.Sprintf(format, args...)}
}

func (f Finding) about(pictures []string, people ...string) Finding {
	f.Pictures, f.People = pictures, people
	return f
}

func (f Finding) at(distance float64) Finding {
	f.Distance, f.rank = &distance, distance
	return f
}

var severities = []Severity{Error, Warning, Note}

// sortFindings sorts by severity, kind and rank, the worst first.
func sortFindings(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		first, _ := infoOf(a.Kind)
		second, _ := infoOf(b.Kind)
		return cmp.Or(
			cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity)),
			cmp.Compare(first, second), cmp.Compare(a.rank, b.rank),
			slices.Compare(a.People, b.People), slices.Compare(a.Pictures, b.Pictures))
	})
}
