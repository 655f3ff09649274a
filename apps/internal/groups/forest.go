package groups

import (
	"cmp"
	"slices"
)

// forest holds groups at one distance. A face is a slot, a small number. It
// keeps counts and groups, not edges: only a face that is not a core face, and so
// has few neighbours, keeps them. Edges can come in any order.
type forest struct {
	min int
	id  []int64 // of each slot; breaks ties
	// count is the number of faces within the distance, the face itself included.
	count []uint32
	// group is the slot's group, 0 if none. The slots of a group form a ring by next
	// and prev. When two groups become one, the smaller ring gets the larger one's
	// number, so that each slot changes its number few times.
	group, next, prev []uint32
	rings             map[uint32]ring
	made              uint32 // number of the newest group
	// near has all neighbours of each face that is not a core face and has any.
	near map[uint32][]edge
	// dirty are the groups that changed. loose are slots that left a group, some of
	// them more than once, and some of them for another group.
	dirty map[uint32]bool
	loose []uint32
}

type ring struct {
	head uint32
	size uint32
}

type edge struct {
	to       uint32
	distance float64
}

func newForest(least int) *forest {
	return &forest{min: least, rings: map[uint32]ring{}, near: map[uint32][]edge{}, dirty: map[uint32]bool{}}
}

// grow adds a slot without neighbours.
func (f *forest) grow(id int64) uint32 {
	slot := uint32(len(f.id))
	f.id, f.count, f.group = append(f.id, id), append(f.count, 1), append(f.group, 0)
	f.next, f.prev = append(f.next, slot), append(f.prev, slot)
	return slot
}

func (f *forest) core(slot uint32) bool { return int(f.count[slot]) >= f.min }

// join adds an edge. It must be added once only.
func (f *forest) join(a, b uint32, distance float64) {
	newA, newB := f.meet(a, b, distance), f.meet(b, a, distance)
	if newA {
		f.promote(a)
	}
	if newB {
		f.promote(b)
	}
	if !newA && !newB {
		f.link(a, b)
	}
}

// joinOne adds an edge to a only: b has it already.
func (f *forest) joinOne(a, b uint32, distance float64) {
	if f.meet(a, b, distance) {
		f.promote(a)
	} else {
		f.link(a, b)
	}
}

// meet counts b as a neighbour of a. It reports whether that makes a a core face.
func (f *forest) meet(a, b uint32, distance float64) bool {
	if f.core(a) {
		f.count[a]++
		return false
	}
	f.count[a]++
	f.near[a] = append(f.near[a], edge{b, distance})
	return f.core(a)
}

// promote makes a a core face: its neighbours may now be in its group.
func (f *forest) promote(a uint32) {
	if f.group[a] == 0 {
		f.move(a, f.newRing())
	}
	edges := f.near[a]
	delete(f.near, a)
	for _, e := range edges {
		f.link(a, e.to)
	}
	f.dirty[f.group[a]] = true
}

// link applies an edge to the groups.
func (f *forest) link(a, b uint32) {
	switch {
	case f.core(a) && f.core(b):
		f.unite(a, b)
	case f.core(a):
		f.attach(b)
	case f.core(b):
		f.attach(a)
	}
}

// attach puts a face that is not a core face into the group of its nearest core
// face.
func (f *forest) attach(slot uint32) {
	best, found := edge{}, false
	for _, e := range f.near[slot] {
		if f.core(e.to) && (!found || cmp.Or(cmp.Compare(e.distance, best.distance), cmp.Compare(f.id[e.to], f.id[best.to])) < 0) {
			best, found = e, true
		}
	}
	group := uint32(0)
	if found {
		// A face that becomes a core face gets its group before its neighbours
		// are linked. One that is about to is linked again then.
		group = f.group[best.to]
	}
	f.move(slot, group)
}

func (f *forest) newRing() uint32 {
	f.made++
	f.rings[f.made] = ring{}
	return f.made
}

// move puts a slot into a group, or into none.
func (f *forest) move(slot, group uint32) {
	if f.group[slot] == group {
		return
	}
	f.leave(slot)
	if group == 0 {
		f.loose = append(f.loose, slot)
		return
	}
	r := f.rings[group]
	if r.size == 0 {
		r.head = slot
	} else {
		f.splice(r.head, slot)
	}
	r.size++
	f.rings[group], f.group[slot], f.dirty[group] = r, group, true
}

