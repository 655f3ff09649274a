// Package lifecycle runs a program made of parts. It starts them in order,
// waits for a signal or a failure, and stops them in reverse order within one
// deadline.
//
// A part is serving when its Start returns. Its Stop drains it: work in
// progress is finished or handed back before Stop returns.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Part is one component of a running program.
type Part struct {
	Name string
	// Start returns once the part serves. It reports later errors to fail,
	// which stops the whole program. A nil Start means the part only needs
	// closing.
	Start func(ctx context.Context, fail func(error)) error
	// Stop drains and closes the part within ctx. It may be nil.
	Stop func(ctx context.Context) error
}

// Program is a list of parts with one drain flag.
type Program struct {
	log      *slog.Logger
	timeout  time.Duration
	parts    []Part
	draining atomic.Bool
}

// New returns a Program. timeout bounds the stop of all parts together.
func New(log *slog.Logger, timeout time.Duration) *Program {
	return &Program{log: log, timeout: timeout}
}

// Add appends a part. Parts start in the order added and stop in reverse.
func (p *Program) Add(part Part) { p.parts = append(p.parts, part) }

// ErrDraining is returned by Ready once the program is stopping.
var ErrDraining = errors.New("shutting down")

// Ready returns ErrDraining once the program is stopping, and nil before.
func (p *Program) Ready(context.Context) error {
	if p.draining.Load() {
		return ErrDraining
	}
	return nil
}

// Run starts every part, waits until ctx is cancelled or a part fails, and then
// stops the parts that were started. It returns the first failure joined with
// the errors of stopping, or nil after a clean stop.
func (p *Program) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default: // keep only the first failure
		}
	}
	started, err := p.start(ctx, fail)
	if err == nil {
		select {
		case <-ctx.Done():
			p.log.Info("stopping", "reason", "signal", "timeout", p.timeout)
		case err = <-failed:
			p.log.Error("stopping", "error", err)
		}
	}
	p.draining.Store(true)
	return errors.Join(err, p.stop(p.parts[:started]))
}

// start starts the parts and returns how many were started.
func (p *Program) start(ctx context.Context, fail func(error)) (started int, err error) {
	for i, part := range p.parts {
		if part.Start == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return i, nil // stopped while starting: a clean stop
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

// stop stops the parts in reverse order.
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
		p.log.Debug("stopped", "part", parts[i].Name, "took", time.Since(begin), "error", err)
		if err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", parts[i].Name, err))
		}
	}
	return errors.Join(errs...)
}
