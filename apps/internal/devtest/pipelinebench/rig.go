package pipelinebench

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"

	_ "github.com/go-sql-driver/mysql" // for what only a benchmark does to a table

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/embeddedqueue"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// root is the folder of the image paths. It does not need to exist.
const root = "/unknown_people"

// rig is the servers that the measurements use.
type rig struct {
	dir    string
	root   string // folder of the image paths
	server *mariadbtest.Server
	log    *slog.Logger
	queues int // number of queues started
}

func newRig(ctx context.Context, dir string) (*rig, error) {
	// As large as base/mysql and the default of MySQL have them: tests use less.
	server, err := mariadbtest.Start(ctx, filepath.Join(dir, "mariadb"), nil, "--innodb-buffer-pool-size=256M", "--innodb-log-file-size=100M")
	if err != nil {
		return nil, err
	}
	// Log lines are formatted as in a cluster, because that is part of the
	// cost.
	log := logging.New(io.Discard, "bench", config.Log{Level: "info", Format: "json"})
	return &rig{dir: dir, root: root, server: server, log: log}, nil
}

func (r *rig) close() { _ = r.server.Close() } // the data is not needed any more

// undo is a list of functions to call at the end, in reverse order. Errors are
// ignored: everything is measured by then.
type undo []func()

func (u *undo) add(f func()) { *u = append(*u, f) }

func (u *undo) run() {
	for _, f := range slices.Backward(*u) {
		f()
	}
}

// database creates a database with our schema. raw is a direct connection to
// it.
func (r *rig) database(ctx context.Context, u *undo, name string) (st *store.Store, raw *sql.DB, err error) {
	if err := r.server.CreateDatabase(ctx, name); err != nil {
		return nil, nil, err
	}
	settings := config.NewReader(config.Map(map[string]string{
		"MYSQL_CONNECTION": "127.0.0.1", "MYSQL_PORT": strconv.Itoa(r.server.Port()), "MYSQL_DBNAME": name,
		"MYSQL_USERPASSWORD": r.server.User() + ":" + r.server.Password(),
	}))
	cfg := config.ReadDatabase(settings)
	if err := settings.Err(); err != nil {
		return nil, nil, err
	}
	if st, err = store.OpenMySQL(cfg); err != nil {
		return nil, nil, err
	}
	u.add(func() { st.Close() })
	if _, err := st.Migrate(ctx, r.root); err != nil {
		return nil, nil, err
	}
	if raw, err = sql.Open("mysql", r.dsn(name)); err != nil {
		return nil, nil, err
	}
	u.add(func() { raw.Close() })
	return st, raw, nil
}

// dsn returns how Go's driver connects to a database.
func (r *rig) dsn(name string) string {
	db := mariadbtest.DB{Host: "127.0.0.1", Port: r.server.Port(), Name: name, User: r.server.User(), Password: r.server.Password()}
	return db.DSN()
}

// queue starts a new nsqd in this process.
func (r *rig) queue(u *undo) (*embeddedqueue.Servers, error) {
	r.queues++
	servers, err := embeddedqueue.Start(embeddedqueue.Options{
		Dir:   filepath.Join(r.dir, fmt.Sprintf("nsqd-%d", r.queues)),
		Topic: imagequeue.Topic, Channel: imagequeue.Channel,
	})
	if err == nil {
		u.add(func() { servers.Close() })
	}
	return servers, err
}
