// Package groupsearch lets tests and measuring programs group the faces of an index
// in their own process.
package groupsearch

import (
	"context"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// Stored is a groups.Search on an index of stored faces. Keys are their ids.
type Stored struct{ Index *nearest.FaceIndex }

var _ groups.Search = Stored{}

// Within implements groups.Search.
func (s Stored) Within(ctx context.Context, keys []int64, distance float64, last int64) ([][]faces.NearFace, error) {
	lists := make([][]faces.NearFace, len(keys))
	var list []faces.Descriptor
	var at []int
	for i, d := range s.Index.Descriptors(keys) {
		if d != nil {
			list, at = append(list, d), append(at, i)
		}
	}
	found, err := s.Index.UpTo(last).Within(ctx, list, distance, s.Index.Len())
	for i, near := range found {
		lists[at[i]] = near
	}
	return lists, err
}

// Descriptors implements groups.Search.
func (s Stored) Descriptors(_ context.Context, keys []int64) ([]faces.Descriptor, error) {
	return s.Index.Descriptors(keys), nil
}
