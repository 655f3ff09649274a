package groups

import (
	"context"
	"fmt"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Sync makes the Grouping have exactly these faces. It can start from an empty
// Grouping, from a checkpoint, or from the faces of a moment ago: only what is
// new or gone is compared. The search must hold all faces of the list.
//
// After every 65,536 new faces it calls save, if it is not nil, which may write a
// checkpoint. After an error the Grouping has some of the faces, and the next Sync
// continues from there.
func (g *Grouping) Sync(ctx context.Context, s Search, list []Face, save func() error) error {
	wanted := make(map[int64]bool, len(list))
	for _, f := range list {
		wanted[f.ID] = true
	}
	var gone []int64
	newest := int64(math.MinInt64)
	for id := range g.slots {
		if !wanted[id] {
			gone = append(gone, id)
		} else {
			newest = max(newest, id)
		}
	}
	if err := g.Remove(ctx, s, gone...); err != nil {
		return err
	}
	list = g.missing(list)
	// Nothing beyond the batch and the faces that are there counts.
	last := func(batch []int64) int64 { return max(newest, batch[len(batch)-1]) }
	sinceSave := 0
	err := each(ctx, s, idsOf(list), g.rule.Distance, last, func(first int, lists [][]faces.NearFace) error {
		g.insert(list[first:first+len(lists)], lists)
		sinceSave += len(lists)
		if save == nil || sinceSave < saveEvery {
			return nil
		}
		sinceSave = 0
		return save()
	})
	if err != nil {
		return fmt.Errorf("group %d faces, of which %d are done: %w", len(wanted), g.Len(), err)
	}
	return nil
}

const saveEvery = 1 << 16
