// Command processor takes images from the queue and records who is in them. Its
// settings are listed in README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/facefeed"
	"github.com/rollcall-faces/rollcall/apps/internal/grouping"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/operations/report"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/adminhttp"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	"github.com/rollcall-faces/rollcall/apps/internal/rematch"
	"github.com/rollcall-faces/rollcall/apps/internal/rescan"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func main() { command.Main(spec()) }

func spec() command.Spec {
	var cfg processor.Config
	return command.Spec{
		Name: "processor",
		About: "processor takes image ids from NSQ, asks the recognizer who is in each picture,\n" +
			"and records the answer in MySQL. While the recognizer is failing, images wait.",
		Example: "GRPC_ADDRESS=127.0.0.1:50051 NSQ_LOOKUP_ADDRESS=127.0.0.1:4161 MYSQL_CONNECTION=127.0.0.1 \\\n" +
			"    MYSQL_USERPASSWORD_FILE=/run/secrets/mysql processor",
		Read: func(r *config.Reader) { cfg = processor.ReadConfig(r) },
		Run: func(ctx context.Context, _, stderr io.Writer) error {
			return serve(ctx, cfg, logging.New(stderr, "processor", cfg.Log))
		},
	}
}

func serve(ctx context.Context, cfg processor.Config, log *slog.Logger) error {
	db, err := store.OpenMySQL(cfg.Database, store.WithLogger(log), store.WithConsentRequired(cfg.ConsentRequired))
	if err != nil {
		return err
	}
	defer db.Close()
	reg := prometheus.NewRegistry()
	reg.MustRegister(store.Collector(db))
	calls := recognizerclient.NewMetrics(reg)
	traces, err := tracing.Open(ctx, "processor", cfg.Tracing, log)
	if err != nil {
		return err
	}
	cfg.Options.Traces = traces.Follow()
	client, err := recognizerclient.Dial(recognizerclient.Options{
		Address: cfg.Recognizer, Token: cfg.Token, Timeout: cfg.Timeout, Threshold: cfg.Options.Threshold, Margin: cfg.Options.Margin,
		Metrics: calls, Traces: cfg.Options.Traces,
	})
	if err != nil {
		return err
	}
	defer client.Close()
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("get the host name: %w", err)
	}
	owner := fmt.Sprintf("%s/%d", host, os.Getpid())
	p := processor.New(db, client, owner, cfg.Options, log, reg)
	rematcher := rematch.New(db, client, owner, cfg.Rematch, log, reg)
	rescanner := rescan.New(db, client, func(id int64, m rescan.Message) { p.Take(id, m) }, cfg.Rescan, log, reg)
	rematcher.WhenIdle(rescanner.Work)
	replicas := recognizerclient.NewReplicas(recognizerclient.Options{Address: cfg.Recognizer, Token: cfg.Token, Timeout: processor.FeedTimeout, Metrics: calls})
	defer replicas.Close()
	feeder := facefeed.New(db, replicas.List, rematcher.Leads, facefeed.Defaults(), log, reg)
	asked := recognizerclient.NewReplicas(recognizerclient.Options{Address: cfg.Recognizer, Token: cfg.Token, Timeout: processor.GroupTimeout, Metrics: calls})
	defer asked.Close()
	grouper := grouping.New(db, asked.List, rematcher.Token, cfg.Groups, log, reg)
	consumer, err := imagequeue.NewConsumer(imagequeue.ConsumerOptions{
		Lookupd: cfg.Lookupd, MaxInFlight: cfg.Options.InFlight, Registry: reg, Log: log,
		Handle: func(d *imagequeue.Delivery) { p.Take(d.ImageID, d) },
	})
	if err != nil {
		return err
	}
	pauses := imagequeue.NewPauseWatch(imagequeue.PauseWatchOptions{Lookupd: cfg.Lookupd, Registry: reg, Log: log})
	program := lifecycle.New(log, cfg.Server.ShutdownTimeout)
	admin := &lifecycle.HTTP{Name: "admin server", Address: cfg.Server.Admin, Handler: adminhttp.Handler(adminhttp.Options{
		Registry: reg, Ready: program.Ready,
		Checks: []adminhttp.Check{{Name: "database", Run: db.Ping}},
		Info: func() map[string]any {
			info := p.Info()
			info["warnings"] = pauses.Warnings()
			return info
		},
	})}
	if err := admin.Listen(); err != nil {
		return err
	}
	program.Add(traces.Part())
	program.Add(admin.Part())
	program.Add(pauses.Part())
	monitor, around := imagequeue.NewMonitor(cfg.Lookupd), report.NewGauges(reg)
	reporter := report.New(db, report.Options{Program: "processor", Instance: owner, Tally: p.Tally(), Log: log, Say: func(ctx context.Context) operations.State {
		around.Ready(ctx, asked.List)
		return operations.State{Processor: p.Operations(), Queue: around.Queue(report.Queue(ctx, monitor.Depth)), Recognizers: report.Recognizers(ctx, asked.List)}
	}})
	program.Add(lifecycle.Part{Name: "processor", Start: func(ctx context.Context, _ func(error)) error {
		// Writing to an older schema could lose data.
		if err := db.WaitForSchema(ctx, log); err != nil {
			return err
		}
		p.Start()
		rematcher.Start()
		feeder.Start()
		grouper.Start()
		reporter.Start()
		return consumer.Start()
	}, Stop: func(ctx context.Context) error {
		consumer.Pause()
		return errors.Join(feeder.Stop(ctx), grouper.Stop(ctx), rematcher.Stop(ctx), p.Stop(ctx), consumer.Stop(ctx), reporter.Stop(ctx))
	}})
	log.Info("processor is starting", "recognizer", cfg.Recognizer, "admin", admin.Addr())
	return program.Run(ctx)
}
