package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"
)

// connectionLife is less than the minute within which a program must stop using a
// password that has changed. Opening a connection takes milliseconds.
const connectionLife = 45 * time.Second

// newPool returns a pool with short-lived connections, so that it notices when the
// login changes, or when a database fails over to another server behind the same
// address.
func newPool(connector driver.Connector, size int) *sql.DB {
	pool := sql.OpenDB(markingConnector{connector})
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	pool.SetConnMaxLifetime(connectionLife)
	return pool
}

// markingConnector wraps the errors of connecting in connectError. Otherwise an
// unexported error of the driver, for a server that closes the connection during
// the handshake, would look like an error of the statement.
type markingConnector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c markingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil && mysqlNumber(err) == 0 {
		return nil, connectError{err}
	}
	return conn, err
}

// connectError is an error of connecting that the server did not report itself.
type connectError struct{ error }

// Unwrap returns the cause.
func (e connectError) Unwrap() error { return e.error }
