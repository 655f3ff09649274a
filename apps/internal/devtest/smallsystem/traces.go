package smallsystem

import (
	"context"
	"log/slog"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
)

// WithTraces has the system send traces. Close sends the last of them.
func WithTraces(t *tracing.Tracing, s config.Sampling) Option {
	return func(sys *System) {
		sys.traces, sys.sampling = t, s
		sys.atEnd(func(ctx context.Context) error { t.Close(ctx); return nil })
	}
}

// WithLog has the system log.
func WithLog(log *slog.Logger) Option { return func(s *System) { s.log = log } }
