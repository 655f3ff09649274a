package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const databaseName = "kube"

// database is the database of a run, with a trigger of the test that records every change
// of an image's state.
type database struct {
	backend
	db  *sql.DB // a direct connection, not through the link
	log *os.File
}

// backend is what has the data: one server, or a cluster of them.
type backend interface {
	CreateDatabase(ctx context.Context, name string) error
	// Database returns the address for programs.
	Database(name string) mariadbtest.DB
	// faults returns the faults that come in turn with those of other parts, and nodeFaults
	// those that come one after the other, beside them.
	faults() []fault
	nodeFaults() []fault
	Close() error
}

func startDatabase(ctx context.Context, dir string, galera bool, report *Report) (*database, error) {
	log, err := os.Create(filepath.Join(dir, "mariadb.log"))
	if err != nil {
		return nil, err
	}
	start := startServer
	if galera {
		start = startNodes
	}
	b, err := start(ctx, filepath.Join(dir, "mariadb"), log, report)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	d := &database{backend: b, log: log}
	if err := b.CreateDatabase(ctx, databaseName); err != nil {
		return d, err
	}
	at := b.Database(databaseName)
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.DBName = "tcp", address(at.Port), databaseName
	cfg.User, cfg.Passwd = at.User, at.Password
	cfg.Timeout, cfg.ReadTimeout = 5*time.Second, time.Minute
	if galera { // a read waits for what was committed on another node
		cfg.Params = map[string]string{"wsrep_sync_wait": "7"}
	}
	cfg.Logger = &mysql.NopLogger{} // the errors are returned
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return d, err
	}
	d.db = sql.OpenDB(connector)
	return d, nil
}

// auditTable and auditTrigger record each change of an image. Status and reason
// are the image's state. The lease token distinguishes two claims in a row, and
// updated_at shows a second write of the same outcome.
const auditTable = `CREATE TABLE chaos_audit (
	seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, image_id BIGINT NOT NULL,
	old_status INT NOT NULL, old_reason VARCHAR(32) NOT NULL, new_status INT NOT NULL, new_reason VARCHAR(32) NOT NULL)`

const auditTrigger = `CREATE TRIGGER chaos_audit AFTER UPDATE ON images FOR EACH ROW
	IF OLD.status <> NEW.status OR OLD.reason <> NEW.reason OR OLD.lease_token <> NEW.lease_token
		OR OLD.updated_at <> NEW.updated_at THEN
		INSERT INTO chaos_audit (image_id, old_status, old_reason, new_status, new_reason)
		VALUES (NEW.id, OLD.status, OLD.reason, NEW.status, NEW.reason);
	END IF`

// prepare creates the trigger and the known people.
func (d *database) prepare(ctx context.Context) error {
	statements := []string{auditTable, auditTrigger}
	for n := range people {
		statements = append(statements,
			fmt.Sprintf("INSERT INTO person (id, name) VALUES (%d, '%s')", n+1, personName(n)),
			fmt.Sprintf("INSERT INTO person_images (image_name, person_id) VALUES ('%s', %d)", knownImage(n), n+1))
	}
	for _, statement := range statements {
		if _, err := d.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("prepare the database: %.40s…: %w", statement, err)
		}
	}
	return nil
}

// server is one MariaDB server.
type server struct {
	*mariadbtest.Server
	turn sync.Mutex // held during a fault
}

func startServer(ctx context.Context, dir string, log io.Writer, _ *Report) (backend, error) {
	s, err := mariadbtest.Start(ctx, dir, log)
	return &server{Server: s}, err
}

// Database implements backend.
func (s *server) Database(name string) mariadbtest.DB {
	return mariadbtest.DB{Host: host, Port: s.Port(), Name: name, User: s.User(), Password: s.Password()}
}

func (s *server) faults() []fault {
	return []fault{
		{kindKill, "mariadb", s.kill, longestDown, often},
		{kindPause, "mariadb", s.freeze, longestPause, often},
	}
}

func (s *server) nodeFaults() []fault { return nil }

// kill kills the server and starts it again after a pause.
func (s *server) kill(ctx context.Context, down time.Duration) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.Kill(); err != nil {
		return err
	}
	pause(ctx, down)
	return restart(ctx, s.Server)
}

// restart starts a server that was killed.
func restart(ctx context.Context, s *mariadbtest.Server) error {
	// Another program may have taken the port for a moment.
	const tries = 10
	var errs []error
	for range tries {
		err := s.Restart(ctx)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
		pause(ctx, time.Second)
	}
	return errors.Join(errs...)
}

// freeze stops the server for a while with SIGSTOP. Connections stay open.
func (s *server) freeze(ctx context.Context, lasts time.Duration) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.Pause(); err != nil {
		return err
	}
	pause(ctx, lasts)
	return s.Resume()
}

// left describes the images without a final outcome, or returns "".
func (d *database) left(ctx context.Context) (string, error) {
	rows, err := d.db.QueryContext(ctx, "SELECT status, reason, COUNT(*) FROM images GROUP BY status, reason")
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var words []string
	for rows.Next() {
		var status faces.Status
		var reason faces.Reason
		var n int
		if err := rows.Scan(&status, &reason, &n); err != nil {
			return "", err
		}
		if status == faces.Processing || reason == faces.Queued || reason.Transient() {
			words = append(words, fmt.Sprintf("%d %s %s", n, status, reason))
		}
	}
	return strings.Join(words, ", "), rows.Err()
}

// answered returns the number of images with an outcome.
func (d *database) answered(ctx context.Context) (n int, err error) {
	err = d.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM images WHERE status <> ? AND reason <> ?",
		faces.Processing, faces.Queued).Scan(&n)
	return n, err
}

func (d *database) close() error {
	if d.db != nil {
		d.db.Close()
	}
	return errors.Join(d.Close(), d.log.Close())
}
