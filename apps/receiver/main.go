// Command receiver is the REST API: it stores the paths of images and queues
// their ids. Its settings are listed in README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/backup"
	"github.com/rollcall-faces/rollcall/apps/internal/backupcli"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/keyscli"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/operations/gauges"
	"github.com/rollcall-faces/rollcall/apps/internal/operations/report"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/adminhttp"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func main() { command.Main(spec()) }

func spec() command.Spec {
	var cfg receiver.Config
	var migrate bool
	return command.Spec{
		Name: "receiver",
		About: "receiver is Rollcall's REST API: it takes the paths of pictures, or uploaded files,\n" +
			"stores them in MySQL, queues their ids on NSQ, and returns their outcomes.",
		Example: `receiver -migrate && ROLLCALL_LISTEN_ADDRESS=127.0.0.1:8000 receiver
  curl -d '{"path":"unknown0001.jpg"}' http://127.0.0.1:8000/image/post`,
		Flags: func(f *flag.FlagSet) {
			f.BoolVar(&migrate, "migrate", false, "migrate the database schema to this version and exit")
		},
		Read: func(r *config.Reader) { cfg = receiver.ReadConfig(r) },
		Run: func(ctx context.Context, stdout, stderr io.Writer) error {
			log := logging.New(stderr, "receiver", cfg.Log)
			db, err := store.OpenMySQL(cfg.Database, store.WithLogger(log), store.WithConsentRequired(cfg.ConsentRequired))
			if err != nil {
				return err
			}
			defer db.Close()
			if migrate {
				return runMigrate(ctx, db, cfg, stdout, log)
			}
			return serve(ctx, db, cfg, log)
		},
		Commands: append([]command.Spec{keyscli.Spec("receiver", mysql), keyscli.Users("receiver", mysql)}, backupcli.Commands("receiver", cluster)...),
	}
}

// cluster is where the commands backup and restore find database and folders.
func cluster() backupcli.System {
	var database config.Database
	var folders backup.Folders
	return backupcli.System{
		Read: func(r *config.Reader) {
			database = config.ReadDatabase(r)
			folders = backup.Folders{KnownPeople: config.ReadKnownPeople(r), UnknownPeople: config.ReadUnknownPeople(r)}
		},
		Open:    func(bool) (*store.Store, error) { return store.OpenMySQL(database) },
		Folders: func() (backup.Folders, error) { return folders, nil },
	}
}

// mysql is where the commands keys and users find the database.
func mysql() keyscli.Database {
	var cfg config.Database
	return keyscli.Database{
		Read: func(r *config.Reader) { cfg = config.ReadDatabase(r) },
		Open: func() (*store.Store, error) { return store.OpenMySQL(cfg) },
	}
}

// migrateRetry is the pause between two attempts to migrate.
const migrateRetry = 2 * time.Second

// runMigrate migrates the schema. In a new cluster the database may still be
// starting, so it retries for cfg.Migrate.
func runMigrate(ctx context.Context, db *store.Store, cfg receiver.Config, stdout io.Writer, log *slog.Logger) error {
	applied, err := db.Migrate(ctx, cfg.Options.UnknownPeople)
	for end := time.Now().Add(cfg.Migrate); faces.ErrorCode(err) == faces.CodeUnavailable && time.Now().Before(end); {
		log.Warn("database not available; retrying the migration", "pause", migrateRetry, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(migrateRetry):
		}
		applied, err = db.Migrate(ctx, cfg.Options.UnknownPeople)
	}
	if err != nil {
		return err
	}
	if len(applied) == 0 {
		applied = []string{"nothing to do"}
	}
	fmt.Fprintf(stdout, "schema version %d: %s\n", store.SchemaVersion, strings.Join(applied, ", "))
	return nil
}

// dial returns a client of the recognizers, or nil if their address is not set. It
// connects at the first call: the receiver serves while no recognizer answers.
func dial(cfg receiver.Config, traces *tracing.Tracing, reg prometheus.Registerer) (*recognizerclient.Client, error) {
	if cfg.Recognizer == "" {
		return nil, nil
	}
	return recognizerclient.Dial(recognizerclient.Options{
		Address: cfg.Recognizer, Token: cfg.Token, Timeout: cfg.Timeout, Metrics: recognizerclient.NewMetrics(reg), Traces: traces.Follow(),
	})
}

func recognizerOf(client *recognizerclient.Client) receiver.Recognizer {
	if client == nil {
		return nil
	}
	return client
}

func serve(ctx context.Context, db *store.Store, cfg receiver.Config, log *slog.Logger) error {
	reg := prometheus.NewRegistry()
	reg.MustRegister(store.Collector(db), store.BackupCollector(db))
	producer, err := imagequeue.NewProducer(cfg.Producer, log)
	if err != nil {
		return err
	}
	publisher := receiver.NewPublisher(db, producer, log, reg)
	traces, err := tracing.Open(ctx, "receiver", cfg.Tracing, log)
	if err != nil {
		return err
	}
	cfg.Options.Traces = traces.Entry(cfg.Sampling)
	client, err := dial(cfg, traces, reg)
	if err != nil {
		return err
	}
	if client != nil {
		defer client.Close()
	}
	server := receiver.New(db, publisher, recognizerOf(client), cfg.Options, log, reg)
	defer server.Close()
	program := lifecycle.New(log, cfg.Server.ShutdownTimeout)
	ready := func(ctx context.Context) error { return errors.Join(program.Ready(ctx), db.Ping(ctx)) }
	admin := &lifecycle.HTTP{Name: "admin server", Address: cfg.Server.Admin, Handler: adminhttp.Handler(adminhttp.Options{
		Registry: reg, Ready: program.Ready,
		Checks: []adminhttp.Check{{Name: "database", Run: db.Ping}},
		Info:   server.Warnings,
	})}
	api := &lifecycle.HTTP{Name: "REST API", Address: cfg.Options.Address, Handler: server.Handler(reg, ready), Linger: cfg.Linger, MaxConnections: cfg.Options.Connections, OnShutdown: server.EndStreams}
	if err := errors.Join(admin.Listen(), api.Listen()); err != nil {
		return err
	}
	program.Add(traces.Part())
	program.Add(admin.Part())
	program.Add(server.KeysPart())
	program.Add(publisher.Part(producer.Close))
	program.Add(server.Erasures().Part())
	program.Add(server.KnownPictures())
	program.Add(server.Answers())
	program.Add(server.Events())
	program.Add(server.Webhooks())
	program.Add(server.Uploads().Part())
	reporter, err := newReporter(db, cfg, log)
	if err != nil {
		return err
	}
	program.Add(reporter.Part())
	program.Add(gauges.New(db, log, reg).Part())
	program.Add(api.Part())
	log.Info("receiver is listening", "address", api.Addr(), "admin", admin.Addr())
	return program.Run(ctx)
}

// newReporter returns what tells the dashboard how this receiver is. It also samples how
// many images there are.
func newReporter(db *store.Store, cfg receiver.Config, log *slog.Logger) (*report.Reporter, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("get the host name: %w", err)
	}
	folders := map[string]string{"UNKNOWN_PEOPLE": cfg.Options.UnknownPeople, "KNOWN_PEOPLE": cfg.Options.KnownPeople}
	return report.New(db, report.Options{
		Program: "receiver", Instance: fmt.Sprintf("%s/%d", host, os.Getpid()), Samples: true, Log: log,
		Say: func(context.Context) operations.State { return operations.State{Volumes: report.Volumes(folders)} },
	}), nil
}
