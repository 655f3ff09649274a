package groups

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// A group is bad if two of its faces are in one picture, or are not of one person
// as somebody said (a conflict), or if it is too wide. A bad group is grouped
// again in rounds, at a smaller distance each. Parts that are not bad are groups;
// other parts go on to the next round.
//
// Some conflicts remain together even in the last round. Nothing is gained by
// splitting the group for them. Of two such faces in one picture (a mirror, a
// collage) only the one nearer to the group's centre stays in the group. Two faces
// that somebody said are apart divide the group: each face goes to the nearer of
// the two.
//
// The result depends on the set of the group's faces only.
const (
	shrink = 0.95 // of the distance, each round
	rounds = 6
	// maxDirect is the size of the largest group whose faces are compared
	// with each other directly. In a larger one the search finds neighbours.
	maxDirect = 2048
	// chunk is how many descriptors of a large group are read at a time.
	chunk = 4096
)

type guard struct {
	rule      Rule
	search    Search
	apart     map[int64][]int64
	maxDirect int
}

// check returns the groups that a group consists of. The lists are in the order of
// ids.
func (g guard) check(ctx context.Context, list []Face) ([][]Face, error) {
	bad, err := g.bad(ctx, list)
	if err != nil {
		return nil, err
	}
	if !bad {
		return [][]Face{list}, nil
	}
	return g.divide(ctx, list)
}

// divide groups the faces of a bad group again.
func (g guard) divide(ctx context.Context, list []Face) ([][]Face, error) {
	if len(list) < g.rule.Min {
		return nil, nil
	}
	levels, err := g.levels(ctx, list)
	if err != nil {
		return nil, err
	}
	last := levels[rounds].parts()
	if a, b, ok := g.firstApart(list, last); ok {
		near, far, err := g.sides(ctx, list, a, b)
		if err != nil {
			return nil, err
		}
		one, err := g.divide(ctx, near)
		if err != nil {
			return nil, err
		}
		two, err := g.divide(ctx, far)
		return append(one, two...), err
	}
	rest, err := g.setAside(ctx, list, last)
	if err != nil {
		return nil, err
	}
	if len(rest) < len(list) {
		return g.divide(ctx, rest)
	}
	return g.rounds(ctx, list, levels)
}

// rounds returns the largest parts that are not bad. A part that is too wide even
// in the last round is a group, too.
func (g guard) rounds(ctx context.Context, list []Face, levels []*forest) ([][]Face, error) {
	var groups [][]Face
	taken := make([]bool, len(list))
	for round, level := range levels {
		for _, part := range level.parts() {
			if taken[part.core] { // its core faces are all in one group of a round before
				continue
			}
			var members []Face
			for _, i := range part.slots {
				if !taken[i] {
					members = append(members, list[i])
				}
			}
			bad := len(members) < g.rule.Min || g.conflict(members)
			if !bad && round < rounds {
				var err error
				if bad, err = g.wide(ctx, members); err != nil {
					return nil, err
				}
			}
			if bad {
				continue
			}
			groups = append(groups, members)
			for _, i := range part.slots {
				taken[i] = true
			}
		}
	}
	return groups, nil
}

func (g guard) bad(ctx context.Context, list []Face) (bool, error) {
	if g.conflict(list) {
		return true, nil
	}
	return g.wide(ctx, list)
}

// conflict reports whether two of the faces cannot be of one person.
func (g guard) conflict(list []Face) bool {
	pictures := make(map[int64]bool, len(list))
	for _, f := range list {
		if pictures[f.Picture] {
			return true
		}
		pictures[f.Picture] = true
		for _, other := range g.apart[f.ID] {
			if _, ok := find(list, other); ok {
				return true
			}
		}
	}
	return false
}

// find returns the index of a face in a list in the order of ids.
func find(list []Face, id int64) (int, bool) {
	return slices.BinarySearchFunc(list, id, func(f Face, id int64) int { return cmp.Compare(f.ID, id) })
}

