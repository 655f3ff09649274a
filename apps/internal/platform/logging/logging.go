// Package logging creates a program's slog logger: text for people, JSON for
// machines.
package logging

import (
	"context"
	"io"
	"log/slog"
	"os"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/term"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// New returns a logger that writes to w. In JSON, every record carries the
// program's name, because the logs of many programs are collected together. A record
// that is written with the context of a span that is sent names the span and its trace.
func New(w io.Writer, program string, cfg config.Log) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level(cfg.Level)}
	if cfg.Format == "text" || cfg.Format != "json" && isTerminal(w) {
		return slog.New(traced{slog.NewTextHandler(w, opts)})
	}
	opts.ReplaceAttr = durationsAsText
	return slog.New(traced{slog.NewJSONHandler(w, opts)}).With("program", program)
}

// traced adds trace_id and span_id to the records of a span that is sent. The ids of another one
// would lead to nothing.
type traced struct{ slog.Handler }

// Handle implements slog.Handler.
func (h traced) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h traced) WithGroup(name string) slog.Handler { return traced{h.Handler.WithGroup(name)} }

// durationsAsText writes a duration as 1.5s, as the text format does, not in
// nanoseconds.
func durationsAsText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

func level(name string) slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err != nil {
		return slog.LevelInfo // cannot happen: config has checked the name
	}
	return l
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
