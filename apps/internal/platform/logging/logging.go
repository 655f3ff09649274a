// Package logging creates a program's slog logger: text for people, JSON for
// machines.
package logging

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// New returns a logger that writes to w. In JSON, every record carries the
// program's name, because the logs of many programs are collected together.
func New(w io.Writer, program string, cfg config.Log) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level(cfg.Level)}
	if cfg.Format == "text" || cfg.Format != "json" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	opts.ReplaceAttr = durationsAsText
	return slog.New(slog.NewJSONHandler(w, opts)).With("program", program)
}

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
