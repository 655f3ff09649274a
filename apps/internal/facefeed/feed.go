package facefeed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// feed brings the indexes of the recognizers with one model set up to date. It reports
// whether there are more faces to put.
func (f *Feeder) feed(ctx context.Context, m faces.Model, all []*index, newest int64) (more bool, err error) {
	if grows, err := f.grow(ctx, m, all, newest); err != nil || grows {
		return grows, err
	}
	// All that are neither full nor in trouble have all faces now. Tell them so.
	each(all, func(x *index) {
		x.FaceIndex, _, x.err = x.CheckFaces(ctx, m.ID, 0, 0, newest)
	})
	settled, err := f.store.SettledFace(ctx, time.Now().Add(-f.opts.Settle))
	if err != nil {
		return false, err
	}
	if err := f.compareTail(ctx, m, all, settled, newest); err != nil {
		return false, err
	}
	if err := f.compareNext(ctx, m, all, newest); err != nil {
		return false, err
	}
	return false, problems(all)
}

// grow puts the next page of faces into the indexes whose marks are lowest. Indexes that
// start together are filled together, so that the database is read once.
func (f *Feeder) grow(ctx context.Context, m faces.Model, all []*index, newest int64) (more bool, err error) {
	mark := newest
	for _, x := range all {
		if f.canGrow(x) {
			mark = min(mark, x.Mark)
		}
	}
	if mark >= newest {
		return false, nil
	}
	limit := f.opts.pageSize(m)
	list, err := f.store.StoredDescriptors(ctx, m, mark, newest, limit)
	if err != nil {
		return false, err
	}
	upTo := newest
	if len(list) == limit {
		upTo = list[limit-1].ID
	}
	f.put(ctx, m, all, mark, upTo, newest, list, func(x *index) bool { return f.canGrow(x) && x.Mark >= mark && x.Mark < upTo })
	return true, problems(all)
}

// pageSize is how many faces are sent at a time.
func (o Options) pageSize(m faces.Model) int { return max(1, o.PageBytes/(4*m.Size+16)) }

// canGrow reports whether an index can be offered more faces. One that was full a moment
// ago is left alone.
func (f *Feeder) canGrow(x *index) bool {
	return x.err == nil && (!x.Full || time.Since(f.refused[x.Address()]) >= f.opts.FullPause)
}

// put puts a range into some of the indexes.
func (f *Feeder) put(ctx context.Context, m faces.Model, all []*index, after, upTo, newest int64, list []faces.StoredDescriptor, wanted func(*index) bool) {
	var some []*index
	for _, x := range all {
		if wanted(x) {
			some = append(some, x)
		}
	}
	each(some, func(x *index) {
		x.FaceIndex, x.err = x.PutFaces(ctx, m.ID, after, upTo, newest, list)
	})
	for _, x := range some {
		switch {
		case faces.ErrorCode(x.err) == faces.CodeConflict:
			x.err = nil     // it has restarted; the next round asks for its mark
			x.Mark = newest // leave it alone until then
			x.Capacity = 0  // and do not compare with it, either
		case x.err == nil && x.Full:
			f.refused[x.Address()] = time.Now()
		case x.err == nil:
			f.metrics.sent.Add(float64(len(list)))
		}
	}
}

// compareTail compares the faces that were stored in the last minutes: transactions may
// have made some visible after the mark had passed them.
func (f *Feeder) compareTail(ctx context.Context, m faces.Model, all []*index, settled, newest int64) error {
	const maxPages = 8 // of a round; compareNext comes to the others
	for range maxPages {
		if settled >= newest {
			return nil
		}
		end, err := f.compare(ctx, m, all, settled, newest, newest)
		if err != nil {
			return err
		}
		settled = end
	}
	return nil
}

// compareNext compares the next page of all faces. The last page reaches beyond all
// faces, so that those that were deleted at the end go, too.
func (f *Feeder) compareNext(ctx context.Context, m faces.Model, all []*index, newest int64) error {
	end, err := f.compare(ctx, m, all, f.cursors[m.ID], math.MaxInt64, newest)
	if err != nil {
		return err
	}
	if end == math.MaxInt64 {
		end = 0
	}
	f.cursors[m.ID] = end
	return nil
}

// compare compares a page of the faces with ids in (after, upTo], and repairs the
// indexes that differ. It returns the end of the page.
func (f *Feeder) compare(ctx context.Context, m faces.Model, all []*index, after, upTo, newest int64) (end int64, err error) {
	want, end, err := f.store.SummarizeFaces(ctx, m, after, upTo, f.opts.Page)
	if err != nil {
		return after, err
	}
	var mu sync.Mutex // guards differs
	differs := map[*index]bool{}
	each(all, func(x *index) {
		// A range beyond the mark differs because it is still to come.
		if x.err != nil || x.Capacity == 0 || x.Mark < min(end, newest) {
			return
		}
		var got faces.FaceSummary
		x.FaceIndex, got, x.err = x.CheckFaces(ctx, m.ID, after, end, newest)
		if x.err == nil && got != want {
			mu.Lock()
			defer mu.Unlock()
			differs[x] = true
		}
	})
	if len(differs) == 0 {
		return end, nil
	}
	f.metrics.repaired.Add(float64(len(differs)))
	f.log.Debug("index of stored faces repaired", "recognizers", len(differs), "after", after, "up to", end)
	return end, f.repair(ctx, m, differs, after, end, newest)
}

// repair puts all faces with ids in (after, upTo] into some indexes.
func (f *Feeder) repair(ctx context.Context, m faces.Model, into map[*index]bool, after, upTo, newest int64) error {
	all := make([]*index, 0, len(into))
	for x := range into {
		all = append(all, x)
	}
	limit := f.opts.pageSize(m)
	for after < upTo {
		list, err := f.store.StoredDescriptors(ctx, m, after, upTo, limit)
		if err != nil {
			return err
		}
		end := upTo
		if len(list) == limit {
			end = list[limit-1].ID
		}
		f.put(ctx, m, all, after, end, newest, list, func(x *index) bool { return x.err == nil && x.Capacity > 0 })
		after = end
	}
	return nil
}

// each calls f for each index, all at the same time.
func each(all []*index, f func(*index)) {
	var group sync.WaitGroup
	for _, x := range all {
		if x.err == nil {
			group.Go(func() { f(x) })
		}
	}
	group.Wait()
}

// problems returns the errors of all indexes.
func problems(all []*index) error {
	var errs []error
	for _, x := range all {
		if x.err != nil && faces.ErrorCode(x.err) != faces.CodeConflict { // it has restarted
			errs = append(errs, fmt.Errorf("recognizer %s: %w", x.Address(), x.err))
		}
	}
	return errors.Join(errs...)
}
