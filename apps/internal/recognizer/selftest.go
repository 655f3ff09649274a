package recognizer

// The self-test proves that the engines work: they must find the face in a
// built-in picture.
//
// It costs as much as any picture, so it is not part of the readiness probe.
// A cluster probes every few seconds, and on a busy recognizer each probe
// would wait for an engine. Every engine is tested once before the recognizer
// is ready. That detects damaged or mismatched models, and a build that this
// processor cannot run. After all engines seemed to hang, the first one that
// becomes free is tested again. Otherwise the engines prove by their work
// that they are fine.

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
	errNotTested = errors.New("the engines have not found the face in the built-in picture yet")
	errStuck     = errors.New("all engines hang")
)

const (
	// defaultStuck is far longer than the largest picture takes.
	defaultStuck = time.Minute
	// retryPause is the time between a failed test and the next one.
	retryPause = 5 * time.Second
)

// selfTest is the result of the last test.
type selfTest struct {
	again chan struct{} // has an element if a new test is requested

	mu  sync.Mutex // guards why
	why error      // nil if the engines work
}

func (p *selfTest) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

func (p *selfTest) set(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.why = why
}

// request requests a new test. why is the result until then.
func (p *selfTest) request(why error) {
	p.set(why)
	select {
	case p.again <- struct{}{}:
	default: // already requested
	}
}

// runSelfTests runs a new test whenever one is requested.
func (r *Recognizer) runSelfTests(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.selfTest.again:
			r.testEngines(ctx, 1)
		}
	}
}

// testEngines tests n engines until they pass or ctx ends.
func (r *Recognizer) testEngines(ctx context.Context, n int) {
	for {
		err := r.tryEngines(ctx, n)
		if ctx.Err() != nil {
			return
		}
		r.selfTest.set(err)
		if err == nil {
			return
		}
		r.log.Error("the engines failed the self-test; trying again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryPause):
		}
	}
}

// tryEngines acquires n engines at once, so that they are different ones, and
// has each analyse the built-in picture.
func (r *Recognizer) tryEngines(ctx context.Context, n int) error {
	var engines []engine.Engine
	defer func() {
		for _, e := range engines {
			r.pool.release(e)
		}
	}()
	for range n {
		e, err := r.pool.acquire(ctx, patient)
		if err != nil {
			return err
		}
		engines = append(engines, e)
	}
	var group errgroup.Group
	for i, e := range engines {
		group.Go(func() error {
			if err := r.testEngine(e); err != nil {
				return fmt.Errorf("engine %d of %d with model set %s: %w", i+1, n, r.model.ID, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (r *Recognizer) testEngine(e engine.Engine) error {
	seen, err := r.look(context.Background(), e, engine.Portrait(), engine.Ask)
	switch {
	case err != nil:
		return fmt.Errorf("recognize the built-in picture: %w", err)
	case len(seen.Faces) != 1:
		return fmt.Errorf("found %d faces in the built-in picture, which shows one; check the model files", len(seen.Faces))
	}
	again, err := e.Reexamine(context.Background(), []int{0})
	switch {
	case err != nil:
		return fmt.Errorf("describe the built-in picture with the reference: %w", err)
	case len(again) != 1 || again[0] == nil:
		return errors.New("the reference does not find the face in the built-in picture; check the model files")
	}
	if d := seen.Faces[0].Descriptor.Distance(again[0]); !(d <= maxSelfTestDistance) {
		return fmt.Errorf("the descriptions of the built-in picture by the networks and by the reference differ by %.3f, more than %v; "+
			"check the model files and the version of ONNX Runtime", d, maxSelfTestDistance)
	}
	return nil
}

// maxSelfTestDistance is the largest distance between the two descriptions of
// the built-in picture. On photographs the median is 0.04.
const maxSelfTestDistance = 0.1
