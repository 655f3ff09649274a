package capacity

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// Searcher finds the known pictures nearest to faces, as nearest.Index does. A vector engine
// could be one, too.
type Searcher interface {
	Nearest(ctx context.Context, list []faces.Descriptor, l nearest.Limit) ([][]faces.Neighbour, error)
}

// Shards are Searchers of which each has some of the known pictures. No picture is in two. They
// answer what one index of all pictures would answer, to the last bit.
type Shards []Searcher

var _ Searcher = Shards{}

// ShardOf returns in which of n shards a known picture is. All pictures of a person's folder are
// in one shard, so that a change of a person is a change of one shard.
func ShardOf(picture string, n int) int {
	folder, name := path.Split(picture)
	h := fnv.New64a()
	_, _ = h.Write([]byte(cmp.Or(folder, name))) // never fails
	return int(h.Sum64() % uint64(n))
}

// Nearest implements Searcher. It asks all shards at once, and takes as long as the slowest.
func (s Shards) Nearest(ctx context.Context, list []faces.Descriptor, l nearest.Limit) ([][]faces.Neighbour, error) {
	answers := make([][][]faces.Neighbour, len(s))
	group, ctx := errgroup.WithContext(ctx)
	for i, shard := range s {
		group.Go(func() (err error) {
			if answers[i], err = shard.Nearest(ctx, list, ofOne(l)); err != nil {
				return fmt.Errorf("ask shard %d: %w", i, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	merged := make([][]faces.Neighbour, len(list))
	for face := range list {
		for _, answer := range answers {
			merged[face] = append(merged[face], answer[face]...)
		}
		merged[face] = cut(merged[face], l)
	}
	return merged, nil
}

// ofOne returns the limit that one shard is asked with. The slack counts from the nearest picture
// of all shards. A shard whose own nearest is beyond Within may still have pictures within the
// slack of that, so each is asked as far as the slack can reach.
func ofOne(l nearest.Limit) nearest.Limit {
	if l.Within > 0 {
		l.Within += l.Slack
	}
	return l
}

// cut sorts the neighbours from all shards and drops those beyond the limit.
func cut(list []faces.Neighbour, l nearest.Limit) []faces.Neighbour {
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b faces.Neighbour) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), strings.Compare(a.Image, b.Image))
	})
	farthest := list[0].Distance + l.Slack
	if l.Within > 0 && list[0].Distance > l.Within {
		farthest = list[0].Distance
	}
	n := min(len(list), max(1, l.Count))
	for n < len(list) && list[n].Distance <= farthest {
		n++
	}
	return list[:min(n, faces.MaxNeighbours)]
}
