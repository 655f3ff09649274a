package rematch

import (
	"context"
	"math"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// page is a batch of the faces that a job matches.
type page struct {
	faces     []history.StoredFace
	onlyAdded bool
	late      bool // newer than the face mark: may be answered with other known people
}

// pages yields the faces of a plan whose ids are larger than after, ordered by
// id.
func (r *Rematcher) pages(ctx context.Context, p *history.Plan, after int64, yield func(page) error) error {
	if p.Scope == history.ScopeTouched {
		ids, err := r.store.TouchedFaces(ctx, p.Basis.Model, p.Removed)
		if err != nil {
			return err
		}
		for len(ids) > 0 {
			batch := ids[:min(r.opts.Page, len(ids))]
			ids = ids[len(batch):]
			if batch[len(batch)-1] <= after || batch[0] > p.Mark {
				continue
			}
			list, err := r.store.FacesByID(ctx, batch)
			if err != nil {
				return err
			}
			if err := yield(page{faces: list}); err != nil {
				return err
			}
		}
	} else if err := r.pagesUpTo(ctx, p, after, p.Mark, page{onlyAdded: p.Scope == history.ScopeAdded}, yield); err != nil {
		return err
	}
	if p.Mark == math.MaxInt64 {
		return nil
	}
	return r.pagesUpTo(ctx, p, max(after, p.Mark), math.MaxInt64, page{late: true}, yield)
}

const (
	// readers is the number of pages that are read at the same time: the database
	// prepares one while another is transferred.
	readers = 2
	// maxSpans limits the number of queries if most ids do not exist.
	maxSpans = 2000
)

// pagesUpTo yields the faces with ids in (after, upTo], in order. Each page has
// the fields of like.
func (r *Rematcher) pagesUpTo(ctx context.Context, p *history.Plan, after, upTo int64, like page, yield func(page) error) error {
	newest, err := r.newestFace(ctx)
	if err != nil {
		return err
	}
	end := max(after, min(newest, upTo))
	if err := r.readTogether(ctx, p, after, end, like, yield); err != nil {
		return err
	}
	return r.read(ctx, p, end, upTo, like, yield) // faces that were added meanwhile
}

// span carries the pages of one range of ids from their reader.
type span chan struct {
	page
	err error
}

// readTogether divides the ids into ranges, reads several ranges at the same
// time, and yields their pages in order.
func (r *Rematcher) readTogether(ctx context.Context, p *history.Plan, after, end int64, like page, yield func(page) error) error {
	group, ctx := errgroup.WithContext(ctx)
	spans := make(chan span, readers-1)
	size := max(int64(r.opts.Page), (end-after)/maxSpans+1)
	group.Go(func() error {
		defer close(spans)
		for from := after; from < end; from += size {
			s := make(span, 1)
			select {
			case spans <- s:
			case <-ctx.Done():
				return ctx.Err()
			}
			group.Go(func() error { return r.readSpan(ctx, p, from, min(from+size, end), like, s) })
		}
		return nil
	})
	group.Go(func() error {
		for s := range spans {
			for part := range s {
				if part.err != nil {
					return part.err
				}
				if err := yield(part.page); err != nil {
					return err
				}
			}
			if ctx.Err() != nil { // the span may have ended early; do not yield later ones
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

func (r *Rematcher) readSpan(ctx context.Context, p *history.Plan, from, to int64, like page, into span) error {
	defer close(into)
	send := func(pg page, err error) error {
		select {
		case into <- struct {
			page
			err error
		}{pg, err}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := r.read(ctx, p, from, to, like, func(pg page) error { return send(pg, nil) }); err != nil {
		return send(page{}, err)
	}
	return nil
}

// read yields the faces with ids in (after, upTo], page by page.
func (r *Rematcher) read(ctx context.Context, p *history.Plan, after, upTo int64, like page, yield func(page) error) error {
	for after < upTo {
		list, err := r.store.FacesPage(ctx, p.Basis.Model, after, upTo, r.opts.Page)
		if err != nil || len(list) == 0 {
			return err
		}
		after = list[len(list)-1].ID
		like.faces = list
		if err := yield(like); err != nil {
			return err
		}
		if len(list) < r.opts.Page {
			return nil
		}
	}
	return nil
}
