package rematch

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// watch remembers what was seen last.
type watch struct {
	seen  sight
	since time.Time            // when it was seen first
	looks int                  // how often it was seen in a row
	known *history.KnownPeople // of the sight
	of    sight

	owners     map[string]faces.Person
	ownersHash uint64
	ownersRead time.Time
	ownersTook time.Duration
}

// sight tells states of the known people apart, cheaply.
type sight struct {
	model   faces.Model
	gallery string
	owners  uint64
}

// samples are how many recognizers, chosen by chance, must agree at each look.
const samples = 3

// look returns the known people, or nil while they change: every recognizer
// asked must have agreed for the delay, and twice at least. fresh is for
// somebody who has just changed something and asks for its consequences.
func (r *Rematcher) look(ctx context.Context, fresh bool) (*history.KnownPeople, error) {
	s, agree, err := r.see(ctx, fresh)
	if err != nil {
		return nil, err
	}
	w := &r.watch
	if !agree || s != w.seen {
		w.seen, w.since, w.looks = s, time.Now(), 0
	}
	if agree {
		w.looks++
	}
	if w.looks < 2 || time.Since(w.since) < r.opts.Delay {
		return nil, nil
	}
	if w.known == nil || w.of != s {
		if w.known, err = r.load(ctx, s); err != nil || w.known == nil {
			return nil, err
		}
		w.of = s
	}
	return w.known, nil
}

func (r *Rematcher) see(ctx context.Context, fresh bool) (s sight, agree bool, err error) {
	for i := range samples {
		m, gallery, err := r.recognizer.GalleryInUse(ctx)
		if err != nil {
			return s, false, fmt.Errorf("ask for the known pictures: %w", err)
		}
		m = r.withOverrides(m)
		if i > 0 && (m != s.model || gallery != s.gallery) {
			return s, false, nil
		}
		s.model, s.gallery = m, gallery
	}
	// Reading all owners may take one part in a hundred of the time.
	const share = 100
	if w := &r.watch; fresh || w.owners == nil || share*w.ownersTook <= max(r.opts.Poll, time.Since(w.ownersRead)) {
		begin := time.Now()
		owners, err := r.store.AllOwners(ctx)
		if err != nil {
			return s, false, err
		}
		w.owners, w.ownersHash, w.ownersRead, w.ownersTook = owners, hashOwners(owners), begin, time.Since(begin)
	}
	s.owners = r.watch.ownersHash
	return s, true, nil
}

// withOverrides applies the deployment's own threshold and margin.
func (r *Rematcher) withOverrides(m faces.Model) faces.Model {
	return m.WithRule(r.opts.Threshold, r.opts.Margin)
}

// hashOwners does not depend on the order of a map.
func hashOwners(owners map[string]faces.Person) uint64 {
	var sum uint64
	for image, p := range owners {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d\x00%s\x00%s", p.ID, p.Name, image)
		sum += h.Sum64()
	}
	return sum
}

// load reads the known people of a sight; nil where they have changed since.
func (r *Rematcher) load(ctx context.Context, s sight) (*history.KnownPeople, error) {
	set, err := r.recognizer.KnownPictures(ctx)
	if faces.ErrorCode(err) == faces.CodeConflict {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the known pictures: %w", err)
	}
	if set.Gallery != s.gallery || r.withOverrides(set.Model) != s.model {
		return nil, nil
	}
	return history.NewKnownPeople(set, s.model, r.watch.owners), nil
}
