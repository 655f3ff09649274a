package recognizer

// This file owns the proof that engines work: they must find the face in a
// built-in picture.
//
// It costs as much as any picture, so it is not done at every probe: a cluster
// probes every few seconds, and at a busy recognizer each would wait for an
// engine. It is done once on every engine before the recognizer is ready, which
// finds models that are damaged or do not fit and a build that this processor
// cannot run; and once again after all engines seemed to hang, by whichever
// comes free first. In between, the engines prove themselves by their work.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
)

var (
	errNotProven = errors.New("the engines have not found the face in the built-in picture yet")
	errStuck     = errors.New("every engine hangs over its picture")
)

const (
	// defaultStuck is far longer than the largest picture takes.
	defaultStuck = time.Minute
	// provePause is the time between a proof that has failed and the next one.
	provePause = 5 * time.Second
)

// proof is what is known of the engines.
type proof struct {
	again chan struct{} // has something in it when engines are to be proven again

	mu  sync.Mutex // guards why
	why error      // nil where they work
}

func (p *proof) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

func (p *proof) set(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.why = why
}

// doubt asks for a new proof and says why it is needed.
func (p *proof) doubt(why error) {
	p.set(why)
	select {
	case p.again <- struct{}{}:
	default: // somebody has asked already
	}
}

// keepProven proves engines anew whenever that is asked for.
func (r *Recognizer) keepProven(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.proof.again:
			r.prove(ctx, 1)
		}
	}
}

// prove repeats the proof of n engines until it succeeds or ctx ends.
func (r *Recognizer) prove(ctx context.Context, n int) {
	for {
		err := r.tryProof(ctx, n)
		if ctx.Err() != nil {
			return
		}
		r.proof.set(err)
		if err == nil {
			return
		}
		r.log.Error("the engines do not work", "why", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(provePause):
		}
	}
}

// tryProof holds n engines at once, so that they are different ones, and lets
// each look at the built-in picture.
func (r *Recognizer) tryProof(ctx context.Context, n int) error {
	var engines []engine.Engine
	defer func() {
		for _, e := range engines {
			r.pool.release(e)
		}
	}()
	for range n {
		e, err := r.pool.acquire(ctx)
		if err != nil {
			return err
		}
		engines = append(engines, e)
	}
	var group errgroup.Group
	for i, e := range engines {
		group.Go(func() error {
			if err := r.proveOne(e); err != nil {
				return fmt.Errorf("engine %d of %d with model set %s: %w", i+1, n, r.model.ID, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (r *Recognizer) proveOne(e engine.Engine) error {
	seen, err := r.look(context.Background(), e, engine.Portrait(), engine.Ask)
	switch {
	case err != nil:
		return fmt.Errorf("look at the built-in picture: %w", err)
	case len(seen.Faces) != 1:
		return fmt.Errorf("found %d faces in the built-in picture of one; are its model files what they should be?", len(seen.Faces))
	}
	again, err := e.Reexamine(context.Background(), []int{0})
	switch {
	case err != nil:
		return fmt.Errorf("describe the built-in picture by the reference: %w", err)
	case len(again) != 1 || again[0] == nil:
		return errors.New("the reference does not see the face in the built-in picture; are its model files what they should be?")
	}
	if d := seen.Faces[0].Descriptor.Distance(again[0]); !(d <= maxProofDistance) {
		return fmt.Errorf("the networks and the reference describe the built-in picture %.3f apart, more than %v: "+
			"a model file or ONNX Runtime is not what it should be", d, maxProofDistance)
	}
	return nil
}

// maxProofDistance is how far the two ways of describing the built-in picture
// may be apart. They are 0.04 apart on photographs in the median.
const maxProofDistance = 0.1
