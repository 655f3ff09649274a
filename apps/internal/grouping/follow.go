package grouping

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/groups"
)

const (
	// addAtOnce is how many new faces are compared at a time. Each may have thousands
	// of neighbours.
	addAtOnce = 64
	// settleAtOnce is about how many faces the groups have that are checked before the
	// result is written.
	settleAtOnce = 20_000
	// mends is how often a step is tried again without faces that turn out to be gone.
	mends = 10
)

// follow brings the groups up to date with the events since the last round, and with a
// page of all faces.
func (s *session) follow(ctx context.Context) (more bool, err error) {
	begin := time.Now()
	c, err := s.store.ChangedImages(ctx, s.seq, s.opts.Page)
	if err != nil {
		return false, err
	}
	if c.Missed {
		s.log.Info("events are missing; all unknown faces are read again")
		s.synced = false
		return true, nil
	}
	before := s.changed
	if err := s.syncApart(ctx); err != nil {
		return false, err
	}
	if err := s.look(ctx, c.Images); err != nil {
		return false, err
	}
	s.seq = c.Next
	if time.Since(s.compared) >= s.opts.Compare {
		if err := s.compareNext(ctx); err != nil {
			return false, err
		}
	}
	if err := s.settle(ctx); err != nil {
		return false, err
	}
	if err := s.restore(ctx); err != nil {
		return false, err
	}
	if s.changed > before {
		s.metrics.seconds.Observe(time.Since(begin).Seconds())
		s.log.Debug("groups of unknown faces are up to date", "changed faces", s.changed-before)
	}
	if s.changed > before || s.saved.State != groups.Ready || s.saved.Total != int64(s.g.Len()+len(s.behind)) {
		if err := s.saveReady(ctx); err != nil {
			return false, err
		}
	}
	if s.changed >= s.opts.CheckpointFaces || s.changed > 0 && time.Since(s.checkpointed) >= s.opts.Checkpoint {
		return c.More, s.saveCheckpoint(ctx)
	}
	return c.More, nil
}

// look looks at the faces of images, and at those that the recognizer did not have in the
// last round.
func (s *session) look(ctx context.Context, images []int64) error {
	wanted := map[int64]bool{}
	for _, id := range images {
		wanted[id] = true
	}
	for _, id := range s.behind {
		wanted[id] = true
	}
	if len(wanted) == 0 {
		return nil
	}
	images = slices.Sorted(maps.Keys(wanted))
	for _, f := range s.those(func(f groups.Face) bool { return wanted[f.Picture] }) {
		s.unsure[f.ID] = true
	}
	var behind map[int64]int64
	err := s.mend(ctx, func() error {
		now, err := s.store.GroupableIn(ctx, s.model, images)
		if err != nil {
			return err
		}
		behind = map[int64]int64{}
		return s.replace(ctx, s.those(func(f groups.Face) bool { return wanted[f.Picture] }), now, behind)
	})
	if err == nil {
		s.behind = behind
	}
	return err
}

// compareNext compares the next page of all faces, and their stored groups. The last page
// reaches beyond all faces.
func (s *session) compareNext(ctx context.Context) error {
	end := s.cursor
	err := s.mend(ctx, func() error {
		var now []groups.Face
		var err error
		if now, end, err = s.store.GroupableFaces(ctx, s.model, s.cursor, math.MaxInt64, s.opts.Page); err != nil {
			return err
		}
		return s.replace(ctx, s.those(func(f groups.Face) bool { return f.ID > s.cursor && f.ID <= end }), now, s.behind)
	})
	if err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	if err := s.reconcile(ctx, s.cursor, end); err != nil {
		return err
	}
	if s.cursor, s.compared = end, time.Now(); end == math.MaxInt64 {
		s.cursor = 0
	}
	return nil
}

// those returns the faces of the grouping that a function selects.
func (s *session) those(wanted func(groups.Face) bool) []groups.Face {
	var list []groups.Face
	for f := range s.g.All() {
		if wanted(f) {
			list = append(list, f)
		}
	}
	return list
}

// replace makes the grouping have the faces of now instead of those of have. Faces that
// the recognizer does not have yet are added to behind.
func (s *session) replace(ctx context.Context, have, now []groups.Face, behind map[int64]int64) error {
	stays := make(map[int64]bool, len(now))
	for _, f := range now {
		stays[f.ID] = true
	}
	var gone []int64
	for _, f := range have {
		if !stays[f.ID] {
			gone = append(gone, f.ID)
		}
	}
	if err := s.remove(ctx, gone); err != nil {
		return err
	}
	var fresh []groups.Face
	for _, f := range now {
		switch {
		case s.g.Has(f.ID):
		case f.ID > s.mark:
			behind[f.ID] = f.Picture
		default:
			fresh = append(fresh, f)
		}
	}
	return s.add(ctx, fresh, behind)
}

// remove takes faces out. Their stored groups go first: if the program ends in between,
// the next one finds that the faces have left.
func (s *session) remove(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	none := make([]groups.Placement, len(ids))
	for i, id := range ids {
		none[i].Face = id
	}
	if err := s.store.PlaceFaces(ctx, s.token, s.model.ID, none); err != nil {
		return err
	}
	s.search.begin()
	if err := s.g.Remove(ctx, s.search, ids...); err != nil {
		return err
	}
	s.changed += len(ids)
	return nil
}

