package grouping

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// search is a groups.Search: neighbours come from a recognizer, and descriptors from the
// database.
type search struct {
	Recognizer
	store Store
	model faces.Model
	holds func() bool // whether this program still holds the lease

	asked atomic.Int64 // faces that were asked about

	mu      sync.Mutex // guards the fields below
	missing map[int64]bool
	ids     []int64 // that were asked for last: the guard asks for the same ones again
	vectors []faces.Descriptor
}

var _ groups.Search = (*search)(nil)

// Within implements groups.Search.
func (s *search) Within(ctx context.Context, ids []int64, distance float64, last int64) ([][]faces.NearFace, error) {
	if !s.holds() {
		return nil, history.ErrLeaseLost
	}
	if len(ids) == 0 {
		return nil, nil
	}
	lists, err := s.NearFaces(ctx, s.model.ID, ids, distance, last)
	if err != nil {
		return nil, err
	}
	s.asked.Add(int64(len(ids)))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, list := range lists {
		if len(list) == 0 {
			s.missing[ids[i]] = true
		}
	}
	return lists, nil
}

// Descriptors implements groups.Search.
func (s *search) Descriptors(ctx context.Context, ids []int64) ([]faces.Descriptor, error) {
	if !s.holds() {
		return nil, history.ErrLeaseLost
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Equal(ids, s.ids) {
		return s.vectors, nil
	}
	s.ids, s.vectors = nil, nil
	list, err := s.store.DescriptorsOf(ctx, s.model, ids)
	if err != nil {
		return nil, err
	}
	for i, d := range list {
		if d == nil {
			s.missing[ids[i]] = true
		}
	}
	s.ids, s.vectors = slices.Clone(ids), list
	return list, nil
}

// begin forgets what was found missing.
func (s *search) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.missing)
	s.ids, s.vectors = nil, nil
}

// lacks returns the faces that the recognizer or the database did not have since begin.
func (s *search) lacks() map[int64]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make(map[int64]bool, len(s.missing))
	for id := range s.missing {
		found[id] = true
	}
	return found
}
