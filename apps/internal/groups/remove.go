package groups

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// maxSteps bounds the distances that are computed to show that a group holds together.
const maxSteps = 1 << 22

// Remove removes faces, such as those that got a name, were ignored or were deleted.
// It skips faces that the Grouping does not have. The search need not hold them any
// more, but must hold all others; if it still does, most groups need not be computed
// again.
func (g *Grouping) Remove(ctx context.Context, s Search, ids ...int64) error {
	r := removal{g: g, search: s, leaving: map[uint32]bool{}, lost: map[uint32]uint32{}, ends: map[uint32]map[uint32]bool{}, again: map[uint32]bool{}}
	for _, id := range ids {
		if slot, ok := g.slots[id]; ok {
			r.leaving[slot] = true
		}
	}
	again, edges, err := r.plan(ctx)
	if err != nil {
		return fmt.Errorf("remove %d faces from the groups: %w", len(r.leaving), err)
	}
	g.forest.remove(r.leaving, r.lost, again, edges)
	for slot := range r.leaving {
		delete(g.slots, g.faces[slot].ID)
		g.faces[slot], g.placed[slot], g.forest.id[slot] = Face{}, 0, 0
		g.free = append(g.free, slot)
	}
	return nil
}

// removal finds out which groups must be computed again when faces leave. A group
// need not be if it loses no core face, or if all core faces that were neighbours of
// the lost ones are connected with each other: every path through a lost face then
// has a detour.
type removal struct {
	g       *Grouping
	search  Search
	leaving map[uint32]bool
	lost    map[uint32]uint32          // how many neighbours a slot loses
	ends    map[uint32]map[uint32]bool // by group: the core neighbours of core faces that leave
	again   map[uint32]bool            // the groups to compute again
}

// plan returns the slots whose groups must be computed again, with their neighbours.
func (r *removal) plan(ctx context.Context) (again []uint32, edges [][]edge, err error) {
	f := r.g.forest
	for slot := range r.leaving {
		for _, e := range f.near[slot] {
			r.lost[e.to]++
		}
	}
	if err := r.askLeaving(ctx); err != nil {
		return nil, nil, err
	}
	for slot, n := range r.lost {
		if !r.leaving[slot] && f.core(slot) && int(f.count[slot]-n) < f.min {
			r.again[f.group[slot]] = true // it is a core face no longer
		}
	}
	for group, ends := range r.ends {
		if r.again[group] {
			continue
		}
		connected, err := r.connected(ctx, slices.Collect(maps.Keys(ends)))
		if err != nil {
			return nil, nil, err
		}
		if !connected {
			r.again[group] = true
		}
	}
	for group := range r.again {
		for slot := range f.slots(group) {
			if !r.leaving[slot] {
				again = append(again, slot)
			}
		}
	}
	r.byKey(again)
	edges, err = r.neighbours(ctx, again)
	return again, edges, err
}

// askLeaving asks for the neighbours of the core faces that leave. It does not ask if
// fewer faces of the group stay than leave.
func (r *removal) askLeaving(ctx context.Context) error {
	f := r.g.forest
	leave, cores := map[uint32]uint32{}, map[uint32]bool{}
	for slot := range r.leaving {
		leave[f.group[slot]]++
		if f.core(slot) {
			cores[f.group[slot]] = true
		}
	}
	var ask []uint32
	for slot := range r.leaving {
		group := f.group[slot]
		switch {
		case !cores[group]:
		case 2*leave[group] > f.rings[group].size:
			r.again[group] = true
		case f.core(slot):
			ask = append(ask, slot)
		}
	}
	r.byKey(ask)
	for some := range slices.Chunk(ask, batchSize) {
		lists, err := r.search.Within(ctx, r.ids(some), r.g.rule.Distance, math.MaxInt64)
		if err != nil {
			return fmt.Errorf("search for neighbours: %w", err)
		}
		for i, slot := range some {
			r.note(slot, lists[i])
		}
	}
	return nil
}

// note notes the neighbours of a core face that leaves.
func (r *removal) note(slot uint32, list []faces.NearFace) {
	f := r.g.forest
	group := f.group[slot]
	if len(list) == 0 { // the search does not hold the face any more
		r.again[group] = true
		return
	}
	for _, n := range list {
		other, ok := r.g.slots[n.ID]
		if !ok || r.leaving[other] || !f.core(other) {
			continue // the others keep their neighbours themselves
		}
		r.lost[other]++
		if r.ends[group] == nil {
			r.ends[group] = map[uint32]bool{}
		}
		r.ends[group][other] = true
	}
}

// connected reports whether slots are connected by edges with each other.
func (r *removal) connected(ctx context.Context, slots []uint32) (bool, error) {
	r.byKey(slots)
	list := make([]Face, len(slots))
	for i, slot := range slots {
		list[i] = r.g.faces[slot]
	}
	vectors, err := descriptors(ctx, r.search, list)
	if err != nil || len(vectors) == 0 {
		return err == nil, err
	}
	found, rest := vectors[:1:1], vectors[1:]
	steps := 0
	for n := 0; n < len(found) && len(rest) > 0; n++ {
		if steps += len(rest); steps > maxSteps {
			return false, nil // computing the group again is faster
		}
		var beyond = rest[:0:0]
		for _, d := range rest {
			if found[n].Distance(d) <= r.g.rule.Distance {
				found = append(found, d)
			} else {
				beyond = append(beyond, d)
			}
		}
		rest = beyond
	}
	return len(rest) == 0, nil
}

// neighbours asks for the neighbours of slots that stay.
func (r *removal) neighbours(ctx context.Context, slots []uint32) ([][]edge, error) {
	lists, err := neighbours(ctx, r.search, r.ids(slots), r.g.rule.Distance, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	edges := make([][]edge, len(slots))
	for i, list := range lists {
		for _, n := range list {
			if slot, ok := r.g.slots[n.ID]; ok {
				edges[i] = append(edges[i], edge{slot, n.Distance})
			}
		}
	}
	return edges, nil
}

func (r *removal) ids(slots []uint32) []int64 {
	ids := make([]int64, len(slots))
	for i, slot := range slots {
		ids[i] = r.g.faces[slot].ID
	}
	return ids
}

func (r *removal) byKey(slots []uint32) {
	slices.SortFunc(slots, func(a, b uint32) int { return cmp.Compare(r.g.faces[a].ID, r.g.faces[b].ID) })
}
