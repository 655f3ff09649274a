package store_test

import (
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// TestLostCommitOfADeletion counts the images that a deletion has deleted.
func TestLostCommitOfADeletion(t *testing.T) {
	t.Parallel()
	for name, count := range map[string]func(t *testing.T, s *store.Store, ids []int64) int{
		"several": func(t *testing.T, s *store.Store, ids []int64) int {
			list, err := s.SelectByID(t.Context(), ids)
			if err != nil {
				t.Fatal(err)
			}
			deleted, err := s.DeleteImages(t.Context(), list)
			if err != nil {
				t.Error(err)
			}
			return len(deleted)
		},
		"one": func(t *testing.T, s *store.Store, ids []int64) int {
			path, err := s.DeleteImage(t.Context(), ids[0])
			if err != nil || path != manyPaths(1)[0] {
				t.Errorf("%q, %v", path, err)
			}
			return len(ids)
		},
		"of which one had gone": func(t *testing.T, s *store.Store, ids []int64) int {
			list, err := s.SelectByID(t.Context(), append(ids, 4711))
			if err != nil {
				t.Fatal(err)
			}
			deleted, err := s.DeleteImages(t.Context(), list)
			if err != nil {
				t.Error(err)
			}
			return len(deleted)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, breakAfter, _ := breakable(t)
			ids := added(t, s, 3)
			breakAfter("COMMIT")
			if n := count(t, s, ids); n != len(ids) {
				t.Errorf("%d images are counted, want %d", n, len(ids))
			}
		})
	}
}
