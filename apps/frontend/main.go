// Command frontend serves Rollcall's dashboard. Its settings are listed in
// README.md.
package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/adminhttp"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func main() { command.Main(spec()) }

func spec() command.Spec {
	var cfg frontend.Config
	return command.Spec{
		Name: "frontend",
		About: "frontend serves Rollcall's dashboard: who is in which picture, and why a picture has\n" +
			"no answer. It reads the database, and changes things through the receiver's API only.",
		Example: "MYSQL_CONNECTION=localhost MYSQL_USERPASSWORD_FILE=/run/secrets/mysql frontend",
		Read:    func(r *config.Reader) { cfg = frontend.ReadConfig(r) },
		Run: func(ctx context.Context, _, stderr io.Writer) error {
			return serve(ctx, cfg, logging.New(stderr, "frontend", cfg.Log))
		},
	}
}

func serve(ctx context.Context, cfg frontend.Config, log *slog.Logger) error {
	db, err := store.OpenMySQL(cfg.Database, store.WithLogger(log))
	if err != nil {
		return err
	}
	defer db.Close()
	program, reg := lifecycle.New(log, cfg.Server.ShutdownTimeout), prometheus.NewRegistry()
	reg.MustRegister(store.Collector(db))
	api, err := cfg.API.NewAPI(cfg.Address())
	if err != nil {
		return err
	}
	opts := frontend.Options{
		Log: log, Registry: reg, Address: cfg.Address(), AllowedHosts: cfg.AllowedHosts, BasePath: cfg.BasePath, UnknownPeople: cfg.UnknownPeople,
	}
	deps := frontend.SignInDeps{Store: db, API: api, Keyed: cfg.API.Key.IsSet(), Log: log, Registry: reg}
	if err := cfg.SignIn.Apply(&opts, deps); err != nil {
		return err
	}
	dashboard, err := frontend.New(db, opts)
	if err != nil {
		return err
	}
	admin := &lifecycle.HTTP{Name: "admin server", Address: cfg.Server.Admin, Handler: adminhttp.Handler(adminhttp.Options{
		Registry: reg, Ready: program.Ready, Checks: []adminhttp.Check{{Name: "database", Run: db.Ping}},
	})}
	pages := &lifecycle.HTTP{Name: "dashboard", Address: cfg.Address(), Handler: dashboard.Handler(), Linger: cfg.Linger, MaxConnections: cfg.Connections, OnShutdown: dashboard.EndStreams}
	if err := errors.Join(admin.Listen(), pages.Listen()); err != nil {
		return err
	}
	program.Add(admin.Part())
	program.Add(dashboard.SignInPart())
	program.Add(pages.Part())
	log.Info("frontend is listening", "address", pages.Addr(), "admin", admin.Addr())
	return program.Run(ctx)
}
