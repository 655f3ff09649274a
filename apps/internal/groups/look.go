package groups

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Look returns the group that a face would be in at another distance, to look at:
// smaller distances split groups, larger ones join them. The guard is not applied,
// and the Grouping does not change. more reports that the group has more than limit
// faces. The distance must be Strictest to Loosest times the rule's.
func (g *Grouping) Look(ctx context.Context, s Search, id int64, distance float64, limit int) (group Group, more bool, err error) {
	if !g.Has(id) {
		return Group{}, false, fmt.Errorf("look at the group of face %d: the face is not among those to group", id)
	}
	return Look(ctx, s, g.rule, g.Has, id, distance, limit)
}

// Look is Grouping.Look for a search whose faces are grouped if has says so. It needs
// no Grouping: it asks about the faces of the group and their neighbours only.
func Look(ctx context.Context, s Search, r Rule, has func(id int64) bool, id int64, distance float64, limit int) (group Group, more bool, err error) {
	low, high := Strictest*r.Distance, Loosest*r.Distance
	if !(distance >= low && distance <= high) {
		return Group{}, false, fmt.Errorf("look at groups at the distance %v: it must be %.3f to %.3f", distance, low, high)
	}
	w := walk{has: has, least: r.Min, search: s, distance: distance, lists: map[int64][]faces.NearFace{}}
	start, err := w.core(ctx, id)
	if err != nil || start == 0 {
		return Group{}, false, err
	}
	return w.from(ctx, start, limit)
}

// walk collects a group from one of its core faces.
type walk struct {
	has      func(id int64) bool
	least    int // faces that make a core face
	search   Search
	distance float64
	lists    map[int64][]faces.NearFace // of faces that were asked about, without faces that are not grouped
}

// ask asks about faces that were not asked about.
func (w *walk) ask(ctx context.Context, ids []int64) error {
	ids = slices.DeleteFunc(ids, func(id int64) bool { _, ok := w.lists[id]; return ok })
	slices.Sort(ids)
	ids = slices.Compact(ids)
	lists, err := neighbours(ctx, w.search, ids, w.distance, math.MaxInt64)
	if err != nil {
		return err
	}
	for i, id := range ids {
		w.lists[id] = slices.DeleteFunc(lists[i], func(n faces.NearFace) bool { return !w.has(n.ID) })
	}
	return nil
}

func (w *walk) isCore(id int64) bool { return len(w.lists[id]) >= w.least }

// core returns the face itself if it is a core face, else the nearest one among its
// neighbours, or 0.
func (w *walk) core(ctx context.Context, id int64) (int64, error) {
	if err := w.ask(ctx, []int64{id}); err != nil || w.isCore(id) {
		return id, err
	}
	var near []int64
	for _, n := range w.lists[id] {
		near = append(near, n.ID)
	}
	if err := w.ask(ctx, near); err != nil {
		return 0, err
	}
	return w.nearestCore(id), nil
}

// nearestCore returns the core face that a face belongs to, or 0. All neighbours
// have been asked about.
func (w *walk) nearestCore(id int64) int64 {
	best := faces.NearFace{Distance: math.Inf(1)}
	for _, n := range w.lists[id] {
		if w.isCore(n.ID) && (n.Distance < best.Distance || n.Distance == best.Distance && n.ID < best.ID) {
			best = n
		}
	}
	return best.ID
}

func (w *walk) from(ctx context.Context, start int64, limit int) (Group, bool, error) {
	seen := map[int64]bool{start: true} // core faces of the group
	var border []int64
	for next := []int64{start}; len(next) > 0 && len(seen) <= limit; {
		var found []int64
		for _, id := range next {
			for _, n := range w.lists[id] {
				found = append(found, n.ID)
			}
		}
		if err := w.ask(ctx, slices.Clone(found)); err != nil {
			return Group{}, false, err
		}
		next = next[:0:0]
		for _, id := range found {
			switch {
			case !w.isCore(id):
				border = append(border, id)
			case !seen[id]:
				seen[id] = true
				next = append(next, id)
			}
		}
	}
	var beyond []int64 // other neighbours of the border: one may be a nearer core face
	for _, id := range border {
		for _, n := range w.lists[id] {
			beyond = append(beyond, n.ID)
		}
	}
	if err := w.ask(ctx, beyond); err != nil {
		return Group{}, false, err
	}
	for _, id := range border {
		if seen[w.nearestCore(id)] {
			seen[id] = true
		}
	}
	var group Group
	for id := range seen {
		group.Faces = append(group.Faces, id)
	}
	slices.Sort(group.Faces)
	more := len(group.Faces) > limit
	group.Faces = group.Faces[:min(limit, len(group.Faces))]
	group.Key = group.Faces[0]
	return group, more, nil
}
