// Package store keeps images, people and faces in MySQL or MariaDB, or in SQLite
// for standalone. One implementation over GORM serves all of them.
//
// A program opens one Store with OpenMySQL or OpenSQLite and shares it. Methods
// that write many rows use a transaction. Statements and transactions that fail
// because of a deadlock or a lost connection are retried. An error with
// faces.CodeUnavailable means that the database cannot be reached.
//
// Row types are in rows.go and beside the methods that use them. They never leave
// the package: methods take and return the types of packages faces and history,
// and a few of this package (Lease, Claim, Result, Filter). The schema is in
// package migrations.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// Store is a connection pool to one database. It is safe for concurrent use.
type Store struct {
	db      *gorm.DB
	reader  *gorm.DB         // for reads, which on SQLite do not wait for writes; otherwise db
	readFor time.Duration    // limit of the retries of a read
	now     func() time.Time // UTC, truncated to microseconds like the columns
	mysql   *loginConnector  // how db was opened; nil for SQLite
	file    string           // of SQLite; "" for MySQL
	log     *slog.Logger
	health  health
	seconds statementSeconds
	// validUntil is when the database's certificate expires, as a Unix time; 0 if unknown.
	validUntil atomic.Int64
	// postedAgain is set while single posts bring paths that have a row already.
	postedAgain atomic.Bool

	consentRequired bool // nobody is matched of whom no consent is recorded
}

// Option configures a Store.
type Option func(*Store)

// WithLogger sets the log of what the Store works around. What it cannot work around,
// it returns.
func WithLogger(log *slog.Logger) Option { return func(s *Store) { s.log = log } }

// WithClock sets the clock of leases and time stamps, for tests.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.now = now } }

// OpenMySQL opens a pool on MySQL or MariaDB. It does not connect: the first
// query does, so that a program can start before its database.
func OpenMySQL(cfg config.Database, opts ...Option) (*Store, error) {
	dsn := mysqldriver.NewConfig()
	dsn.Net, dsn.Addr = "tcp", net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port))
	dsn.DBName = cfg.Name
	dsn.TLS = cfg.TLS
	dsn.ParseTime, dsn.Loc = true, time.UTC
	dsn.ClientFoundRows = true   // count matched rows, not changed ones
	dsn.InterpolateParams = true // one round trip per statement, not three
	dsn.RejectReadOnly = true    // after a failover, reconnect to the new primary
	// A connection to a pod that has just gone is not refused, it hangs; so the wait for one
	// is most of the gap when MySQL moves. In one network a connection takes milliseconds.
	dsn.Timeout, dsn.ReadTimeout, dsn.WriteTimeout = time.Second, 30*time.Second, 30*time.Second
	dsn.Params = map[string]string{
		"time_zone": "'+00:00'",
		// A value that does not fit is an error, whatever the server's own mode.
		"sql_mode": "'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
		// Seconds. Less than ReadTimeout, so that the server ends the wait with an
		// error and not the driver by closing the connection.
		"innodb_lock_wait_timeout": "10",
		// Bytes. MySQL's 1,024 are too few for the ids of the people in a crowd, and in
		// this mode a list that is cut is an error.
		"group_concat_max_len": "1048576",
	}
	dsn.Logger = debugLogger{} // the caller gets the errors, too
	if err := dsn.Apply(mysqldriver.Charset("utf8mb4", "")); err != nil {
		return nil, fmt.Errorf("read the database settings: %w", err)
	}
	connector := &loginConnector{dsn: dsn, login: cfg.Login, galera: &atomic.Bool{}}
	s, err := open(mysql.New(mysql.Config{
		DSNConfig: dsn, Conn: newPool(connector, cfg.MaxConnections), SkipInitializeWithVersion: true,
	}), opts)
	if err != nil {
		return nil, err
	}
	if err := s.db.Use(clusterPlugin{connector.galera}); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	connector.log = s.log
	s.mysql = connector
	if dsn.TLS != nil { // the first connection comes later
		dsn.TLS = noteExpiry(dsn.TLS, &s.validUntil)
	}
	return s, nil
}

