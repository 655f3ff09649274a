//go:build !nosqlite

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/glebarez/sqlite" // pure Go, so that only the recognizer needs cgo
	"gorm.io/gorm"
)

const (
	// sqliteReaders is how many reads run at the same time.
	sqliteReaders = 4
	// sqliteReadFor limits the wait of a read for a lock. In WAL mode readers need
	// not wait for a writer, so only a program that locks everybody out is waited for.
	sqliteReadFor = 2 * time.Second
)

// OpenSQLite opens the database in a file and creates the file if it is missing.
// Only this user can read the file and its folder from then on: they contain names
// and descriptors of people.
func OpenSQLite(file string, opts ...Option) (*Store, error) {
	if err := makePrivate(file); err != nil {
		return nil, fmt.Errorf("open the database file: %w", err)
	}
	db, err := openSQLite(file, 1, url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"},
		// A transaction that starts by reading fails when it writes while another
		// one is writing. Taking the write lock at its start waits instead.
		"_txlock": {"immediate"},
	})
	if err != nil {
		return nil, err
	}
	// Reads have connections of their own, because the writer's may wait for a lock.
	reader, err := openSQLite(file, sqliteReaders, url.Values{"_pragma": {"busy_timeout(250)", "query_only(1)"}})
	if err != nil {
		return nil, errors.Join(err, closePool(db))
	}
	s, err := newStore(db, opts)
	if err == nil {
		err = s.seconds.measure(reader)
	}
	if err != nil {
		return nil, errors.Join(err, closePool(reader), closePool(db))
	}
	s.reader, s.readFor, s.file = reader, sqliteReadFor, file
	return s, nil
}

// openSQLite opens a pool. SQLite has one writer: other connections would poll for
// its lock without any order, and some would time out. Waiting for a single
// connection is fair.
func openSQLite(file string, connections int, query url.Values) (*gorm.DB, error) {
	db, err := openGORM(sqlite.Open("file:" + (&url.URL{Path: file}).EscapedPath() + "?" + query.Encode()))
	if problemOf(err) == Damaged {
		return nil, damagedFile(file, err.Error())
	}
	if err != nil {
		return nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return db, nil
}

// makePrivate creates the file where it is missing, and takes the rights of others
// from it, from the files that SQLite puts beside it, and from the folder.
func makePrivate(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	for _, name := range []string{file, file + "-wal", file + "-shm"} { // new ones get the mode of the database
		restrict(name, 0o600)
	}
	if dir := filepath.Dir(file); dir != "/" {
		restrict(dir, 0o700)
	}
	return nil
}

// restrict takes rights of a file or folder away. Not every file system has rights,
// and a folder that many users share keeps its own.
func restrict(name string, mode fs.FileMode) {
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm()&^mode == 0 || info.Mode()&fs.ModeSticky != 0 {
		return
	}
	if err := os.Chmod(name, mode); err != nil {
		slog.Warn("others may read the database: its rights cannot be changed", "file", name, "mode", info.Mode().String(), "error", err)
	}
}
