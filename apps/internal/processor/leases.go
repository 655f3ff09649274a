package processor

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// hold registers the leases of a whole batch for renewal, because its last image
// may wait long for a caller.
func (p *Processor) hold(claimed []store.Claimed, messages map[int64]Message, claiming time.Time) []task {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]task, len(claimed))
	for i, c := range claimed {
		ctx, cancel := context.WithCancelCause(p.traced(c, claiming))
		p.held[c.Lease] = cancel
		list[i] = task{Claimed: c, message: messages[c.ImageID], ctx: ctx}
	}
	return list
}

func (p *Processor) forget(l store.Lease) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cancel, ok := p.held[l]; ok {
		cancel(nil)
		delete(p.held, l)
	}
}

// keepLeases renews the leases before they expire. If a lease is lost, it ends the
// image's call, because the answer could not be written.
func (p *Processor) keepLeases() {
	background.Every(p.writeCtx, p.opts.Lease/3, p.renew)
}

func (p *Processor) renew(ctx context.Context) {
	p.mu.Lock()
	leases := slices.Collect(maps.Keys(p.held))
	p.mu.Unlock()
	if len(leases) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.opts.Lease/3)
	defer cancel()
	var held []store.Lease
	err := p.guard("renew", func() (err error) {
		held, err = p.store.Renew(ctx, leases, p.opts.Lease)
		return err
	})
	if err != nil {
		p.log.Warn("cannot renew leases", "images", len(leases), "error", err)
		return
	}
	still := make(map[store.Lease]bool, len(held))
	for _, l := range held {
		still[l] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range leases {
		if cancel, ok := p.held[l]; ok && !still[l] {
			cancel(errLeaseLost)
		}
	}
}
