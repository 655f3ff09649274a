package store

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// Watch has see called with each statement that a store on MySQL sends, before it is sent. It
// is called by the goroutine that called the store, so that it can read the stack.
func Watch(s *Store, see func(query string, args []driver.NamedValue)) error {
	const connections = 8
	if err := closePool(s.db); err != nil {
		return err
	}
	pool := newPool(watchedConnector{s.mysql, see}, connections)
	s.db.ConnPool, s.db.Statement.ConnPool = pool, pool
	return nil
}

// watchedConnector opens connections that are watched.
type watchedConnector struct {
	driver.Connector
	see func(query string, args []driver.NamedValue)
}

// Connect implements driver.Connector.
func (c watchedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	own, ok := conn.(mysqlConn)
	if !ok {
		return nil, fmt.Errorf("a connection of type %T lacks methods", conn)
	}
	return watchedConn{own, c.see}, nil
}

// watchedConn is a connection whose statements are seen.
type watchedConn struct {
	mysqlConn
	see func(query string, args []driver.NamedValue)
}

// ExecContext implements driver.ExecerContext.
func (c watchedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.see(query, args)
	return c.mysqlConn.ExecContext(ctx, query, args)
}

// QueryContext implements driver.QueryerContext.
func (c watchedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.see(query, args)
	return c.mysqlConn.QueryContext(ctx, query, args)
}
