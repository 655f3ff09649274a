package migrations

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
)

// LockTable holds the migration lock of a cluster. It is there on clusters only.
const LockTable = "schema_lock"

const (
	lockWait = 5 * time.Minute

	beatEvery = 2 * time.Second
	lookEvery = time.Second
	// deadAfter is how many looks at a lock in a row must see that nothing has changed
	// before it is taken from its holder. A change of a large table blocks the whole
	// cluster: then each look takes as long as that, and the holder's beat comes first.
	deadAfter = 20
)

// errTaken says that another program has taken the lock, because this one was silent.
var errTaken = faces.Errorf(faces.CodeUnavailable, "another program has taken over the lock of the database's schema, because this one was silent for long: run receiver -migrate again")

// Held is the migration lock.
type Held struct {
	others *sql.DB
	token  int64 // 0 if the server is no node of a cluster
	stop   context.CancelFunc
	beats  sync.WaitGroup
}

// Lock takes the migration lock of one database, until conn is closed and the lock is
// released. Lock names are global on a server, so the name contains the database's name.
// Whoever has it can take it again on the same connection.
//
// On a Galera cluster the locks of GET_LOCK are one node's. There a row is the lock, too,
// whose holder shows on another connection, of others, that it lives.
func Lock(ctx context.Context, conn DB, others *sql.DB, database string) (*Held, error) {
	name := fmt.Sprintf("rollcall_migrate_%x", sha256.Sum256([]byte(database)))[:64] // the maximum length of a lock's name
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", name, int(lockWait.Seconds())).Scan(&got); err != nil {
		return nil, fmt.Errorf("lock the schema: %w", err)
	}
	if got.Int64 != 1 {
		return nil, lockedFor()
	}
	h := &Held{others: others}
	cluster, err := isCluster(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("lock the schema: %w", err)
	}
	if cluster {
		if err := h.take(ctx); err != nil {
			return nil, fmt.Errorf("lock the schema of the cluster: %w", err)
		}
	}
	return h, nil
}

func lockedFor() error {
	return faces.Errorf(faces.CodeUnavailable, "another program has been changing the database's schema for %s", lockWait)
}

// isCluster reports whether the server is a node of a Galera cluster.
func isCluster(ctx context.Context, conn DB) (on bool, err error) {
	err = conn.QueryRowContext(ctx, "SELECT @@wsrep_on").Scan(&on)
	var my *mysqldriver.MySQLError
	if errors.As(err, &my) && my.Number == 1193 { // unknown variable: MySQL
		return false, nil
	}
	return on, err
}

// take waits for the row and takes it. It goes on after the errors of a node that conflicts
// with another one or goes away.
func (h *Held) take(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	h.token = rand.Int64N(1<<62) + 1 //nolint:gosec // it tells programs apart, and is no secret
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var seen lockRow
	for same := 0; ; {
		now, err := h.look(ctx)
		switch {
		case err == nil && now.token == h.token:
			h.beat(context.WithoutCancel(ctx))
			return nil
		case err == nil && now == seen:
			same++
		default:
			same, seen = 0, now
		}
		if same >= deadAfter {
			_, err = h.others.ExecContext(ctx, "UPDATE "+LockTable+" SET token = ?, beats = 0 WHERE id = 1 AND token = ? AND beats = ?", h.token, seen.token, seen.beats)
			same = 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(lockedFor(), err)
		}
	}
}

// lockRow is the row that is the lock.
type lockRow struct{ token, beats int64 }

// look takes the lock if nobody has it, and returns who has it.
func (h *Held) look(ctx context.Context) (row lockRow, err error) {
	const create = "CREATE TABLE IF NOT EXISTS " + LockTable + " (id BIGINT NOT NULL PRIMARY KEY, token BIGINT NOT NULL, beats BIGINT NOT NULL) ENGINE=InnoDB"
	row, err = h.read(ctx)
	var my *mysqldriver.MySQLError
	switch {
	case errors.As(err, &my) && my.Number == 1146: // no such table
		_, err = h.others.ExecContext(ctx, create)
	case !errors.Is(err, sql.ErrNoRows):
		return row, err
	}
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		_, err = h.others.ExecContext(ctx, "INSERT IGNORE INTO "+LockTable+" (id, token, beats) VALUES (1, ?, 0)", h.token)
	}
	if err != nil {
		return row, err
	}
	return h.read(ctx)
}

func (h *Held) read(ctx context.Context) (row lockRow, err error) {
	err = h.others.QueryRowContext(ctx, "SELECT token, beats FROM "+LockTable+" WHERE id = 1").Scan(&row.token, &row.beats)
	return row, err
}

// beat shows that the holder lives, until the lock is released. A beat that fails is
// followed by the next one.
func (h *Held) beat(ctx context.Context) {
	ctx, h.stop = context.WithCancel(ctx)
	h.beats.Go(func() {
		background.Every(ctx, beatEvery, func(ctx context.Context) {
			_, _ = h.others.ExecContext(ctx, "UPDATE "+LockTable+" SET beats = beats + 1 WHERE id = 1 AND token = ?", h.token)
		})
	})
}

// Check returns an error if the lock has been taken by another program.
func (h *Held) Check(ctx context.Context) error {
	if h == nil || h.token == 0 {
		return nil
	}
	row, err := h.read(ctx)
	if err == nil && row.token != h.token || errors.Is(err, sql.ErrNoRows) {
		return errTaken
	}
	return err
}

// Release gives the lock of a cluster back.
func (h *Held) Release(ctx context.Context) error {
	if h == nil || h.token == 0 {
		return nil
	}
	h.stop()
	h.beats.Wait()
	_, err := h.others.ExecContext(ctx, "DELETE FROM "+LockTable+" WHERE id = 1 AND token = ?", h.token)
	h.token = 0
	if err != nil {
		return fmt.Errorf("release the lock of the schema: %w", err)
	}
	return nil
}
