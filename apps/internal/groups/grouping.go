package groups

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Grouping keeps the groups of a set of faces. It is not safe for concurrent use.
// A method that returns an error has changed nothing, except Sync.
type Grouping struct {
	rule   Rule
	forest *forest
	slots  map[int64]uint32
	faces  []Face   // by slot; the id is 0 if the slot is free
	free   []uint32 // slots to use again
	placed []int64  // the group of each slot as Settle last reported it, 0 if none
	apart  map[int64][]int64
}

// New returns a Grouping without faces.
func New(r Rule) (*Grouping, error) {
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("group faces: %w", err)
	}
	return &Grouping{rule: r, forest: newForest(r.Min), slots: map[int64]uint32{}, apart: map[int64][]int64{}}, nil
}

// Rule returns the rule.
func (g *Grouping) Rule() Rule { return g.rule }

// Len returns the number of faces.
func (g *Grouping) Len() int { return len(g.slots) }

// Has reports whether the Grouping has a face.
func (g *Grouping) Has(id int64) bool { _, ok := g.slots[id]; return ok }

// Add adds faces. It skips those that the Grouping has. The search must hold all
// of them.
func (g *Grouping) Add(ctx context.Context, s Search, list ...Face) error {
	list = g.missing(list)
	lists, err := neighbours(ctx, s, idsOf(list), g.rule.Distance, math.MaxInt64)
	if err != nil {
		return fmt.Errorf("add %d faces to the groups: %w", len(list), err)
	}
	g.insert(list, lists)
	return nil
}

// missing returns the faces that the Grouping does not have, in the order of their
// ids.
func (g *Grouping) missing(list []Face) []Face {
	list = slices.DeleteFunc(slices.Clone(list), func(f Face) bool { return g.Has(f.ID) })
	slices.SortFunc(list, func(a, b Face) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(list, func(a, b Face) bool { return a.ID == b.ID })
}

// insert adds faces with their neighbours. Each pair is joined when the second of
// them comes.
func (g *Grouping) insert(list []Face, neighbours [][]faces.NearFace) {
	for i, f := range list {
		slot := g.slot(f)
		for _, n := range neighbours[i] {
			if other, ok := g.slots[n.ID]; ok {
				g.forest.join(slot, other, n.Distance)
			}
		}
		g.slots[f.ID] = slot
	}
}

// slot returns a slot for a face.
func (g *Grouping) slot(f Face) uint32 {
	if last := len(g.free) - 1; last >= 0 {
		slot := g.free[last]
		g.free = g.free[:last]
		g.forest.id[slot], g.forest.count[slot] = f.ID, 1
		g.faces[slot] = f
		return slot
	}
	g.faces, g.placed = append(g.faces, f), append(g.placed, 0)
	return g.forest.grow(f.ID)
}

// SetApart records that two faces are not of one person, as somebody said, or
// takes this back. Such faces are never in one group. Neither need be in the
// Grouping.
func (g *Grouping) SetApart(a, b int64, apart bool) {
	if a == b || slices.Contains(g.apart[a], b) == apart {
		return
	}
	for _, p := range [][2]int64{{a, b}, {b, a}} {
		g.apart[p[0]] = slices.DeleteFunc(g.apart[p[0]], func(id int64) bool { return id == p[1] })
		if apart {
			g.apart[p[0]] = append(g.apart[p[0]], p[1])
			slices.Sort(g.apart[p[0]])
		}
		if len(g.apart[p[0]]) == 0 {
			delete(g.apart, p[0])
		}
		if slot, ok := g.slots[p[0]]; ok && g.forest.group[slot] != 0 {
			g.forest.dirty[g.forest.group[slot]] = true
		}
	}
}

// Settle applies the guard to the groups that have changed since the last call,
// and returns the faces that are in another group now, in the order of their ids.
func (g *Grouping) Settle(ctx context.Context, s Search) ([]Placement, error) {
	return g.settle(ctx, s, slices.Collect(maps.Keys(g.forest.dirty)))
}

// SettleSome is Settle for some of the groups: as many as have limit faces together,
// and at least one. more reports that others are left. What it has returned need not
// be done again after an error of the next call.
func (g *Grouping) SettleSome(ctx context.Context, s Search, limit int) (changes []Placement, more bool, err error) {
	list := slices.Sorted(maps.Keys(g.forest.dirty))
	n, size := 0, 0
	for n < len(list) && (n == 0 || size < limit) {
		size += int(g.forest.rings[list[n]].size)
		n++
	}
	changes, err = g.settle(ctx, s, list[:n])
	return changes, len(g.forest.dirty) > 0, err
}

// settle applies the guard to some groups that have changed.
func (g *Grouping) settle(ctx context.Context, s Search, list []uint32) ([]Placement, error) {
	now := make([]place, 0, len(g.forest.loose))
	for _, slot := range g.forest.loose {
		if g.forest.group[slot] == 0 {
			now = append(now, place{slot, 0})
		}
	}
	guard := guard{rule: g.rule, search: s, apart: g.apart, maxDirect: maxDirect}
	for _, group := range list {
		places, err := g.check(ctx, guard, group)
		if err != nil {
			return nil, err
		}
		now = append(now, places...)
	}
	var changes []Placement
	for _, p := range now {
		if g.placed[p.slot] != p.group {
			g.placed[p.slot] = p.group
			changes = append(changes, Placement{g.faces[p.slot].ID, p.group})
		}
	}
	g.forest.loose = nil
	for _, group := range list {
		delete(g.forest.dirty, group)
	}
	slices.SortFunc(changes, func(a, b Placement) int { return cmp.Compare(a.Face, b.Face) })
	return changes, nil
}

// place is the group that a slot belongs to after the guard.
type place struct {
	slot  uint32
	group int64
}

// check applies the guard to one group.
func (g *Grouping) check(ctx context.Context, guard guard, group uint32) ([]place, error) {
	members := g.forest.members(group)
	list := make([]Face, len(members))
	for i, slot := range members {
		list[i] = g.faces[slot]
	}
	parts, err := guard.check(ctx, list)
	if err != nil {
		return nil, fmt.Errorf("check a group of %d faces: %w", len(list), err)
	}
	places := make([]place, len(members))
	for i, slot := range members {
		places[i] = place{slot, 0}
	}
	for _, part := range parts {
		for _, f := range part {
			i, _ := find(list, f.ID)
			places[i].group = part[0].ID
		}
	}
	return places, nil
}

// All yields each face with its group as Settle last left it, 0 if none, in no order.
func (g *Grouping) All() iter.Seq2[Face, int64] {
	return func(yield func(Face, int64) bool) {
		for slot, f := range g.faces {
			if f.ID != 0 && !yield(f, g.placed[slot]) {
				return
			}
		}
	}
}

// Groups returns all groups as Settle last left them, the largest first and then
// by key.
func (g *Grouping) Groups() []Group {
	byKey := map[int64][]int64{}
	for slot, group := range g.placed {
		if group != 0 {
			byKey[group] = append(byKey[group], g.faces[slot].ID)
		}
	}
	list := make([]Group, 0, len(byKey))
	for id, members := range byKey {
		slices.Sort(members)
		list = append(list, Group{Key: id, Faces: members})
	}
	slices.SortFunc(list, func(a, b Group) int {
		return cmp.Or(cmp.Compare(len(b.Faces), len(a.Faces)), cmp.Compare(a.Key, b.Key))
	})
	return list
}

func idsOf(list []Face) []int64 {
	ids := make([]int64, len(list))
	for i, f := range list {
		ids[i] = f.ID
	}
	return ids
}
