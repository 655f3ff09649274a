package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// parentLength is that of the header traceparent (W3C Trace Context, version 00).
const parentLength = 55

// Parent returns the span in the form of the header traceparent, or "" if it is not sent.
func Parent(span trace.Span) string {
	c := span.SpanContext()
	if !c.IsSampled() {
		return ""
	}
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-01"
}

// Continue returns a context in the trace that a header traceparent names. A text that is
// no such header, or of another version, changes nothing. What else a client may send
// about its trace is not read: it could be anything.
func Continue(ctx context.Context, parent string) context.Context {
	if len(parent) != parentLength || parent[:3] != "00-" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
}

// Sent returns the span of a context, or nil if it is not sent.
func Sent(ctx context.Context) trace.Span {
	if span := trace.SpanFromContext(ctx); span.SpanContext().IsSampled() && span.IsRecording() {
		return span
	}
	return nil
}

// Start begins a part of the context's span. Without such a span it does nothing.
func Start(ctx context.Context, name string) (context.Context, trace.Span) {
	span := Sent(ctx)
	if span == nil {
		return ctx, noop.Span{}
	}
	return tracerOf(span).Start(ctx, name)
}

// Record adds a part of the context's span that has ended already.
func Record(ctx context.Context, name string, begin, end time.Time) {
	if span := Sent(ctx); span != nil {
		_, part := tracerOf(span).Start(ctx, name, trace.WithTimestamp(begin))
		part.End(trace.WithTimestamp(end))
	}
}

// Step is a part that took a while.
type Step struct {
	Name string
	Took time.Duration
}

// Steps adds parts of the context's span that followed each other.
func Steps(ctx context.Context, begin time.Time, steps ...Step) {
	for _, s := range steps {
		if s.Took > 0 {
			Record(ctx, s.Name, begin, begin.Add(s.Took))
		}
		begin = begin.Add(s.Took)
	}
}

// Together begins work on several things at once that belong to spans of their own. Each of
// the spans gets a part, so that each trace is whole. The first part is that of the work
// itself, as the context has it: it has links to the spans, and the other parts to it. nil spans
// and repeated ones do not count. The caller calls end with the error of the work.
func Together(ctx context.Context, name string, spans []trace.Span, attributes ...attribute.KeyValue) (_ context.Context, end func(error)) {
	spans = distinct(spans)
	if len(spans) == 0 {
		return ctx, func(error) {}
	}
	var links []trace.Link
	for _, s := range spans[1:] {
		links = append(links, trace.Link{SpanContext: s.SpanContext()})
	}
	within, first := tracerOf(spans[0]).Start(trace.ContextWithSpan(ctx, spans[0]), name, trace.WithLinks(links...), trace.WithAttributes(attributes...))
	parts := []trace.Span{first}
	for _, s := range spans[1:] {
		_, part := tracerOf(s).Start(trace.ContextWithSpan(ctx, s), name,
			trace.WithLinks(trace.Link{SpanContext: first.SpanContext()}), trace.WithAttributes(attributes...))
		parts = append(parts, part)
	}
	return within, func(err error) {
		for _, part := range parts {
			Fail(part, err)
			part.End()
		}
	}
}

// Fail marks a span as failed if there is an error. The error's text is not sent.
func Fail(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
}

func distinct(spans []trace.Span) []trace.Span {
	var list []trace.Span
	seen := map[trace.SpanID]bool{}
	for _, s := range spans {
		if s == nil || seen[s.SpanContext().SpanID()] {
			continue
		}
		seen[s.SpanContext().SpanID()] = true
		list = append(list, s)
	}
	return list
}

func tracerOf(span trace.Span) trace.Tracer { return span.TracerProvider().Tracer(scope) }
