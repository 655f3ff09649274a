package groups

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// batchSize is how many faces are searched for in one call, at most.
const batchSize = 256

// Bounds of the neighbours that one call returns, about. Faces of a crowd have
// thousands each, which would take gigabytes.
const (
	fewNeighbours  = 1 << 17
	manyNeighbours = 1 << 18
	firstBatch     = 32
)

// pace chooses the size of the next batch by what the last one returned. It is safe
// for concurrent use.
type pace struct{ size atomic.Int64 }

func newPace() *pace {
	p := &pace{}
	p.size.Store(firstBatch)
	return p
}

// next splits the next batch off.
func (p *pace) next(ids []int64) (batch, rest []int64) {
	n := min(int(p.size.Load()), len(ids))
	return ids[:n], ids[n:]
}

// note notes what a batch returned.
func (p *pace) note(lists [][]faces.NearFace) {
	found := 0
	for _, list := range lists {
		found += len(list)
	}
	n := int64(len(lists))
	switch {
	case found > manyNeighbours:
		p.size.Store(max(1, n/2))
	case found < fewNeighbours && n == p.size.Load():
		p.size.Store(min(batchSize, 2*n))
	}
}

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
	pace := newPace()
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
		for rest := ids; len(rest) > 0; {
			var batch []int64
			batch, rest = pace.next(rest)
			waiting := make(chan answer, 1)
			select {
			case batches <- waiting:
			case <-ctx.Done():
				return
			}
			go func() {
				lists, err := ask(ctx, s, batch, distance, last(batch))
				pace.note(lists)
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
