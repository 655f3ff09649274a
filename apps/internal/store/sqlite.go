//go:build !nosqlite

package store

import (
	"net/url"

	"github.com/glebarez/sqlite" // pure Go, so that only the recognizer needs cgo
)

// OpenSQLite opens the database in a file and creates the file if it is missing.
func OpenSQLite(file string, opts ...Option) (*Store, error) {
	query := url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"},
		// A transaction that starts by reading fails when it writes while another
		// one is writing. Taking the write lock at its start waits instead.
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
	// SQLite has one writer. Other connections would poll for its lock without any
	// order, and some would time out. Waiting for a single connection is fair.
	pool.SetMaxOpenConns(1)
	return s, nil
}
