package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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

// database is the MariaDB server of a run, with a trigger of the test that
// records every change of an image's state.
type database struct {
	server *mariadbtest.Server
	db     *sql.DB // a direct connection, not through the link
	log    *os.File

	turn sync.Mutex // held during a fault
}

func startDatabase(ctx context.Context, dir string) (*database, error) {
	log, err := os.Create(filepath.Join(dir, "mariadb.log"))
	if err != nil {
		return nil, err
	}
	server, err := mariadbtest.Start(ctx, filepath.Join(dir, "mariadb"), log)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	d := &database{server: server, log: log}
	if err := server.CreateDatabase(ctx, databaseName); err != nil {
		return d, err
	}
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.DBName = "tcp", server.Addr(), databaseName
	cfg.User, cfg.Passwd = server.User(), server.Password()
	cfg.Timeout, cfg.ReadTimeout = 5*time.Second, time.Minute
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

// kill kills the server and starts it again after a pause.
func (d *database) kill(ctx context.Context, down time.Duration) error {
	d.turn.Lock()
	defer d.turn.Unlock()
	if err := d.server.Kill(); err != nil {
		return err
	}
	pause(ctx, down)
	// Another program may have taken the port for a moment.
	const tries = 10
	var errs []error
	for range tries {
		err := d.server.Restart(ctx)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
		pause(ctx, time.Second)
	}
	return errors.Join(errs...)
}

// freeze stops the server for a while with SIGSTOP. Connections stay open.
func (d *database) freeze(ctx context.Context, lasts time.Duration) error {
	d.turn.Lock()
	defer d.turn.Unlock()
	if err := d.server.Pause(); err != nil {
		return err
	}
	pause(ctx, lasts)
	return d.server.Resume()
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
	return errors.Join(d.server.Close(), d.log.Close())
}
