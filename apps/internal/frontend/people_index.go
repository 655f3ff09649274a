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
	// peopleShare is how many times longer than reading the list took it is shown.
	peopleShare = 20
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
	fresh  time.Time // until when the list is fresh
	writes int       // changes of ours, which the list must show
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
	fresh, usable := now.Before(x.fresh), list != nil && now.Sub(x.read) < peopleStale
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

func (x *peopleIndex) look(ctx context.Context) ([]listedPerson, error) {
	x.mu.Lock()
	writes := x.writes
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
	if x.writes == writes {
		x.list, x.read, x.fresh = list, begin, time.Now().Add(max(x.age, peopleShare*took))
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
