package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Problem is what keeps a database from working.
type Problem string

// The problems.
const (
	NoProblem   Problem = ""
	Unreachable Problem = "unreachable" // no connection, a refused login, no schema
	Locked      Problem = "locked"      // another program holds SQLite's lock
	Full        Problem = "full"        // no room on the disk
	ReadOnly    Problem = "read_only"
	Damaged     Problem = "damaged"
)

// Problems lists all problems.
func Problems() []Problem { return []Problem{Unreachable, Locked, Full, ReadOnly, Damaged} }

// lasts reports whether the problem can only be seen by writing, and stays until
// somebody acts.
func (p Problem) lasts() bool { return p == Full || p == ReadOnly || p == Damaged }

// message tells a user what the problem is.
func (p Problem) message() string {
	switch p {
	case Locked:
		return "the database is locked by another program; try again later"
	case Full:
		return "the database cannot store anything, because its disk is full or fails; try again when there is room"
	case ReadOnly:
		return "the database is read-only at the moment; try again later"
	case Damaged:
		return "the database is damaged; the server's log says more, docs/troubleshooting.md what to do"
	default:
		return "the database cannot be reached; try again later"
	}
}

var (
	errNoSpace  = errors.New("no space left on the database's disk")
	errReadOnly = errors.New("the server is read-only")
)

// Numbers of MySQL's errors about a disk, read-only servers and damaged tables.
const (
	mysqlErrorOnWrite     = 1026
	mysqlTempFileWrite    = 1878
	mysqlTableReadOnly    = 1036
	mysqlOptionPrevents   = 1290 // --read-only
	mysqlReadOnlyTx       = 1792
	mysqlReadOnlyMode     = 1836
	mysqlBadIndexFile     = 1034
	mysqlTableCrashed     = 1194
	mysqlCrashedRepair    = 1195
	mysqlIndexCorrupt     = 1712
	mysqlTablespaceBroken = 1877
)

// Codes of SQLite's errors, without what extends them.
const (
	sqliteBusy         = 5
	sqliteLocked       = 6
	sqliteReadOnly     = 8
	sqliteIOError      = 10
	sqliteCorrupt      = 11
	sqliteFull         = 13
	sqliteConstraint   = 19
	sqliteCannotOpen   = 14
	sqliteNoDatabase   = 26
	sqlitePrimaryCodes = 0xff
)

// problemOf returns the problem that an error of the database shows, NoProblem for
// an error of the statement.
func problemOf(err error) Problem {
	switch {
	case errors.Is(err, errNoSpace):
		return Full
	case errors.Is(err, errReadOnly):
		return ReadOnly
	}
	switch mysqlNumber(err) {
	case mysqlDiskFull, mysqlTableFull, mysqlErrorOnWrite, mysqlTempFileWrite:
		return Full
	case mysqlTableReadOnly, mysqlOptionPrevents, mysqlReadOnlyTx, mysqlReadOnlyMode:
		return ReadOnly
	case mysqlBadIndexFile, mysqlTableCrashed, mysqlCrashedRepair, mysqlIndexCorrupt, mysqlTablespaceBroken:
		return Damaged
	}
	switch sqliteCode(err) {
	case sqliteBusy, sqliteLocked:
		return Locked
	case sqliteReadOnly:
		return ReadOnly
	case sqliteFull, sqliteIOError: // also where a file beside the database cannot grow
		return Full
	case sqliteCorrupt, sqliteNoDatabase:
		return Damaged
	case sqliteCannotOpen:
		return Unreachable
	default:
		return NoProblem
	}
}

// sqliteCode returns the code of SQLite's error, and 0 for any other. The driver's
// type is not named, because programs on MySQL are built without the driver.
func sqliteCode(err error) int {
	var coded interface {
		error
		Code() int
	}
	if errors.As(err, &coded) {
		return coded.Code() & sqlitePrimaryCodes
	}
	return 0
}

const (
	// problemHolds is how long a problem is reported at least, so that a database
	// with room for one more row does not come and go.
	problemHolds = 5 * time.Second
	// probeEvery is the pause between two attempts to write.
	probeEvery = time.Second
	// leastSpace is the room on SQLite's disk below which it counts as full.
	leastSpace = 512 << 10
)

// health is a problem that lasts, as the last write and the last probe saw it.
type health struct {
	mu      sync.Mutex // guards the fields below
	problem error      // nil if there is none
	seen    time.Time  // when a write failed
	probed  time.Time
}

func (h *health) note(err error) {
	if !problemOf(err).lasts() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.problem, h.seen = err, time.Now()
}

// check returns the problem, after it has let probe try whether it is over.
func (h *health) check(probe func(problem error) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.problem == nil || time.Since(h.seen) < problemHolds || time.Since(h.probed) < probeEvery {
		return h.problem
	}
	h.probed = time.Now()
	h.problem = probe(h.problem)
	return h.problem
}

// checkWrites returns an error if the database cannot store anything. It writes
// only after a write has failed.
func (s *Store) checkWrites(ctx context.Context) error {
	if s.file != "" {
		if err := checkSpace(s.file); err != nil {
			return unavailable(err)
		}
	}
	err := s.health.check(func(problem error) error {
		if s.file != "" && problemOf(problem) == Damaged {
			return problem // a file stays damaged, though other parts of it can be written
		}
		return s.probe(ctx)
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// checkSpace returns an error if there is no room for the file to grow. An error of
// the question is no problem.
func checkSpace(file string) error {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(file), &stat); err != nil || stat.Blocks == 0 {
		return nil //nolint:nilerr // the file system does not say
	}
	if free := stat.Bavail * uint64(stat.Bsize); free < leastSpace {
		return fmt.Errorf("%s: %d KiB are free: %w", filepath.Dir(file), free>>10, errNoSpace)
	}
	return nil
}

// errUndo ends a transaction that was an attempt.
var errUndo = errors.New("undo")

// probe tries to write once.
func (s *Store) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if !s.isMySQL() {
		// Nothing reaches the disk before the commit, so it must change a row.
		return s.db.WithContext(ctx).Exec("UPDATE rematch_state SET dirty = dirty WHERE id = 1").Error
	}
	err := s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := tx.Exec("INSERT INTO rematch_known (image_name, content_id, person_id) VALUES ('', '', 0)").Error; err != nil {
			return err
		}
		return errUndo
	})
	if errors.Is(err, errUndo) {
		return nil
	}
	return s.explain(ctx, err)
}

// explain adds that the server is read-only, which the driver replaces by a bad
// connection to have it connect to another server (see RejectReadOnly).
func (s *Store) explain(ctx context.Context, err error) error {
	if !s.isMySQL() || !errors.Is(err, driver.ErrBadConn) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	var readOnly bool
	if e := s.db.WithContext(ctx).Raw("SELECT @@global.read_only OR @@global.innodb_read_only").Scan(&readOnly).Error; e == nil && readOnly {
		return errors.Join(errReadOnly, err)
	}
	return err
}

// Problem returns what keeps the database from working.
func (s *Store) Problem(ctx context.Context) Problem {
	err := s.Ping(ctx)
	if err == nil {
		return NoProblem
	}
	if p := problemOf(err); p != NoProblem {
		return p
	}
	return Unreachable
}

// unavailable wraps an error that is the fault of the database, not of the
// request.
func unavailable(err error) error {
	return faces.Errorf(faces.CodeUnavailable, "%s", problemOf(err).message()).WithCause(err)
}
