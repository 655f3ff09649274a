package recognizer

// This file owns the recognizer as a program: its parts in order.

import (
	"context"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/adminhttp"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// Serve runs a recognizer until ctx ends. open opens one engine, kernel searches
// for neighbours, blas names the linear algebra library that both use.
func Serve(ctx context.Context, cfg Config, model faces.Model, open func() (engine.PixelEngine, error), kernel nearest.Kernel, blas string,
	listen func() (net.Listener, error), log *slog.Logger) error {
	tellModel(log, model, blas)
	reg := prometheus.NewRegistry()
	r, err := New(cfg.Options, model, open, kernel, log, reg)
	if err != nil {
		return err
	}
	server := NewServer(r, log)
	program := lifecycle.New(log, cfg.Server.ShutdownTimeout)
	admin := &lifecycle.HTTP{Name: "admin server", Address: cfg.Server.Admin, Handler: adminhttp.Handler(adminhttp.Options{
		Registry: reg, Ready: program.Ready,
		Checks: []adminhttp.Check{{Name: "engines and known people", Run: r.Ready}},
		Info:   func() map[string]any { return map[string]any{"model": model.ID, "official_model": model.Official} },
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

// tellModel says loudly which model set answers.
func tellModel(log *slog.Logger, m faces.Model, blas string) {
	attrs := []any{"model", m.ID, "threshold", m.Threshold, "margin", m.Margin, "blas", blas}
	if !m.Official {
		log.Warn("LITE MODELS IN USE: weaker than the official ones; run 'make models' where there is a network", attrs...)
		return
	}
	log.Info("official models in use", attrs...)
}
