package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"
)

// newPool returns a pool whose connections are given back early enough for a
// database that fails over behind one address to be noticed.
func newPool(connector driver.Connector, size int) *sql.DB {
	pool := sql.OpenDB(markingConnector{connector})
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	pool.SetConnMaxIdleTime(time.Minute)
	pool.SetConnMaxLifetime(10 * time.Minute)
	return pool
}

// markingConnector marks the errors of connecting. The driver has one of its
// own, unexported, for a server that goes away after its first words, which
// would pass for an error of the statement.
type markingConnector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c markingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil && mysqlNumber(err) == 0 {
		return nil, connectError{err}
	}
	return conn, err
}

// connectError is a connection that could not be made, for another reason
// than the server's own.
type connectError struct{ error }

// Unwrap returns the cause.
func (e connectError) Unwrap() error { return e.error }
