package doctor

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// exclusion is a group of findings, and the pictures to leave out afterwards.
type exclusion struct {
	findings []Finding
	out      map[int]bool
}

// findCopies finds photographs that are filed more than once: with the same
// bytes, or with descriptors closer than those of two photographs ever are. A
// photograph of several people is left out; of other copies all but the first
// are.
func findCopies(v view) exclusion {
	p := exclusion{out: map[int]bool{}}
	joined := slices.Clone(v.distances.copies)
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

// describe returns the names of a group's pictures, and its people sorted by
// name.
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
	// sameShare times the mean distance within two people is the largest mean
	// distance between two people who may be the same.
	sameShare = 1.1
	// sameSingle times the threshold is used instead if both have a single
	// picture.
	sameSingle = 0.75
)

// findMisfiled finds people who are probably the same, and pictures that are
// probably filed under the wrong name. It leaves out the wrong pictures, and
// the one with fewer pictures of two people who are the same.
func findMisfiled(v view, m faces.Model) exclusion {
	p := exclusion{out: map[int]bool{}}
	same := v.samePeople(m)
	for _, c := range v.distances.close.sorted() {
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
	for i, n := range v.distances.near {
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

// mislabelled reports whether a picture would be named as another person and
// is also nearer to that person on average than to its own. The second
// condition is needed: otherwise the correct pictures of somebody would be
// blamed when one of their pictures is in another person's folder.
func (v view) mislabelled(i int, m faces.Model) bool {
	n := v.distances.near[i]
	return n.own.at >= 0 && n.first.at >= 0 &&
		n.first.distance <= m.Threshold && n.own.distance-n.first.distance >= m.Margin &&
		n.other == v.set.person[n.first.at] && n.otherMean < n.ownMean
}

// samePeople returns the pairs of people who are probably the same. The first
// one's pictures are, most of them and on average, as near to the second
// one's as people's pictures are to their own.
func (v view) samePeople(m faces.Model) map[[2]int]bool {
	within := v.meansWithin()
	type tally struct {
		pictures int
		sum      float64
	}
	votes := map[[2]int]tally{} // keyed by a person and the person nearest on average
	for i, n := range v.distances.near {
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

// meansWithin returns the mean distance within each person's pictures. It is
// NaN for a person with one picture.
func (v view) meansWithin() []float64 {
	sums := make([]float64, len(v.set.people))
	for i, n := range v.distances.near {
		sums[v.set.person[i]] += n.ownMean
	}
	for p := range sums {
		sums[p] /= float64(v.set.count[p])
	}
	return sums
}

// meanOf returns the mean of the values that are not NaN, or NaN if all are.
func meanOf(values ...float64) float64 {
	numbers := slices.DeleteFunc(values, math.IsNaN)
	sum := 0.0
	for _, v := range numbers {
		sum += v
	}
	return sum / float64(len(numbers))
}

// findTooClose finds people who could be taken for each other.
func findTooClose(v view, q *questions, m faces.Model) []Finding {
	mixed := q.confusions(m.Threshold)
	var list []Finding
	for _, c := range v.distances.close.sorted() {
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

// confusions counts, for each two people, the pictures of one that are answered
// with the other, or as uncertain between them.
func (q *questions) confusions(threshold float64) map[[2]int]int {
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

// findOutliers finds pictures that no other picture of the same person would
// identify.
func findOutliers(v view, m faces.Model) []Finding {
	var list []Finding
	for i, n := range v.distances.near {
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
