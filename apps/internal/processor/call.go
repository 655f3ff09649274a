package processor

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/stages"
)

// answer is a task with the result of its call.
type answer struct {
	task
	recognition faces.Recognition
	err         error
	took        time.Duration
	ended       time.Time // of the call; zero if there was none
}

// push passes an answer to the writer. It cannot fail in practice: the list is
// closed only after all callers of push have ended.
func (p *Processor) push(a answer) {
	if err := p.answered.Push(context.WithoutCancel(p.workCtx), a); err != nil {
		p.log.Error("an answer arrived after the stop; its lease will expire", "id", a.ImageID, "error", err)
	}
}

// call is the loop of one caller. It asks a recognizer about one image at a time.
func (p *Processor) call() {
	for {
		t, in, ok := p.claimed.next()
		if !ok {
			return
		}
		begin := time.Now()
		a := p.ask(t)
		p.claimed.done(in, time.Since(begin))
		p.push(a)
	}
}

// ask asks a recognizer about one image.
func (p *Processor) ask(t task) answer {
	a := answer{task: t}
	ctx, end := t.startCall()
	a.err = p.breaker.Do(ctx, func(ctx context.Context) error { return p.recognize(ctx, &a) })
	end(a.err)
	if a.err == nil && !t.accepts(a.recognition.Model.ID) {
		a.recognition, a.err = faces.Recognition{}, errOtherModel
	}
	if a.err != nil && isServiceFault(a.err) && t.ctx.Err() != nil { // we ended the call
		a.err = errStopping
		if errors.Is(context.Cause(t.ctx), errLeaseLost) {
			a.err = errLeaseLost
		}
	}
	return a
}

func (p *Processor) recognize(ctx context.Context, a *answer) (err error) {
	begin := time.Now()
	defer func() {
		a.ended = time.Now()
		a.took = a.ended.Sub(begin)
		p.metrics.stages.Observe(stages.Call, a.took)
	}()
	return p.guard("recognize", func() error {
		a.recognition, err = p.recognizer.Recognize(ctx, a.Path, a.knownFile())
		return err
	})
}

func (p *Processor) ping(ctx context.Context) error {
	return p.guard("ping", func() error { return p.recognizer.Ping(ctx) })
}

// guard turns a panic of f into an error, so that it does not end the program. The
// work is tried again.
func (p *Processor) guard(where string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.metrics.panics.WithLabelValues(where).Inc()
			p.log.Error("panic", "where", where, "panic", v, "stack", string(debug.Stack()))
			err = faces.Fault(faces.Internal, "internal error").WithCause(fmt.Errorf("panic: %v", v))
		}
	}()
	return f()
}
