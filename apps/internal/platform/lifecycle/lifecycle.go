// Package lifecycle starts the parts of a program, waits for a reason to stop
// and stops them in reverse order, each within what is left of one deadline.
//
// A part is ready to serve when its Start returns. Stopping a part drains it:
// what is in flight is finished or handed back before Stop returns.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Part is one piece of a running program.
type Part struct {
	Name string
	// Start returns once the part serves. Errors that come later go to fail,
	// which stops the whole program. A nil Start is a part to be closed only.
	Start func(ctx context.Context, fail func(error)) error
	// Stop drains and closes the part; ctx bounds it. A nil Stop does nothing.
	Stop func(ctx context.Context) error
}

// Program is a set of parts with one readiness flag.
type Program struct {
	log      *slog.Logger
	timeout  time.Duration
	parts    []Part
	draining atomic.Bool
}

// New returns a Program whose parts together may take timeout to stop.
func New(log *slog.Logger, timeout time.Duration) *Program {
	return &Program{log: log, timeout: timeout}
}

// Add appends a part. Parts start in the order added and stop in reverse.
func (p *Program) Add(part Part) { p.parts = append(p.parts, part) }

// ErrDraining is what Ready says after the program was asked to stop.
var ErrDraining = errors.New("shutting down")

// Ready returns ErrDraining once the program was asked to stop, nil before.
func (p *Program) Ready(context.Context) error {
	if p.draining.Load() {
		return ErrDraining
	}
	return nil
}

// Run starts every part, waits until ctx ends or a part fails, and stops what
// was started. It returns the first failure, nil for a clean stop.
func (p *Program) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default: // the first failure is the one to tell
		}
	}
	started, err := p.start(ctx, fail)
	if err == nil {
		select {
		case <-ctx.Done():
			p.log.Info("stopping", "why", "asked to", "at most", p.timeout)
		case err = <-failed:
			p.log.Error("stopping", "why", err)
		}
	}
	p.draining.Store(true)
	return errors.Join(err, p.stop(p.parts[:started]))
}

func (p *Program) start(ctx context.Context, fail func(error)) (started int, err error) {
	for i, part := range p.parts {
		if part.Start == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return i, nil // asked to stop while starting: a clean stop
		}
		name := part.Name
		err := part.Start(ctx, func(err error) {
			if err != nil {
				fail(fmt.Errorf("%s: %w", name, err))
			}
		})
		switch {
		case err != nil && ctx.Err() != nil:
			return i, nil
		case err != nil:
			return i, fmt.Errorf("start %s: %w", name, err)
		}
	}
	return len(p.parts), nil
}

func (p *Program) stop(parts []Part) error {
	ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
	defer cancel()
	var errs []error
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i].Stop == nil {
			continue
		}
		begin := time.Now()
		err := parts[i].Stop(ctx)
		p.log.Debug("stopped", "part", parts[i].Name, "took", time.Since(begin), "err", err)
		if err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", parts[i].Name, err))
		}
	}
	return errors.Join(errs...)
}
