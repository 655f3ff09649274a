package store

// This file owns the size and age of the connection pool.

import (
	"database/sql"
	"database/sql/driver"
	"time"
)

// newPool returns a pool whose connections are given back early enough for a
// database that fails over behind one address to be noticed.
func newPool(connector driver.Connector, size int) *sql.DB {
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	pool.SetConnMaxIdleTime(time.Minute)
	pool.SetConnMaxLifetime(10 * time.Minute)
	return pool
}