// leave takes a slot out of its group.
func (f *forest) leave(slot uint32) {
	group := f.group[slot]
	if group == 0 {
		return
	}
	r := f.rings[group]
	r.size--
	if r.size == 0 {
		delete(f.rings, group)
		delete(f.dirty, group)
	} else {
		if r.head == slot {
			r.head = f.next[slot]
		}
		f.rings[group], f.dirty[group] = r, true
	}
	next, prev := f.next[slot], f.prev[slot]
	f.next[prev], f.prev[next] = next, prev
	f.next[slot], f.prev[slot], f.group[slot] = slot, slot, 0
}

// splice makes one ring of the rings of two slots.
func (f *forest) splice(a, b uint32) {
	afterA, afterB := f.next[a], f.next[b]
	f.next[a], f.prev[afterB] = afterB, a
	f.next[b], f.prev[afterA] = afterA, b
}

// unite makes one group of the groups of two core faces.
func (f *forest) unite(a, b uint32) {
	large, small := f.group[a], f.group[b]
	if large == small || large == 0 || small == 0 { // 0: it is linked again once it has a group
		return
	}
	if f.rings[large].size < f.rings[small].size {
		large, small = small, large
	}
	l, s := f.rings[large], f.rings[small]
	for slot := range f.slots(small) {
		f.group[slot] = large
	}
	f.splice(l.head, s.head)
	l.size += s.size
	f.rings[large] = l
	delete(f.rings, small)
	delete(f.dirty, small)
	f.dirty[large] = true
}

// slots yields the slots of a group. The ring must not change meanwhile.
func (f *forest) slots(group uint32) func(yield func(uint32) bool) {
	return func(yield func(uint32) bool) {
		r, ok := f.rings[group]
		if !ok {
			return
		}
		for slot, n := r.head, r.size; n > 0; slot, n = f.next[slot], n-1 {
			if !yield(slot) {
				return
			}
		}
	}
}

// members returns the slots of a group in the order of their ids.
func (f *forest) members(group uint32) []uint32 {
	list := slices.AppendSeq(make([]uint32, 0, f.rings[group].size), f.slots(group))
	slices.SortFunc(list, func(a, b uint32) int { return cmp.Compare(f.id[a], f.id[b]) })
	return list
}

// remove takes slots away. The groups of the slots in again are computed anew; edges
// has the neighbours of each. lost is how many neighbours each other core face loses.
func (f *forest) remove(leaving map[uint32]bool, lost map[uint32]uint32, again []uint32, edges [][]edge) {
	reset := make(map[uint32]bool, len(again)) // false: it is not back yet
	for _, slot := range again {
		reset[slot] = false
	}
	for slot, n := range lost {
		if _, isReset := reset[slot]; !isReset && !leaving[slot] && f.core(slot) {
			f.count[slot] -= n
		}
	}
	orphans := f.forgetNear(leaving, reset)
	for slot := range leaving {
		f.clear(slot, 0)
	}
	for _, slot := range again {
		f.clear(slot, 1)
	}
	for i, slot := range again {
		for _, e := range edges[i] {
			back, isReset := reset[e.to]
			switch {
			case e.to == slot || leaving[e.to]:
			case !isReset:
				f.joinOne(slot, e.to, e.distance)
			case back:
				f.join(slot, e.to, e.distance)
			}
		}
		reset[slot] = true
	}
	for _, slot := range orphans {
		f.attach(slot)
	}
}

// forgetNear tells the neighbours that are not core faces about the slots that leave.
// It returns those that may need another group.
func (f *forest) forgetNear(leaving map[uint32]bool, reset map[uint32]bool) (orphans []uint32) {
	for slot, edges := range f.near {
		if _, isReset := reset[slot]; isReset || leaving[slot] {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(edges), func(e edge) bool { return leaving[e.to] })
		_, touches := reset[edges[0].to]
		touches = touches || len(edges) > 1 && slices.ContainsFunc(edges, func(e edge) bool { _, is := reset[e.to]; return is })
		if len(kept) == len(edges) && !touches {
			continue
		}
		f.count[slot] -= uint32(len(edges) - len(kept))
		if len(kept) == 0 {
			delete(f.near, slot)
		} else {
			f.near[slot] = kept
		}
		orphans = append(orphans, slot)
	}
	return orphans
}

// clear takes a slot out of its group and away from its neighbours.
func (f *forest) clear(slot, count uint32) {
	f.leave(slot)
	delete(f.near, slot)
	f.count[slot] = count
	f.loose = append(f.loose, slot)
}
