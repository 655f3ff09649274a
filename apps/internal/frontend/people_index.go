package frontend

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight" // tabs that ask at the same time share one look

	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// peopleStale is how old the list of people may be for it to be shown at once, while
	// it is read anew. An older one is waited for.
	peopleStale = time.Minute
	// peopleShare is how many times longer than reading the list took it is shown, up to
	// peopleMost.
	peopleShare = 20
	peopleMost  = 10 * time.Second
	// peopleQuick is how long reading the list may take for it to be waited for after
	// others have changed somebody.
	peopleQuick = 50 * time.Millisecond
)

// need is what about a person needs attention. Smaller ones come first.
type need int

const (
	needsPictures need = iota
	needsMore
	needsReview
	needsConsent
	needsNothing
)

// listedPerson is a person in the list.
type listedPerson struct {
	store.PersonNeeds
	first need
	key   string // by which names are sorted and found, in any script
}

// has reports whether a person has a need.
func (p listedPerson) has(n need) bool {
	switch n {
	case needsPictures:
		return p.Pictures == 0
	case needsMore:
		return p.Pictures > 0 && p.Pictures < store.FewPictures
	case needsReview:
		return p.Unsure
	case needsConsent:
		return p.Consent
	default:
		return true
	}
}

// peopleIndex keeps the list of people for all tabs: what sorts it is in five tables. It
// is safe for concurrent use.
type peopleIndex struct {
	load func(ctx context.Context) ([]store.PersonNeeds, error)
	age  time.Duration // how long the list is fresh at least; negative means not at all

	flight singleflight.Group
	mu     sync.Mutex // guards the fields below
	list   []listedPerson
	read   time.Time
	took   time.Duration
	fresh  time.Time   // until when the list is fresh
	writes int         // changes of ours, which the list must show
	others int         // batches of changes of others
	await  bool        // the list is to be read anew before it is shown
	idle   *time.Timer // drops the list; nil before the first one
}

func newPeopleIndex(load func(ctx context.Context) ([]store.PersonNeeds, error), age time.Duration) *peopleIndex {
	return &peopleIndex{load: load, age: cmp.Or(age, countsFor)}
}

// get returns everybody, sorted. The caller must not change the list.
func (x *peopleIndex) get(ctx context.Context) ([]listedPerson, error) {
	if x.age < 0 {
		return x.look(ctx)
	}
	x.mu.Lock()
	list, now := x.list, time.Now()
	fresh, usable := now.Before(x.fresh), list != nil && !x.await && now.Sub(x.read) < peopleStale
	if x.idle != nil {
		x.idle.Reset(peopleStale)
	}
	x.mu.Unlock()
	if fresh {
		return list, nil
	}
	answer := x.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout) // for others, too
		defer cancel()
		return x.look(ctx)
	})
	if usable {
		return list, nil
	}
	select {
	case r := <-answer:
		list, _ := r.Val.([]listedPerson)
		return list, r.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// forget makes the next look read the list anew, because we have changed somebody.
func (x *peopleIndex) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list, x.fresh = nil, time.Time{}
	x.writes++
	x.flight.Forget("")
}

// outdate says that others have changed people. The list is read anew soon: on a large
// system, where they change all the time, not for each look.
func (x *peopleIndex) outdate() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.others++
	x.outdated()
}

// outdated makes a list that others have changed end early. The caller holds x.mu.
func (x *peopleIndex) outdated() {
	if x.took < peopleQuick {
		x.fresh, x.await = time.Time{}, true
		return
	}
	if soon := x.read.Add(min(peopleShare*x.took, peopleMost)); soon.Before(x.fresh) {
		x.fresh = soon
	}
}

// drop takes people out of the list who are not there any more, and returns it.
func (x *peopleIndex) drop(list []listedPerson, gone map[int64]bool) []listedPerson {
	left := slices.DeleteFunc(slices.Clone(list), func(p listedPerson) bool { return gone[p.ID] })
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.list) > 0 && len(list) > 0 && &x.list[0] == &list[0] { // not read anew meanwhile
		x.list = left
	}
	return left
}

// release lets go of a list that nobody looks at: names must not stay in memory for good.
func (x *peopleIndex) release() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list, x.fresh = nil, time.Time{}
}

func (x *peopleIndex) look(ctx context.Context) ([]listedPerson, error) {
	x.mu.Lock()
	writes, others := x.writes, x.others
	x.mu.Unlock()
	begin := time.Now()
	all, err := x.load(ctx)
	if err != nil {
		return nil, err
	}
	list := sortPeople(all)
	took := time.Since(begin)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.age < 0 || x.writes != writes {
		return list, nil
	}
	x.list, x.read, x.took, x.await = list, begin, took, false
	x.fresh = time.Now().Add(max(x.age, min(peopleShare*took, peopleMost)))
	if x.others != others {
		x.outdated()
	}
	if x.idle == nil {
		x.idle = time.AfterFunc(peopleStale, x.release)
	}
	return list, nil
}

func sortPeople(all []store.PersonNeeds) []listedPerson {
	list := make([]listedPerson, len(all))
	for i, p := range all {
		list[i] = listedPerson{PersonNeeds: p, key: strings.ToLower(p.Name)}
		for !list[i].has(list[i].first) {
			list[i].first++
		}
	}
	slices.SortFunc(list, func(a, b listedPerson) int {
		return cmp.Or(cmp.Compare(a.first, b.first), strings.Compare(a.key, b.key), cmp.Compare(a.ID, b.ID))
	})
	return list
}
