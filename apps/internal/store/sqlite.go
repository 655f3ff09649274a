//go:build !nosqlite

package store

import (
	"net/url"

	"github.com/glebarez/sqlite" // pure Go, so that only the recognizer needs cgo
)

// OpenSQLite opens the database in a file, which is made where it is missing.
func OpenSQLite(file string, opts ...Option) (*Store, error) {
	query := url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"},
		// A transaction that starts by reading could not become a writer while
		// another writes; taking the write lock at once waits instead.
		"_txlock": {"immediate"},
	}
	s, err := open(sqlite.Open("file:"+(&url.URL{Path: file}).EscapedPath()+"?"+query.Encode()), opts)
	if err != nil {
		return nil, err
	}
	pool, err := s.db.DB()
	if err != nil {
		return nil, err
	}
	// SQLite has one writer; the others would poll for the lock, unfairly, and
	// the unlucky give up. Waiting for the one connection is first come, first
	// served.
	pool.SetMaxOpenConns(1)
	return s, nil
}
