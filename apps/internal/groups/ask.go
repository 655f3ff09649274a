package groups

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// batchSize is how many faces are searched for in one call.
const batchSize = 256

// answer is the result of one batch.
type answer struct {
	lists [][]faces.NearFace
	err   error
}

// each asks for the neighbours of faces, a batch on each core at a time. It calls
// use with the batches in order. last returns the limit of a batch's search.
func each(ctx context.Context, s Search, ids []int64, distance float64, last func(batch []int64) int64, use func(first int, lists [][]faces.NearFace) error) error {
	ctx, cancel := context.WithCancel(ctx)
	batches := make(chan chan answer, runtime.GOMAXPROCS(0)-1)
	done := make(chan struct{})
	defer func() { // no search runs on after the return
		cancel()
		for waiting := range batches {
			<-waiting
		}
		<-done
	}()
	go func() {
		defer close(done)
		defer close(batches)
		for batch := range slices.Chunk(ids, batchSize) {
			waiting := make(chan answer, 1)
			select {
			case batches <- waiting:
			case <-ctx.Done():
				return
			}
			go func() {
				lists, err := ask(ctx, s, batch, distance, last(batch))
				waiting <- answer{lists, err}
			}()
		}
	}()
	first := 0
	for waiting := range batches {
		a := <-waiting
		if a.err != nil {
			return a.err
		}
		if err := use(first, a.lists); err != nil {
			return err
		}
		first += len(a.lists)
	}
	return ctx.Err()
}

// ask asks for the neighbours of one batch, which must hold each of the faces.
func ask(ctx context.Context, s Search, batch []int64, distance float64, last int64) ([][]faces.NearFace, error) {
	lists, err := s.Within(ctx, batch, distance, last)
	if err != nil {
		return nil, fmt.Errorf("search for neighbours: %w", err)
	}
	if len(lists) != len(batch) {
		return nil, fmt.Errorf("search for neighbours: got %d lists for %d faces", len(lists), len(batch))
	}
	for i, id := range batch {
		if len(lists[i]) == 0 {
			return nil, fmt.Errorf("the search does not hold face %d: remove the face from the groups first", id)
		}
	}
	return lists, nil
}

// neighbours returns the neighbours of faces.
func neighbours(ctx context.Context, s Search, ids []int64, distance float64, last int64) ([][]faces.NearFace, error) {
	all := make([][]faces.NearFace, 0, len(ids))
	err := each(ctx, s, ids, distance, func([]int64) int64 { return last }, func(_ int, lists [][]faces.NearFace) error {
		all = append(all, lists...)
		return nil
	})
	return all, err
}

// descriptors returns the descriptors of faces, all of which the search must hold.
func descriptors(ctx context.Context, s Search, list []Face) ([]faces.Descriptor, error) {
	vectors, err := s.Descriptors(ctx, idsOf(list))
	if err != nil {
		return nil, fmt.Errorf("read descriptors: %w", err)
	}
	if len(vectors) != len(list) {
		return nil, fmt.Errorf("read descriptors: got %d for %d faces", len(vectors), len(list))
	}
	for i, d := range vectors {
		if len(d) == 0 || len(d) != len(vectors[0]) {
			return nil, fmt.Errorf("the search has %d numbers for face %d: remove the face from the groups first", len(d), list[i].ID)
		}
	}
	return vectors, nil
}