func open(dialector gorm.Dialector, opts []Option) (*Store, error) {
	db, err := openGORM(dialector)
	if err != nil {
		return nil, err
	}
	return newStore(db, opts)
}

func newStore(db *gorm.DB, opts []Option) (*Store, error) {
	s := &Store{db: db, reader: db, readFor: retryFor, now: time.Now, log: slog.New(slog.DiscardHandler), seconds: newStatementSeconds()}
	for _, o := range opts {
		o(s)
	}
	clock := s.now
	s.now = func() time.Time { return clock().UTC().Truncate(time.Microsecond) }
	return s, s.seconds.measure(db)
}

func openGORM(dialector gorm.Dialector) (*gorm.DB, error) {
	db, err := gorm.Open(dialector, &gorm.Config{
		SkipDefaultTransaction: true,  // single statements are atomic already
		TranslateError:         false, // the databases' error numbers say more
		DisableAutomaticPing:   true,
		Logger:                 logger.Discard, // errors are returned, and logged once
	})
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

// Close closes the pools.
func (s *Store) Close() error {
	var errs []error
	if s.reader != s.db {
		errs = append(errs, closePool(s.reader)) // first: the last one tidies up SQLite's files
	}
	return errors.Join(append(errs, closePool(s.db))...)
}

func closePool(db *gorm.DB) error {
	pool, err := db.DB()
	if err != nil {
		return err
	}
	return pool.Close()
}

// Ping returns an error if the database does not answer, its schema is too old, or
// it cannot store anything.
func (s *Store) Ping(ctx context.Context) error {
	pool, err := s.reader.DB()
	if err != nil {
		return err
	}
	if err := pool.PingContext(ctx); err != nil {
		return unavailable(err)
	}
	if err := s.CheckSchema(ctx); err != nil {
		return err
	}
	return s.checkWrites(ctx)
}

// isMySQL reports whether the database is MySQL or MariaDB.
func (s *Store) isMySQL() bool { return s.mysql != nil }

const (
	retries    = 6
	retryPause = 20 * time.Millisecond // doubles, with jitter
	// retryFor limits the total time of retries if each of them is slow.
	retryFor = 10 * time.Second
)

// retry runs f and repeats it after a deadlock, a lock timeout or a lost
// connection. f must be safe to run twice.
func (s *Store) retry(ctx context.Context, f func(tx *gorm.DB) error) error {
	err := attempt(ctx, s.db, retryFor, f)
	if faces.ErrorCode(err) == faces.CodeUnavailable {
		if explained := s.explain(ctx, err); problemOf(explained).lasts() {
			s.health.note(explained)
			return unavailable(explained)
		}
	}
	return err
}

// read is retry for an f that only reads.
func (s *Store) read(ctx context.Context, f func(tx *gorm.DB) error) error {
	err := attempt(ctx, s.reader, s.readFor, f)
	s.health.note(err)
	return err
}

// snapshot is read for an f with several queries: all of them see the database as it
// is at one moment. Otherwise an answer that changes between two queries is read half
// old and half new.
func (s *Store) snapshot(ctx context.Context, f func(tx *gorm.DB) error) error {
	var opts []*sql.TxOptions
	if s.isMySQL() { // SQLite's transactions always are
		opts = append(opts, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	}
	return s.read(ctx, func(db *gorm.DB) error { return db.Transaction(f, opts...) })
}

// attempt runs f until it succeeds, fails for good, or atMost is over.
func attempt(ctx context.Context, db *gorm.DB, atMost time.Duration, f func(tx *gorm.DB) error) error {
	start, pause := time.Now(), retryPause
	for i := 1; ; i++ {
		err := f(db.WithContext(ctx))
		switch {
		case err == nil || errors.As(err, new(*faces.Error)):
			return err
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return unavailable(err)
		case ctx.Err() != nil:
			return err // the caller has gone
		case isServerUnusable(err):
			return unavailable(err)
		case !isRetriable(err):
			return err
		case time.Since(start) > atMost:
			return unavailable(err)
		case isConflict(err) && onGalera(db): // each time, one of those who conflict is done
			pause = min(pause, conflictPause)
		case i >= retries:
			return unavailable(err)
		}
		select {
		case <-ctx.Done():
			return unavailable(err)
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause *= 2
	}
}

// tx runs f in a transaction and retries it. The isolation level is read
// committed, because f must see what others commit meanwhile: a row that won the
// race for a path, or a lease that was taken over. SQLite has one writer at a time
// and no levels. For a request with an idempotency key, f does not run again if its
// commit happened and only the answer to that was lost: what it returned the first time
// stands.
func (s *Store) tx(ctx context.Context, f func(tx *gorm.DB) error) error {
	var opts []*sql.TxOptions
	if s.isMySQL() {
		opts = append(opts, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	}
	ctx, c := watchCommit(ctx)
	err := s.retry(ctx, func(db *gorm.DB) error {
		if done, err := s.happened(db, c); err != nil || done {
			return err
		}
		ran := false
		if c != nil {
			c.noted = false
		}
		err := db.Transaction(func(tx *gorm.DB) error {
			err := f(tx)
			ran = err == nil
			return err
		}, opts...)
		if c != nil {
			c.inDoubt = ran && err != nil && c.noted
		}
		return err
	})
	return s.settle(ctx, c, err)
}

// Numbers of MySQL's errors; see its server error message reference.
const (
	mysqlRowChanged         = 1020 // MariaDB: since this transaction's snapshot
	mysqlTooManyConns       = 1040
	mysqlDatabaseDenied     = 1044
	mysqlDuplicateEntry     = 1062
	mysqlAccessDenied       = 1045
	mysqlUnknownDatabase    = 1049
	mysqlUserLocked         = 3118
	mysqlPasswordExpired    = 1862
	mariadbUserLocked       = 4151
	mysqlServerShutdown     = 1053
	mysqlDiskFull           = 1021
	mysqlTableFull          = 1114
	mysqlNoSuchTable        = 1146
	mysqlTooManyUserConns   = 1203
	mysqlLockWaitTimeout    = 1205
	mysqlDeadlock           = 1213
	mysqlQueryInterrupted   = 1317
	mysqlConnectionKilled   = 1927 // MariaDB
	mysqlStatementTimeout   = 1969 // MariaDB
	mysqlExecutionTimeout   = 3024
	mysqlClientIdledTooLong = 4031
)

func isRetriable(err error) bool {
	switch mysqlNumber(err) {
	case mysqlRowChanged, mysqlTooManyConns, mysqlServerShutdown, mysqlTooManyUserConns, mysqlLockWaitTimeout,
		mysqlDeadlock, mysqlQueryInterrupted, mysqlConnectionKilled, mysqlClientIdledTooLong, galeraNotReady, galeraCommitFailed:
		return true
	case 0:
		return isConnectionError(err) || problemOf(err) == Locked
	default:
		return false
	}
}

// isServerUnusable reports whether the server answers, but cannot work or refuses
// the login: its disk is full, it is read-only or damaged, it is being set up, or
// the settings are wrong.
func isServerUnusable(err error) bool {
	switch mysqlNumber(err) {
	case mysqlDatabaseDenied, mysqlUnknownDatabase, mysqlStatementTimeout, mysqlExecutionTimeout:
		return true
	default:
		if isLoginRefused(err) {
			return true
		}
		p := problemOf(err)
		return p != NoProblem && p != Locked
	}
}

// mysqlNumber returns the number of MySQL's error, and 0 for any other.
func mysqlNumber(err error) uint16 {
	var my *mysqldriver.MySQLError
	if errors.As(err, &my) {
		return my.Number
	}
	return 0
}

func isConnectionError(err error) bool {
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysqldriver.ErrInvalidConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &network) || errors.As(err, new(connectError))
}

// debugLogger sends the driver's own messages to the debug log, not to stderr.
type debugLogger struct{}

func (debugLogger) Print(v ...any) { slog.Debug("mysql driver", "says", fmt.Sprint(v...)) }

func wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
