package recognizer

import (
	"context"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/adminhttp"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
)

// Serve runs a recognizer with its servers until ctx ends. open opens one
// engine, kernel searches for neighbours, and blas names the linear algebra
// library that both use.
func Serve(ctx context.Context, cfg Config, model faces.Model, open func() (engine.Engine, error), kernel nearest.Kernel, blas string,
	listen func() (net.Listener, error), log *slog.Logger, reg *prometheus.Registry) error {
	LogModel(log, model, blas)
	traces, err := tracing.Open(ctx, "recognizer", cfg.Tracing, log)
	if err != nil {
		return err
	}
	cfg.Options.Traces = traces.Follow()
	r, err := New(cfg.Options, model, open, kernel, log, reg)
	if err != nil {
		return err
	}
	server := NewServer(r, cfg.Token, log)
	if cfg.Open {
		log.Warn("the recognizer serves everybody who can reach its port; set ROLLCALL_GRPC_TOKEN_FILE instead of ROLLCALL_OPEN_GRPC", "address", cfg.Address)
	}
	program := lifecycle.New(log, cfg.Server.ShutdownTimeout)
	program.Add(traces.Part())
	admin := &lifecycle.HTTP{Name: "admin server", Address: cfg.Server.Admin, Handler: adminhttp.Handler(adminhttp.Options{
		Registry: reg, Ready: program.Ready,
		Checks: []adminhttp.Check{{Name: "engines and known people", Run: r.Ready}},
		Info: func() map[string]any {
			return map[string]any{"model": model.ID, "known_picture_problems": r.ProblemKinds(), "warnings": r.Warnings()}
		},
	})}
	program.Add(admin.Part())
	program.Add(lifecycle.Part{
		Name:  "recognizer",
		Start: func(context.Context, func(error)) error { r.Start(); return nil },
		Stop:  r.Close,
	})
	program.Add(server.Part(listen))
	return program.Run(ctx)
}

// LogModel logs the model set and the rule in use.
func LogModel(log *slog.Logger, m faces.Model, blas string) {
	log.Info("model set in use", "model", m.ID, "threshold", m.Threshold, "margin", m.Margin,
		"far_threshold", m.FarThreshold, "far_margin", m.FarMargin, "blas", blas)
}