// firstApart returns the first two faces in one part that somebody said are apart.
func (g guard) firstApart(list []Face, parts []part) (a, b int, ok bool) {
	in := make([]int, len(list)) // the part of each face, counted from 1
	for n, p := range parts {
		for _, i := range p.slots {
			in[i] = n + 1
		}
	}
	for i, f := range list {
		for _, other := range g.apart[f.ID] {
			if j, found := find(list, other); found && in[i] != 0 && in[i] == in[j] {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// sides divides faces into those nearer to face a and those nearer to face b.
func (g guard) sides(ctx context.Context, list []Face, a, b int) (near, far []Face, err error) {
	ends, err := descriptors(ctx, g.search, []Face{list[a], list[b]})
	if err != nil {
		return nil, nil, err
	}
	i := 0
	err = g.vectors(ctx, list, func(d faces.Descriptor) {
		if i == a || i != b && d.Distance(ends[0]) <= d.Distance(ends[1]) {
			near = append(near, list[i])
		} else {
			far = append(far, list[i])
		}
		i++
	})
	return near, far, err
}

// setAside returns the faces without those whose picture has another face in the
// same part. Of these faces the one nearest to the centre of all stays.
func (g guard) setAside(ctx context.Context, list []Face, parts []part) ([]Face, error) {
	var several [][]uint32
	for _, p := range parts {
		byPicture := map[int64][]uint32{}
		for _, i := range p.slots {
			byPicture[list[i].Picture] = append(byPicture[list[i].Picture], i)
		}
		for _, same := range byPicture {
			if len(same) > 1 {
				several = append(several, same)
			}
		}
	}
	if len(several) == 0 {
		return list, nil
	}
	shape, err := g.shape(ctx, list)
	if err != nil {
		return nil, err
	}
	aside := map[uint32]bool{}
	for _, same := range several {
		stays := slices.MinFunc(same, func(a, b uint32) int {
			return cmp.Or(cmp.Compare(shape.fromMean[a], shape.fromMean[b]), cmp.Compare(a, b))
		})
		for _, i := range same {
			if i != stays {
				aside[i] = true
			}
		}
	}
	var rest []Face
	for i, f := range list {
		if !aside[uint32(i)] {
			rest = append(rest, f)
		}
	}
	return rest, nil
}

// wide reports whether faces are too far apart for one person.
func (g guard) wide(ctx context.Context, list []Face) (bool, error) {
	shape, err := g.shape(ctx, list)
	if err != nil {
		return false, err
	}
	return shape.pairs > g.rule.Width || slices.Max(shape.fromMean) > g.rule.Width, nil
}

// shape describes how far apart faces are.
type shape struct {
	fromMean []float64 // the distance of each face from the mean of all
	pairs    float64   // root mean square distance of two different faces
}

// shape reads the descriptors twice, as those of a large group are not kept. The
// explicit conversions prevent fused operations, which would make processors
// disagree.
func (g guard) shape(ctx context.Context, list []Face) (shape, error) {
	var mean []float64
	err := g.vectors(ctx, list, func(d faces.Descriptor) {
		if mean == nil {
			mean = make([]float64, len(d))
		}
		for i, v := range d {
			mean[i] += float64(v)
		}
	})
	if err != nil {
		return shape{}, err
	}
	n := float64(len(list))
	for i := range mean {
		mean[i] /= n
	}
	s := shape{fromMean: make([]float64, 0, len(list))}
	sum := 0.0
	err = g.vectors(ctx, list, func(d faces.Descriptor) {
		square := 0.0
		for i, v := range d {
			diff := float64(v) - mean[i]
			square += float64(diff * diff)
		}
		sum += square
		s.fromMean = append(s.fromMean, math.Sqrt(square))
	})
	// The mean square distance of two points is twice that from their mean.
	s.pairs = math.Sqrt(2 * sum / max(n-1, 1))
	return s, err
}

// vectors calls use with the descriptor of each face.
func (g guard) vectors(ctx context.Context, list []Face, use func(faces.Descriptor)) error {
	for some := range slices.Chunk(list, chunk) {
		vectors, err := descriptors(ctx, g.search, some)
		if err != nil {
			return err
		}
		for _, d := range vectors {
			use(d)
		}
	}
	return nil
}

// levels groups the faces by themselves at the distance of each round. The first
// is the rule's own distance. Slots are indexes in the list.
func (g guard) levels(ctx context.Context, list []Face) ([]*forest, error) {
	levels := make([]*forest, rounds+1)
	limits := make([]float64, rounds+1)
	for r := range levels {
		levels[r], limits[r] = newForest(g.rule.Min), g.rule.Distance*math.Pow(shrink, float64(r))
		for _, f := range list {
			levels[r].grow(f.ID)
		}
	}
	join := func(a, b int, distance float64) {
		for r := 0; r < len(levels) && distance <= limits[r]; r++ {
			levels[r].join(uint32(a), uint32(b), distance)
		}
	}
	if len(list) <= g.maxDirect {
		return levels, g.compareAll(ctx, list, join)
	}
	ids := idsOf(list)
	return levels, each(ctx, g.search, ids, g.rule.Distance, func(batch []int64) int64 { return batch[len(batch)-1] },
		func(first int, lists [][]faces.NearFace) error {
			for i, near := range lists {
				for _, n := range near {
					if other, ok := find(list, n.ID); ok && other < first+i {
						join(first+i, other, n.Distance)
					}
				}
			}
			return nil
		})
}

// compareAll calls join for all pairs of faces.
func (g guard) compareAll(ctx context.Context, list []Face, join func(a, b int, distance float64)) error {
	vectors, err := descriptors(ctx, g.search, list)
	if err != nil {
		return err
	}
	for i, d := range vectors {
		if err := ctx.Err(); err != nil {
			return err
		}
		for j, other := range vectors[:i] {
			join(i, j, d.Distance(other))
		}
	}
	return nil
}

// part is a group of a level.
type part struct {
	slots []uint32 // ascending
	core  uint32   // one of its core faces
}

// parts returns the groups of a forest whose slots are in the order of ids, by
// their smallest slot.
func (f *forest) parts() []part {
	var list []part
	for group := range maps.Keys(f.rings) {
		p := part{slots: f.members(group)}
		for _, slot := range p.slots {
			if f.core(slot) {
				p.core = slot
				break
			}
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b part) int { return cmp.Compare(a.slots[0], b.slots[0]) })
	return list
}
