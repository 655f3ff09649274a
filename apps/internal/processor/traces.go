package processor

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/breaker"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// traced returns the context of an attempt. If the post of the image is traced, its span
// is in the context: it goes on with the post's trace, and ends with endAttempt.
func (p *Processor) traced(c store.Claimed, claiming time.Time) context.Context {
	if p.opts.Traces == nil || c.Traced == nil {
		return p.workCtx
	}
	ctx := tracing.Continue(p.workCtx, c.Traced.Parent)
	tracer := p.opts.Traces.Tracer("rollcall")
	if c.Attempts == 1 && c.Traced.At.Before(claiming) { // later, it waited for what a retry waits for
		_, wait := tracer.Start(ctx, "queue wait", trace.WithTimestamp(c.Traced.At))
		wait.End(trace.WithTimestamp(claiming))
	}
	ctx, _ = tracer.Start(ctx, "process", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(claiming),
		trace.WithAttributes(tracing.Image.Int64(c.ImageID), tracing.Attempt.Int(c.Attempts), tracing.Round.Int(c.Rounds)))
	tracing.Record(ctx, "claim", claiming, time.Now())
	return ctx
}

// startCall begins the span of a call to a recognizer. The caller calls end with the
// error of the call.
func (t task) startCall() (ctx context.Context, end func(error)) {
	ctx, span := tracing.Start(t.ctx, "call")
	return ctx, func(err error) {
		switch {
		case errors.Is(err, breaker.ErrOpen):
			span.SetAttributes(tracing.Circuit.String("open"))
		case err != nil:
			span.SetAttributes(tracing.Reason.String(string(faces.ReasonOf(err))))
		}
		tracing.Fail(span, err)
		span.End()
	}
}

// spansOf returns the spans of the attempts that are traced.
func spansOf(batch []answer) []trace.Span {
	var spans []trace.Span
	for _, a := range batch {
		if span := tracing.Sent(a.ctx); span != nil {
			spans = append(spans, span)
		}
	}
	return spans
}

// endAttempt ends the span of an attempt, which has no outcome.
func (t task) endAttempt(result string, err error) {
	if span := tracing.Sent(t.ctx); span != nil {
		span.SetAttributes(tracing.Result.String(result))
		if err != nil {
			span.SetAttributes(tracing.Reason.String(string(faces.ReasonOf(err))))
		}
		tracing.Fail(span, err)
		span.End()
	}
}

// endAnswered ends the span of an attempt with its outcome.
func (t task) endAnswered(r store.Result) {
	if span := tracing.Sent(t.ctx); span != nil {
		span.SetAttributes(tracing.Result.String("answered"), tracing.Status.String(r.Reason.Status().String()),
			tracing.Reason.String(string(r.Reason)), tracing.Faces.Int(len(r.Faces)))
		span.End()
	}
}
