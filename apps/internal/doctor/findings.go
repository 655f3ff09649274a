package doctor

// This file owns what is found wrong with pictures and people.

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Severity says who should care.
type Severity string

// The severities, worst first. All but notes need a person.
const (
	Error   Severity = "error"   // answers are wrong, or somebody is never recognized
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

// kindInfo is what a kind's findings have in common.
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

// Finding is something that is wrong, or good to know.
type Finding struct {
	Kind     Kind     `json:"kind"`
	Severity Severity `json:"severity"`
	Pictures []string `json:"pictures,omitempty"`
	People   []string `json:"people,omitempty"`
	// Distance is what the finding rests on, where that is one.
	Distance *float64 `json:"distance,omitempty"`
	What     string   `json:"what"`
	Do       string   `json:"do"`

	rank float64 // the lower, the worse, among findings of its kind
}

// newFinding fills what the kind says.
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

// sortFindings puts the worst first.
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

// part is findings, and the pictures that would confuse what comes after.
type part struct {
	findings []Finding
	out      map[int]bool
}

// findCopies finds photographs that are there more than once: the same bytes,
// or descriptors as near as two photographs never are. Those under several
// people are left out, and of others all but the first.
func findCopies(v view) part {
	p := part{out: map[int]bool{}}
	joined := slices.Clone(v.seen.copies)
	first := map[[sha256.Size]byte]int{}
	for i := range v.set.pictures {
		sum := v.set.pictures[i].Sum
		if sum == [sha256.Size]byte{} {
			continue
		}
		if at, ok := first[sum]; ok {
			joined.join(at, i)
		} else {
			first[sum] = i
		}
	}
	for _, group := range joined.groups() {
		names, owners := v.describe(group)
		kind := Doubled
		if len(owners) > 1 {
			kind = Shared
		}
		p.findings = append(p.findings, newFinding(kind, "%s", v.sameness(group)).about(names, owners...))
		for k, i := range group {
			p.out[i] = kind == Shared || k > 0
		}
	}
	for i, out := range p.out {
		if !out {
			delete(p.out, i)
		}
	}
	return p
}

// describe returns a group's names, and its people in the order of their names.
func (v view) describe(group []int) (names, owners []string) {
	for _, i := range group {
		names = append(names, v.set.pictures[i].Name)
		owners = append(owners, v.set.owner(i).Name)
	}
	slices.Sort(owners)
	return names, slices.Compact(owners)
}

func (v view) sameness(group []int) string {
	sums := map[[sha256.Size]byte]bool{}
	for _, i := range group {
		sums[v.set.pictures[i].Sum] = true
	}
	if len(sums) == 1 {
		return "the same file"
	}
	return "as good as the same photograph, in another file"
}

const (
	// sameShare of the mean distance within people is the largest mean distance
	// between two who are as alike as one.
	sameShare = 1.1
	// sameSingle of the threshold stands in for it where both have one picture.
	sameSingle = 0.75
)

// findMisfiled finds people who are as good as one, and pictures that are filed
// under a wrong name. What would confuse the rest is left out: the smaller of
// two people who are one, and the wrong pictures.
func findMisfiled(v view, m faces.Model) part {
	p := part{out: map[int]bool{}}
	same := v.samePeople(m)
	for _, c := range v.seen.close.sorted() {
		if !same[c.people] {
			continue
		}
		first, second := v.set.people[c.people[0]].Name, v.set.people[c.people[1]].Name
		names := []string{v.set.pictures[c.pictures[0]].Name, v.set.pictures[c.pictures[1]].Name}
		p.findings = append(p.findings, newFinding(SamePerson, "%.3f between %s and %s, and no farther on the whole than each one's own",
			c.distance, shown(names[0]), shown(names[1])).about(names, first, second).at(c.distance))
		smaller := c.people[1]
		if v.set.count[c.people[0]] < v.set.count[smaller] {
			smaller = c.people[0]
		}
		for i, who := range v.set.person {
			if who == smaller {
				p.out[i] = true
			}
		}
	}
	for i, n := range v.seen.near {
		if !v.mislabelled(i, m) || same[ordered(v.set.person[i], n.other)] {
			continue
		}
		p.out[i] = true
		other := v.set.owner(n.first.at).Name
		p.findings = append(p.findings, newFinding(Mislabelled,
			"like %s: %.3f from %s, and %.3f from the nearest other picture of %s",
			shown(other), n.first.distance, shown(v.set.pictures[n.first.at].Name), n.own.distance, shown(v.set.owner(i).Name),
		).about([]string{v.set.pictures[i].Name, v.set.pictures[n.first.at].Name}, v.set.owner(i).Name, other).at(n.first.distance))
	}
	return p
}

// mislabelled says whether a picture would be named as another person and is,
// on the whole, nearer to that person than to its own. (The first alone would
// accuse the right pictures of somebody of whom one lies in another's folder.)
func (v view) mislabelled(i int, m faces.Model) bool {
	n := v.seen.near[i]
	return n.own.at >= 0 && n.first.at >= 0 &&
		n.first.distance <= m.Threshold && n.own.distance-n.first.distance >= m.Margin &&
		n.other == v.set.person[n.first.at] && n.otherMean < n.ownMean
}

// samePeople returns the pairs of people of whom one's pictures are, most of
// them and on the mean, as near to the other's as people's are to their own.
func (v view) samePeople(m faces.Model) map[[2]int]bool {
	within := v.meansWithin()
	type tally struct {
		pictures int
		sum      float64
	}
	votes := map[[2]int]tally{} // for a person and the one who is nearest on the mean
	for i, n := range v.seen.near {
		if n.other >= 0 {
			key := [2]int{v.set.person[i], n.other}
			t := votes[key]
			votes[key] = tally{t.pictures + 1, t.sum + n.otherMean}
		}
	}
	same := map[[2]int]bool{}
	for key, t := range votes {
		limit := min(m.Threshold, sameShare*meanOf(within[key[0]], within[key[1]]))
		if math.IsNaN(limit) {
			limit = sameSingle * m.Threshold
		}
		if 2*t.pictures > v.set.count[key[0]] && t.sum/float64(t.pictures) <= limit {
			same[ordered(key[0], key[1])] = true
		}
	}
	return same
}

// meansWithin returns how far each person's pictures are apart on the mean;
// NaN for those with one.
func (v view) meansWithin() []float64 {
	sums := make([]float64, len(v.set.people))
	for i, n := range v.seen.near {
		sums[v.set.person[i]] += n.ownMean
	}
	for p := range sums {
		sums[p] /= float64(v.set.count[p])
	}
	return sums
}

// meanOf is the mean of those that are numbers, NaN where none is.
func meanOf(values ...float64) float64 {
	numbers := slices.DeleteFunc(values, math.IsNaN)
	sum := 0.0
	for _, v := range numbers {
		sum += v
	}
	return sum / float64(len(numbers))
}

// findTooClose finds people of whom one would be taken for the other, were it
// not for better pictures.
func findTooClose(v view, q *questions, m faces.Model) []Finding {
	mixed := q.mixedUp(m.Threshold)
	var list []Finding
	for _, c := range v.seen.close.sorted() {
		first, second := v.set.people[c.people[0]].Name, v.set.people[c.people[1]].Name
		names := []string{v.set.pictures[c.pictures[0]].Name, v.set.pictures[c.pictures[1]].Name}
		what := fmt.Sprintf("%.3f between %s and %s", c.distance, shown(names[0]), shown(names[1]))
		if n := mixed[c.people]; n > 0 {
			what += fmt.Sprintf("; of their %d pictures together %d named wrongly or uncertain", v.set.count[c.people[0]]+v.set.count[c.people[1]], n)
		}
		f := newFinding(TooClose, "%s", what).about(names, first, second).at(c.distance)
		if c.distance > m.Threshold {
			f.Severity = Note
		}
		list = append(list, f)
	}
	return list
}

// mixedUp counts, for each two people, the pictures of one that are answered
// with the other or with a doubt between the two.
func (q *questions) mixedUp(threshold float64) map[[2]int]int {
	count := map[[2]int]int{}
	for _, one := range q.asked {
		if one.known == nil {
			continue
		}
		switch one.known.at(threshold) {
		case faces.Identified:
			if other := one.known.person; other != one.person {
				count[ordered(other, one.person)]++
			}
		case faces.Uncertain:
			count[ordered(one.known.best, one.known.second)]++
		}
	}
	return count
}

// findAlone finds pictures that no other of the person's would have named.
func findAlone(v view, m faces.Model) []Finding {
	var list []Finding
	for i, n := range v.seen.near {
		farEnough := n.first.at >= 0 && n.first.distance-n.own.distance > m.FarMargin
		if n.own.at < 0 || n.own.distance <= m.Threshold || n.own.distance <= m.FarThreshold && farEnough {
			continue
		}
		what := fmt.Sprintf("%.3f from the nearest, %s", n.own.distance, shown(v.set.pictures[n.own.at].Name))
		if n.first.distance < n.own.distance {
			what += fmt.Sprintf("; nearer to %s of %s (%.3f)",
				shown(v.set.pictures[n.first.at].Name), shown(v.set.owner(n.first.at).Name), n.first.distance)
		}
		f := newFinding(Alone, "%s", what).about([]string{v.set.pictures[i].Name}, v.set.owner(i).Name).at(n.own.distance)
		f.rank = -n.own.distance
		list = append(list, f)
	}
	return list
}

// What a face must be to be of use as a known one. Of 95 portraits at hand, 150
// pixels each, none is turned by more than 24 degrees as go-face sees them, and
// one by more than 25 (by 43) as the default set does.
const (
	minSize = 60 // pixels of the original
	maxYaw  = 30 // degrees
	maxRoll = 30
)

// minSharpness is the least sharpness of a face that is of use as a known one.
// It depends on the set, because go-face measures the whole box of a face and
// the other engine its aligned middle. Of the same 95 portraits the least sharp
// are at 0.27 with go-face and at 0.58 with the other. Ten of them, blurred until
// they are farther than the threshold from themselves, are at 0.21 at most with
// go-face and at 0.34 with the other.
func minSharpness(m faces.Model) float64 {
	if len(m.NetworkNames()) > 1 {
		return 0.40
	}
	return 0.25 // go-face has one network
}

// findPoor finds faces that cannot be seen well.
func findPoor(s *set, m faces.Model) []Finding {
	least := minSharpness(m)
	var list []Finding
	for i := range s.pictures {
		p := &s.pictures[i]
		if (p.Quality == faces.Quality{}) {
			continue // not measured
		}
		add := func(k Kind, rank float64, format string, args ...any) {
			f := newFinding(k, format, args...).about([]string{p.Name}, s.owner(i).Name)
			f.rank = rank
			list = append(list, f)
		}
		q := p.Quality
		if q.Sharpness < least {
			add(Blurred, q.Sharpness, "sharpness %.2f of 1", q.Sharpness)
		}
		if q.Size < minSize {
			add(Small, float64(q.Size), "the face is %d pixels wide", q.Size)
		}
		if yaw, roll := math.Abs(q.Yaw), math.Abs(q.Roll); yaw > maxYaw || roll > maxRoll {
			add(Turned, -max(yaw, roll), "turned to the side by about %.0f°, tilted by %.0f°", yaw, roll)
		}
	}
	return list
}

// findUnusable finds files that cannot be matched, or are nobody's.
func findUnusable(pictures []Picture) []Finding {
	var list []Finding
	for i := range pictures {
		p := &pictures[i]
		var owners []string
		for _, o := range p.Owners {
			owners = append(owners, o.Name)
		}
		add := func(k Kind, what string) {
			list = append(list, newFinding(k, "%s", what).about([]string{p.Name}, owners...))
		}
		if len(owners) > 1 {
			add(TwoOwners, "listed for "+shown(strings.Join(owners, ", ")))
		}
		switch {
		case p.usable() && len(owners) == 0:
			add(Nobodys, "no person is listed for it")
		case p.usable():
		case p.Reason == faces.NoFace:
			add(NoFace, p.Problem)
		case p.Reason == faces.Uncertain:
			add(SeveralFaces, p.Problem)
		case p.Reason == faces.NotFound:
			add(Missing, p.Problem)
		default:
			add(Unreadable, p.Problem)
		}
	}
	return list
}

// findPeople finds people with too few usable pictures.
func findPeople(pictures []Picture, everybody []faces.Person, s *set) []Finding {
	var list []Finding
	usable := map[int64]bool{}
	for p, who := range s.people {
		usable[who.ID] = true
		if s.count[p] == 1 {
			name := s.pictures[slices.Index(s.person, p)].Name
			list = append(list, newFinding(Single, "%s", shown(name)).about([]string{name}, who.Name))
		}
	}
	bad, names := map[int64][]string{}, map[int64]string{}
	for _, who := range everybody {
		if !usable[who.ID] {
			bad[who.ID], names[who.ID] = nil, who.Name
		}
	}
	for i := range pictures {
		for _, who := range pictures[i].Owners {
			if !usable[who.ID] {
				bad[who.ID], names[who.ID] = append(bad[who.ID], pictures[i].Name), who.Name
			}
		}
	}
	for id, listed := range bad {
		what := "none listed"
		if len(listed) > 0 {
			slices.Sort(listed)
			what = fmt.Sprintf("%d listed: %s", len(listed), joined(listed, ", "))
		}
		list = append(list, newFinding(NoUsablePicture, "%s", what).about(listed, names[id]))
	}
	return list
}

// shown is a name as it can be printed: with what a terminal or a log would
// take for something else made visible.
func shown(name string) string {
	quoted := fmt.Sprintf("%q", name)
	if inner := quoted[1 : len(quoted)-1]; inner != name {
		return quoted
	}
	return name
}