// add adds faces. Those that the recognizer turns out not to have are added to behind.
func (s *session) add(ctx context.Context, fresh []groups.Face, behind map[int64]int64) error {
	for some := range slices.Chunk(fresh, addAtOnce) {
		for len(some) > 0 {
			s.search.begin()
			err := s.g.Add(ctx, s.search, some...)
			if err == nil {
				s.changed += len(some)
				break
			}
			kept := setAside(some, s.search.lacks(), behind)
			if len(kept) == len(some) {
				return err
			}
			some = kept
		}
	}
	return nil
}

// mend does something, and does it again without the faces that turn out to be gone from
// the database: a group cannot be computed with them.
func (s *session) mend(ctx context.Context, do func() error) error {
	var gone []int64
	for try := 1; ; try++ {
		s.search.begin()
		err := s.remove(ctx, gone)
		if err == nil {
			gone = nil
			err = do()
		}
		if err == nil || try == mends {
			return err
		}
		more, lookErr := s.goneAmong(ctx, s.search.lacks())
		if lookErr != nil || len(more) == 0 {
			return cmp.Or(lookErr, err)
		}
		gone = append(gone, more...)
	}
}

// goneAmong returns those of the faces that are grouped, but take part no longer.
func (s *session) goneAmong(ctx context.Context, ids map[int64]bool) ([]int64, error) {
	have := s.those(func(f groups.Face) bool { return ids[f.ID] })
	images := make([]int64, len(have))
	for i, f := range have {
		images[i] = f.Picture
	}
	now, err := s.store.GroupableIn(ctx, s.model, images)
	if err != nil {
		return nil, err
	}
	stays := make(map[int64]bool, len(now))
	for _, f := range now {
		stays[f.ID] = true
	}
	var gone []int64
	for _, f := range have {
		if !stays[f.ID] {
			gone = append(gone, f.ID)
		}
	}
	return gone, nil
}

// syncApart notes which faces are not of one person, as somebody said or took back.
func (s *session) syncApart(ctx context.Context) error {
	pairs, err := s.store.FacesApart(ctx, s.model.ID)
	if err != nil {
		return err
	}
	wanted := make(map[[2]int64]bool, len(pairs))
	for _, p := range pairs {
		wanted[p] = true
	}
	for _, p := range s.g.Apart() {
		if !wanted[p] {
			s.g.SetApart(p[0], p[1], false)
			s.changed++
			s.unsure[p[0]], s.unsure[p[1]] = true, true
		}
		delete(wanted, p)
	}
	for p := range wanted {
		s.g.SetApart(p[0], p[1], true)
		s.changed++
		s.unsure[p[0]], s.unsure[p[1]] = true, true
	}
	return nil
}

// settle checks the groups that have changed, and stores which faces moved.
func (s *session) settle(ctx context.Context) error {
	for more := true; more; {
		var moved []groups.Placement
		err := s.mend(ctx, func() (err error) {
			moved, more, err = s.g.SettleSome(ctx, s.search, settleAtOnce)
			return err
		})
		if err != nil {
			return err
		}
		if err := s.store.PlaceFaces(ctx, s.token, s.model.ID, moved); err != nil {
			s.synced = false // nothing says later that these moved
			return err
		}
		s.metrics.placed.Add(float64(len(moved)))
	}
	return nil
}

// restore stores the groups of the faces whose stored group may be gone. After an error,
// the next round does it.
func (s *session) restore(ctx context.Context) error {
	if len(s.unsure) == 0 {
		return nil
	}
	var list []groups.Placement
	for f, group := range s.g.All() {
		if group != 0 && s.unsure[f.ID] {
			list = append(list, groups.Placement{Face: f.ID, Group: group})
		}
	}
	slices.SortFunc(list, func(a, b groups.Placement) int { return cmp.Compare(a.Face, b.Face) })
	if err := s.store.PlaceFaces(ctx, s.token, s.model.ID, list); err != nil {
		return err
	}
	clear(s.unsure)
	return nil
}

// reconcile makes the stored groups of the faces with ids in (after, upTo] those of the
// grouping.
func (s *session) reconcile(ctx context.Context, after, upTo int64) error {
	var want []groups.Placement
	for f, group := range s.g.All() {
		if group != 0 && f.ID > after && f.ID <= upTo {
			want = append(want, groups.Placement{Face: f.ID, Group: group})
		}
	}
	slices.SortFunc(want, func(a, b groups.Placement) int { return cmp.Compare(a.Face, b.Face) })
	for after < upTo {
		stored, end, err := s.store.PlacedFaces(ctx, s.model.ID, after, upTo, s.opts.Page)
		if err != nil {
			return err
		}
		n, _ := slices.BinarySearchFunc(want, end, func(p groups.Placement, end int64) int { return cmp.Compare(p.Face, end) })
		if n < len(want) && want[n].Face == end {
			n++
		}
		if err := s.store.PlaceFaces(ctx, s.token, s.model.ID, differences(want[:n], stored)); err != nil {
			return err
		}
		want, after = want[n:], end
	}
	return nil
}

// differences returns what makes the stored groups those that are wanted.
func differences(want []groups.Placement, stored map[int64]int64) []groups.Placement {
	var list []groups.Placement
	for _, p := range want {
		if stored[p.Face] != p.Group {
			list = append(list, p)
		}
		delete(stored, p.Face)
	}
	for face := range stored {
		list = append(list, groups.Placement{Face: face})
	}
	return list
}
