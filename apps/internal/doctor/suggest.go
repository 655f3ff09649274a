package doctor

// A lower threshold is suggested whenever the known pictures call for it,
// because a stranger who got a name is a fact. A higher one is suggested only
// if they show with confidence that strangers stay unknown. Few people cannot
// show that.

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// minPeople is the smallest number of people that allows a conclusion about
// strangers.
const minPeople = 10

// Verdict says what to do about the threshold.
type Verdict string

// The verdicts.
const (
	NoVerdict Verdict = "none" // too little is known to say anything
	Keep      Verdict = "keep"
	Lower     Verdict = "lower"
	Raise     Verdict = "raise"
)

// Suggestion is the threshold that suits the known people.
type Suggestion struct {
	Verdict   Verdict `json:"verdict"`
	Threshold float64 `json:"threshold,omitempty"` // the current one for Keep; 0 for NoVerdict
	Why       string  `json:"why"`
	// Target is the acceptable share of strangers who are given a name.
	Target float64 `json:"target"`
	// PeopleNeeded is how many known people it takes to show that the target
	// is met, if none of them is ever taken for another.
	PeopleNeeded int   `json:"people_needed"`
	Now          Point `json:"now"`
	// Then is the point at the suggested threshold. Changes are the answers
	// that differ between Now and Then. Both are empty unless Verdict is
	// Lower or Raise.
	Then    *Point   `json:"then,omitempty"`
	Changes []Change `json:"changes,omitempty"`
}

// Change is an answer that another threshold changes.
type Change struct {
	Picture string `json:"picture"`
	Person  string `json:"person"`
	// Stranger reports whether the question was about a stranger: all
	// pictures of the person were left out.
	Stranger bool   `json:"stranger"`
	Now      string `json:"now"` // a name, "unknown", or "uncertain"
	Then     string `json:"then"`
}

func suggest(s *set, q *questions, m faces.Model, target float64) Suggestion {
	out := Suggestion{
		Verdict: NoVerdict, Target: target, PeopleNeeded: peopleNeeded(target), Now: q.point(m.Threshold),
	}
	now := out.Now
	if len(s.people) < minPeople || now.Known.Asked == 0 {
		out.Why = fmt.Sprintf("%s, %d of their pictures beside others of the same person: too few to say anything about a threshold. "+
			"It takes %d people at least, with two pictures or more", people(len(s.people)), now.Known.Asked, minPeople)
		return out
	}
	found := fmt.Sprintf("%d of %d questions about strangers got a name", now.Strange.FalseAccept, now.Strange.Asked)
	lower, raise := q.candidates(now, target)
	switch {
	case now.FalseAccept > target && lower == 0:
		out.Why = found + ", and no threshold helps: some people's pictures are as good as the same. See the findings first"
	case now.FalseAccept > target:
		out.propose(s, q, Lower, lower)
		out.Why = fmt.Sprintf("%s, more than the %s that are allowed%s; %.2f is the largest threshold that keeps to it. It names %d of the %d known pictures that are named now",
			found, percent(target), q.between(s, m.Threshold), lower, out.Then.Known.Right, now.Known.Right)
	case raise > 0:
		out.propose(s, q, Raise, raise)
		out.Why = fmt.Sprintf("%s, and at %.2f probably fewer than %s would; a higher threshold would name no more of the known people", found, raise, percent(out.Then.FalseAcceptMost))
	default:
		out.Verdict, out.Threshold = Keep, m.Threshold
		out.Why = found + q.whyKeep(s, now, target)
	}
	return out
}

// between names the people who are taken for each other, if they are few.
// Fixing their pictures may be better than changing the threshold for
// everybody.
func (q *questions) between(s *set, threshold float64) string {
	const few = 3
	pairs := map[[2]int]bool{}
	for _, one := range q.asked {
		if one.strange != nil && one.strange.at(threshold) == faces.Identified {
			pairs[ordered(one.person, one.strange.person)] = true
		}
	}
	if len(pairs) == 0 || len(pairs) > few {
		return ""
	}
	var list []string
	for _, p := range slices.SortedFunc(maps.Keys(pairs), func(a, b [2]int) int { return slices.Compare(a[:], b[:]) }) {
		list = append(list, shown(s.people[p[0]].Name)+" and "+shown(s.people[p[1]].Name))
	}
	return " (only between " + strings.Join(list, ", ") + ")"
}

// findings returns a finding about the threshold if another one is suggested.
func (out *Suggestion) findings() []Finding {
	if out.Then == nil {
		return nil
	}
	f := newFinding(Threshold, "%s in place of %s", number(out.Threshold), number(out.Now.Threshold))
	if out.Verdict == Raise {
		f.Severity = Note
	} else {
		f.What += fmt.Sprintf(": %d of %d questions about strangers got a name", out.Now.Strange.FalseAccept, out.Now.Strange.Asked)
	}
	return []Finding{f}
}

// whyKeep says why no higher threshold is suggested.
func (q *questions) whyKeep(s *set, now Point, target float64) string {
	if now.FalseAcceptMost <= target {
		return ", and a higher threshold that is sure to keep to the target would name no more of the known people"
	}
	return fmt.Sprintf(", but %s can only show that probably fewer than %s of strangers do. To raise the threshold and be sure of %s takes %d people",
		people(len(s.people)), percent(now.FalseAcceptMost), percent(target), peopleNeeded(target))
}

// candidates returns two thresholds. lower is the largest at which no more
// strangers are named than the target allows. raise is the smallest above the
// current one that names the most known people while meeting the target with
// confidence. Each is 0 if there is none.
func (q *questions) candidates(now Point, target float64) (lower, raise float64) {
	right := now.Known.Right
	for _, p := range q.curve() {
		if p.FalseAccept <= target {
			lower = p.Threshold
		}
		if p.Threshold > now.Threshold && p.FalseAcceptMost <= target && p.Known.Right > right {
			raise, right = p.Threshold, p.Known.Right
		}
	}
	return lower, raise
}

// peopleNeeded returns the n for which wilson's upper end for 0 of n is the
// target.
func peopleNeeded(target float64) int {
	const zz = 1.959964 * 1.959964
	return int(math.Ceil(zz * (1 - target) / target))
}

func (out *Suggestion) propose(s *set, q *questions, v Verdict, threshold float64) {
	then := q.point(threshold)
	out.Verdict, out.Threshold, out.Then = v, threshold, &then
	for _, one := range q.asked {
		for _, a := range []*answer{one.known, one.strange} {
			if a == nil {
				continue
			}
			now, then := a.shown(s, out.Now.Threshold), a.shown(s, threshold)
			if now != then {
				out.Changes = append(out.Changes, Change{
					Picture: s.pictures[one.picture].Name, Person: s.people[one.person].Name,
					Stranger: a == one.strange, Now: now, Then: then,
				})
			}
		}
	}
}

// shown returns the answer in a word.
func (a *answer) shown(s *set, threshold float64) string {
	switch a.at(threshold) {
	case faces.Identified:
		return s.people[a.person].Name
	case faces.Uncertain:
		return "uncertain"
	default:
		return "unknown"
	}
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}

// percent formats a share as a percentage with enough digits.
func percent(share float64) string {
	switch p := 100 * share; {
	case p == 0 || p >= 10:
		return fmt.Sprintf("%.0f %%", p)
	case p >= 0.95:
		return fmt.Sprintf("%.1f %%", p)
	default:
		return fmt.Sprintf("%.2g %%", p)
	}
}
