package chaos

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// The kinds of faults.
const (
	kindKill    = "kill"    // SIGKILL, and a restart after a while
	kindPause   = "pause"   // SIGSTOP, and SIGCONT after a while
	kindStop    = "stop"    // SIGTERM, and a restart after a while
	kindCut     = "cut"     // close all connections once
	kindRefuse  = "refuse"  // close all connections, and new ones for a while
	kindHold    = "hold"    // pass no bytes for a while; connections stay open
	kindIsolate = "isolate" // cut a database node off from the others for a while
)

const (
	// longestPause is longer than a lease, so that a paused process wakes up to find its
	// images taken over.
	longestPause = 2 * lease
	longestDown  = 2 * time.Second
	longestLink  = 4 * time.Second

	often, seldom = 3, 1 // cards in the deck
)

// fault is one way to disturb a target. do returns when the fault is over.
type fault struct {
	kind, target string
	do           func(ctx context.Context, lasts time.Duration) error
	longest      time.Duration
	cards        int // how often it is in the deck
}

// card is a fault with its duration and the pause after it.
type card struct {
	fault
	lasts, gap time.Duration
}

func (c card) inject(ctx context.Context) error { return c.do(ctx, c.lasts) }

const longestGap = 1500 * time.Millisecond

// deck deals all faults in random order, each once (or fault.cards times)
// before it starts again. Faults that hit images in progress are in it more
// often. Faults that keep the processors from finding the queue are in it once,
// since nsqd needs up to 15 seconds to recover from them.
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
		lasts: time.Duration(share * share * float64(f.longest)), // short ones are more frequent
		gap:   time.Duration(d.rnd.Int64N(int64(longestGap))),
	}
}
