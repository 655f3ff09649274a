package rematch

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// watch is the state that the loop keeps between snapshots.
type watch struct {
	last     snapshot
	since    time.Time // when the last snapshot was first taken
	count    int       // how often it was taken in a row
	people   *history.KnownPeople
	peopleAt snapshot // the snapshot of people

	owners     map[string]faces.Person
	ownersHash uint64
	ownersRead time.Time
	ownersTook time.Duration
}

// snapshot identifies one version of the known people. It is cheap to take.
type snapshot struct {
	model   faces.Model
	gallery string
	owners  uint64
}

// samples is the number of randomly chosen recognizers that must agree in each
// snapshot.
const samples = 3

// ownersAtMost is the largest age of the owners: a consent ends by the clock, and what
// it named is taken back within a minute.
const ownersAtMost = 20 * time.Second

// stablePeople returns the known people, or nil while they are changing. They are
// stable if all snapshots within Options.Delay, and at least two, are equal. With
// fresh, it reads the owners even if it has just read them: somebody may have
// changed them before requesting a re-match.
func (r *Rematcher) stablePeople(ctx context.Context, fresh bool) (*history.KnownPeople, error) {
	s, agree, err := r.takeSnapshot(ctx, fresh)
	if err != nil {
		return nil, err
	}
	w := &r.watch
	if !agree || s != w.last {
		w.last, w.since, w.count = s, time.Now(), 0
	}
	if agree {
		w.count++
	}
	if w.count < 2 || time.Since(w.since) < r.opts.Delay {
		return nil, nil
	}
	if w.people == nil || w.peopleAt != s {
		if w.people, err = r.load(ctx, s); err != nil || w.people == nil {
			return nil, err
		}
		w.peopleAt = s
	}
	return w.people, nil
}

// takeSnapshot asks a few recognizers. agree is false if their answers differ.
func (r *Rematcher) takeSnapshot(ctx context.Context, fresh bool) (s snapshot, agree bool, err error) {
	for i := range samples {
		m, gallery, err := r.recognizer.GalleryInUse(ctx)
		if err != nil {
			return s, false, fmt.Errorf("get the gallery in use: %w", err)
		}
		m = r.withOverrides(m)
		if i > 0 && (m != s.model || gallery != s.gallery) {
			return s, false, nil
		}
		s.model, s.gallery = m, gallery
	}
	// Reading all owners can be slow. It may take at most 1 % of the time.
	const share = 100
	w := &r.watch
	since := time.Since(w.ownersRead)
	if fresh || w.owners == nil || since >= ownersAtMost || share*w.ownersTook <= max(r.opts.Poll, since) {
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

// withOverrides returns the model with the deployment's threshold and margin.
func (r *Rematcher) withOverrides(m faces.Model) faces.Model {
	return m.WithRule(r.opts.Threshold, r.opts.Margin)
}

// hashOwners adds up the hashes of the entries, because a map has no order.
func hashOwners(owners map[string]faces.Person) uint64 {
	var sum uint64
	for image, p := range owners {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d\x00%s\x00%s", p.ID, p.Name, image)
		sum += h.Sum64()
	}
	return sum
}

// load reads the known people of a snapshot. It returns nil if they have changed
// since the snapshot.
func (r *Rematcher) load(ctx context.Context, s snapshot) (*history.KnownPeople, error) {
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
	withheld, err := r.store.Withheld(ctx)
	if err != nil {
		return nil, err
	}
	return history.NewKnownPeople(set, s.model, r.watch.owners).Withholding(withheld), nil
}
