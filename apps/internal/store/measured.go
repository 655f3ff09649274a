package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gorm.io/gorm"
)

// statementSeconds measures statements and transactions.
type statementSeconds struct{ histogram *prometheus.HistogramVec }

// statementKinds are the values of the label statement.
func statementKinds() []string {
	return []string{"select", "insert", "update", "delete", "other", transactionKind}
}

const transactionKind = "transaction"

// Results of a statement or transaction.
const (
	resultOK         = "ok"
	resultFailed     = "failed"
	resultRolledBack = "rolled_back" // on purpose: what the transaction was about did not work
)

func newStatementSeconds() statementSeconds {
	s := statementSeconds{prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "rollcall_database_seconds",
		Help:    "Time until the database answered a statement (select, insert, update, delete, other), and time of a whole transaction, by result: ok, failed, rolled_back.",
		Buckets: prometheus.ExponentialBuckets(0.0002, 3, 11), // to 12 s
	}, []string{"statement", "result"})}
	for _, kind := range statementKinds() {
		s.histogram.WithLabelValues(kind, resultOK)
		s.histogram.WithLabelValues(kind, resultFailed)
	}
	s.histogram.WithLabelValues(transactionKind, resultRolledBack)
	return s
}

// statement notes a statement that began at a time.
func (s statementSeconds) statement(query string, begin time.Time, err error) {
	s.observe(kindOf(query), begin, err)
}

func (s statementSeconds) observe(kind string, begin time.Time, err error) {
	result := resultOK
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, sql.ErrTxDone):
		return // the caller has gone, which says nothing about the database
	case mysqlNumber(err) == mysqlDuplicateEntry, sqliteCode(err) == sqliteConstraint:
		// An answer, too: a path that was posted again.
	case err != nil:
		result = resultFailed
	}
	s.histogram.WithLabelValues(kind, result).Observe(time.Since(begin).Seconds())
}

// kindOf returns what a statement does, by its first word.
func kindOf(query string) string {
	word, _, _ := strings.Cut(strings.TrimLeft(query, " \t\n("), " ")
	for _, kind := range []string{"select", "insert", "update", "delete"} {
		if strings.EqualFold(word, kind) {
			return kind
		}
	}
	return "other"
}

// measure makes db measure its statements. It measures below GORM, because the fastest
// paths write their SQL themselves.
func (s statementSeconds) measure(db *gorm.DB) error {
	pool, err := db.DB()
	if err != nil {
		return err
	}
	db.ConnPool = measuredPool{DB: pool, seconds: s}
	db.Statement.ConnPool = db.ConnPool
	return nil
}

// measuredPool is a pool whose statements are measured.
type measuredPool struct {
	*sql.DB
	seconds statementSeconds
}

// GetDBConn implements gorm.GetDBConnector.
func (p measuredPool) GetDBConn() (*sql.DB, error) { return p.DB, nil }

// BeginTx implements gorm.ConnPoolBeginner.
func (p measuredPool) BeginTx(ctx context.Context, opts *sql.TxOptions) (gorm.ConnPool, error) {
	begin := time.Now()
	tx, err := p.DB.BeginTx(ctx, opts)
	if err != nil {
		p.seconds.observe(transactionKind, begin, err)
		return nil, err
	}
	return &measuredTx{Tx: tx, seconds: p.seconds, begin: begin}, nil
}

// ExecContext implements gorm.ConnPool.
func (p measuredPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	begin := time.Now()
	done, err := p.DB.ExecContext(ctx, query, args...)
	p.seconds.statement(query, begin, err)
	return done, err
}

// QueryContext implements gorm.ConnPool.
func (p measuredPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	begin := time.Now()
	rows, err := p.DB.QueryContext(ctx, query, args...)
	p.seconds.statement(query, begin, err)
	return rows, err
}

// QueryRowContext implements gorm.ConnPool.
func (p measuredPool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	begin := time.Now()
	row := p.DB.QueryRowContext(ctx, query, args...)
	p.seconds.statement(query, begin, row.Err())
	return row
}

// measuredTx is a transaction of a measuredPool.
type measuredTx struct {
	*sql.Tx
	seconds statementSeconds
	begin   time.Time
}

// ExecContext implements gorm.ConnPool.
func (t *measuredTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	begin := time.Now()
	done, err := t.Tx.ExecContext(ctx, query, args...)
	t.seconds.statement(query, begin, err)
	return done, err
}

// QueryContext implements gorm.ConnPool.
func (t *measuredTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	begin := time.Now()
	rows, err := t.Tx.QueryContext(ctx, query, args...)
	t.seconds.statement(query, begin, err)
	return rows, err
}

// QueryRowContext implements gorm.ConnPool.
func (t *measuredTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	begin := time.Now()
	row := t.Tx.QueryRowContext(ctx, query, args...)
	t.seconds.statement(query, begin, row.Err())
	return row
}

// Commit implements gorm.TxCommitter.
func (t *measuredTx) Commit() error {
	err := t.Tx.Commit()
	t.seconds.observe(transactionKind, t.begin, err)
	return err
}

// Rollback implements gorm.TxCommitter. After a commit it does nothing.
func (t *measuredTx) Rollback() error {
	err := t.Tx.Rollback()
	if !errors.Is(err, sql.ErrTxDone) {
		t.seconds.histogram.WithLabelValues(transactionKind, resultRolledBack).Observe(time.Since(t.begin).Seconds())
	}
	return err
}
