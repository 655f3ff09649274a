package faces

import "slices"

// WithoutFaces returns the outcome without some of its faces, decided anew. m is the rule of
// its model set.
func (o Outcome) WithoutFaces(drop []bool, m Model) Outcome {
	if !slices.Contains(drop, true) {
		return o
	}
	var left []Face
	for i, f := range o.Faces {
		if !drop[i] {
			left = append(left, f)
		}
	}
	o.Faces = left
	o.Reason, o.Person = Conclude(left, m)
	return o
}

// PeopleIn returns the ids of the people whom a face names: as its person or as a
// candidate.
func (f Face) PeopleIn() (ids []int64) {
	if f.Person != nil {
		ids = append(ids, f.Person.ID)
	}
	for _, c := range []*Candidate{f.Best, f.Second} {
		if c != nil {
			ids = append(ids, c.Person.ID)
		}
	}
	return ids
}

// WithoutPeople returns the outcome without people who do not exist any more, decided
// anew. Who comes next is found by the next re-match. m is the rule of its model set.
func (o Outcome) WithoutPeople(gone map[int64]bool, m Model) Outcome {
	isGone := func(id int64) bool { return gone[id] }
	if !slices.ContainsFunc(o.Faces, func(f Face) bool { return slices.ContainsFunc(f.PeopleIn(), isGone) }) {
		return o
	}
	o.Faces = slices.Clone(o.Faces)
	for i, f := range o.Faces {
		o.Faces[i] = f.withoutPeople(gone)
	}
	o.Reason, o.Person = Conclude(o.Faces, m)
	return o
}

func (f Face) withoutPeople(gone map[int64]bool) Face {
	if f.Second != nil && gone[f.Second.Person.ID] {
		f.Second = nil
	}
	if f.Best != nil && gone[f.Best.Person.ID] {
		f.Best, f.Second, f.MatchedImage = nil, nil, ""
		if f.Reason == Uncertain {
			f.Reason = UnknownPerson
		}
	}
	if f.Person != nil && gone[f.Person.ID] {
		f.Person, f.Corrected, f.Confirmed = nil, false, false
		f.Reason = UnknownPerson
	}
	return f
}
