package chaos

// This file owns the database server: its start, its faults, and the trigger
// that writes down every change of an image's state. The trigger is the test's
// alone.

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

type database struct {
	server *mariadbtest.Server
	db     *sql.DB // past the link
	log    *os.File

	turn sync.Mutex // held for the length of a fault
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
	cfg.Logger = &mysql.NopLogger{} // what goes wrong is in the errors
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return d, err
	}
	d.db = sql.OpenDB(connector)
	return d, nil
}

// The states of an image are told by status and reason; a lease's token tells
// one processing from the next, and updated_at the second writing of an
// outcome: answers follow from paths, so that it says what is there already.
const auditTable = `CREATE TABLE chaos_audit (
	seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, image_id BIGINT NOT NULL,
	old_status INT NOT NULL, old_reason VARCHAR(32) NOT NULL, new_status INT NOT NULL, new_reason VARCHAR(32) NOT NULL)`

const auditTrigger = `CREATE TRIGGER chaos_audit AFTER UPDATE ON images FOR EACH ROW
	IF OLD.status <> NEW.status OR OLD.reason <> NEW.reason OR OLD.lease_token <> NEW.lease_token
		OR OLD.updated_at <> NEW.updated_at THEN
		INSERT INTO chaos_audit (image_id, old_status, old_reason, new_status, new_reason)
		VALUES (NEW.id, OLD.status, OLD.reason, NEW.status, NEW.reason);
	END IF`

// prepare makes the trigger, and people for pictures to show.
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

// kill ends the server as a crash does and starts it again after a time.
func (d *database) kill(ctx context.Context, down time.Duration) error {
	d.turn.Lock()
	defer d.turn.Unlock()
	if err := d.server.Kill(); err != nil {
		return err
	}
	pause(ctx, down)
	// Another program may have taken the port meanwhile, for a moment.
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

func (d *database) freeze(ctx context.Context, lasts time.Duration) error {
	d.turn.Lock()
	defer d.turn.Unlock()
	if err := d.server.Pause(); err != nil {
		return err
	}
	pause(ctx, lasts)
	return d.server.Resume()
}

// left tells in words which images have no lasting outcome yet.
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

// answered counts the images that have an outcome.
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
