package signin

import (
	"container/list"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Limits is how often somebody may fail to sign in. Each dashboard counts by itself.
type Limits struct {
	PerUser       int           // attempts at once for a user's name; 0 means 10
	PerAddress    int           // attempts at once from an address; 0 means 30
	UserRefill    time.Duration // until one more for a name; 0 means 30 s
	AddressRefill time.Duration // until one more from an address; 0 means 10 s
	remembered    int           // names and addresses that are remembered, each
}

func (l Limits) withDefaults() Limits {
	if l.PerUser == 0 {
		l.PerUser = 10
	}
	if l.PerAddress == 0 {
		l.PerAddress = 30
	}
	if l.UserRefill == 0 {
		l.UserRefill = 30 * time.Second
	}
	if l.AddressRefill == 0 {
		l.AddressRefill = 10 * time.Second
	}
	if l.remembered == 0 {
		l.remembered = 20_000
	}
	return l
}

// WaitError is the error of an attempt that comes too soon.
type WaitError struct{ Retry time.Duration }

// Error implements error.
func (e *WaitError) Error() string {
	return fmt.Sprintf("there were too many attempts; wait %s and try again", e.Retry.Round(time.Second))
}

// attempts counts the attempts to sign in by name and by address. Success does not
// count. It is safe for concurrent use.
type attempts struct {
	now       func() time.Time
	mu        sync.Mutex // guards the fields below
	names     buckets
	addresses buckets
}

func newAttempts(l Limits, now func() time.Time) *attempts {
	l = l.withDefaults()
	return &attempts{
		now:       now,
		names:     newBuckets(l.PerUser, l.UserRefill, l.remembered),
		addresses: newBuckets(l.PerAddress, l.AddressRefill, l.remembered),
	}
}

// take takes one attempt, or returns a *WaitError. The caller gives it back if the
// attempt did not fail. A name that is "" is not counted.
func (a *attempts) take(name, from string) (giveBack func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := []*bucket{a.addresses.of(network(from), a.now())}
	if name != "" {
		all = append(all, a.names.of(name, a.now()))
	}
	for _, b := range all {
		if b.left < 1 {
			missing := time.Duration((1 - b.left) * float64(b.refill))
			return nil, &WaitError{Retry: max(missing, time.Second)}
		}
	}
	for _, b := range all {
		b.left--
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, b := range all {
			b.left = min(b.left+1, b.burst)
		}
	}, nil
}

// network is what counts as one address: an IPv6 host has 2⁶⁴ of them.
func network(from string) string {
	ip, err := netip.ParseAddr(from)
	if err != nil {
		return from
	}
	if ip = ip.Unmap(); ip.Is6() {
		if p, err := ip.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

// buckets has a bucket for each of the keys that were used last.
type buckets struct {
	burst  int
	refill time.Duration
	most   int
	byKey  map[[sha256.Size]byte]*list.Element
	recent *list.List // of *bucket, the latest first
}

// bucket is the attempts that somebody has left.
type bucket struct {
	key    [sha256.Size]byte
	left   float64
	burst  float64
	refill time.Duration // until one more
	asOf   time.Time
}

func newBuckets(burst int, refill time.Duration, most int) buckets {
	return buckets{burst: burst, refill: refill, most: most, byKey: map[[sha256.Size]byte]*list.Element{}, recent: list.New()}
}

// of returns the bucket of a key as it is now. Keys are hashed: what somebody types
// into the field of the user name may be long, or a password.
func (b *buckets) of(key string, now time.Time) *bucket {
	sum := sha256.Sum256([]byte(key))
	e, ok := b.byKey[sum]
	if !ok {
		if b.recent.Len() >= b.most {
			oldest, _ := b.recent.Remove(b.recent.Back()).(*bucket)
			delete(b.byKey, oldest.key)
		}
		e = b.recent.PushFront(&bucket{key: sum, left: float64(b.burst), burst: float64(b.burst), refill: b.refill, asOf: now})
		b.byKey[sum] = e
	}
	b.recent.MoveToFront(e)
	has, _ := e.Value.(*bucket)
	if passed := now.Sub(has.asOf); passed > 0 {
		has.left = min(has.burst, has.left+float64(passed)/float64(has.refill))
		has.asOf = now
	}
	return has
}
