package chaos

// This file owns what goes wrong: a deck of cards with every fault of every
// target, dealt in an order that the seed decides. What images are busy with
// is there more than once; what keeps the processors from finding the queue,
// which takes nsqd up to 15 seconds to mend, once.

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// The kinds of faults.
const (
	kindKill   = "kill"   // SIGKILL, and a new start after a while
	kindPause  = "pause"  // SIGSTOP, and SIGCONT after a while
	kindStop   = "stop"   // SIGTERM, and a new start after a while
	kindCut    = "cut"    // all connections at once
	kindRefuse = "refuse" // all connections, and new ones for a while
	kindHold   = "hold"   // nothing passes for a while; connections stay
)

// fault is something that can go wrong. When it returns, it is over.
type fault struct {
	kind, target string
	do           func(ctx context.Context, lasts time.Duration) error
	longest      time.Duration
	cards        int // in the deck
}

// card is a fault with its length and the pause after it.
type card struct {
	fault
	lasts, gap time.Duration
}

func (c card) inject(ctx context.Context) error { return c.do(ctx, c.lasts) }

const longestGap = 1500 * time.Millisecond

// deck deals every card once before it deals one again.
type deck struct {
	cards []fault

	mu   sync.Mutex // guards the fields below
	rnd  *rand.Rand
	left []fault
}

func newDeck(rnd *rand.Rand, faults []fault) *deck {
	d := &deck{rnd: rnd}
	for _, f := range faults {
		d.cards = append(d.cards, slices.Repeat([]fault{f}, f.cards)...)
	}
	return d
}

func (d *deck) draw() card {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.left) == 0 {
		d.left = append(d.left, d.cards...)
		d.rnd.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	f := d.left[0]
	d.left = d.left[1:]
	share := d.rnd.Float64()
	return card{
		fault: f,
		lasts: time.Duration(share * share * float64(f.longest)), // short ones more often
		gap:   time.Duration(d.rnd.Int64N(int64(longestGap))),
	}
}
