package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// loginConnector opens each connection with the login that the settings name at that
// moment. If the server refuses it, the last one that worked is used: a Secret that is
// wrong, or was written before the database knows of it, takes nobody's connection away.
type loginConnector struct {
	dsn   *mysqldriver.Config // without user and password
	login config.Login
	log   *slog.Logger
	// galera is whether the server was a node of a cluster when the last connection was opened.
	galera *atomic.Bool

	mu     sync.Mutex // guards the fields below
	worked config.Credentials
	warned string // what was logged since
}

// Connect implements driver.Connector.
func (c *loginConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, now, err := c.connectNow(ctx)
	if err == nil {
		c.accept(now)
		return conn, nil
	}
	before, ok := c.instead(now, err)
	if !ok {
		return nil, err
	}
	conn, beforeErr := c.connectAs(ctx, before)
	if beforeErr != nil {
		return nil, err // of the login that should work
	}
	return conn, nil
}

// Driver implements driver.Connector.
func (c *loginConnector) Driver() driver.Driver { return mysqldriver.MySQLDriver{} }

// withoutReadTimeout returns a connector for statements that may take any time.
func (c *loginConnector) withoutReadTimeout() *loginConnector {
	dsn := c.dsn.Clone()
	dsn.ReadTimeout = 0
	return &loginConnector{dsn: dsn, login: c.login, log: c.log, galera: c.galera}
}

// forBackups is withoutReadTimeout with values as the database has them: a time is a text.
func (c *loginConnector) forBackups() *loginConnector {
	raw := c.withoutReadTimeout()
	raw.dsn.ParseTime = false
	return raw
}

func (c *loginConnector) connectNow(ctx context.Context) (driver.Conn, config.Credentials, error) {
	now, err := c.login.Read()
	if err != nil {
		return nil, now, fmt.Errorf("read the database's login: %w", err)
	}
	conn, err := c.connectAs(ctx, now)
	return conn, now, err
}

func (c *loginConnector) connectAs(ctx context.Context, who config.Credentials) (driver.Conn, error) {
	dsn := c.dsn.Clone()
	dsn.User, dsn.Passwd = who.User, who.Password.Reveal()
	connector, err := mysqldriver.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the database settings: %w", err)
	}
	return nodeConnector{connector, c.galera}.Connect(ctx)
}

func (c *loginConnector) accept(who config.Credentials) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.worked.Same(who) {
		c.worked, c.warned = who, ""
	}
}

// instead returns the login to use after the one of now failed because of err. It logs
// that once, and not for each connection.
func (c *loginConnector) instead(now config.Credentials, err error) (before config.Credentials, ok bool) {
	unreadable := now.User == ""
	if !unreadable && !isLoginRefused(err) {
		return before, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.worked.User == "" || c.worked.Same(now) {
		return before, false
	}
	if what := now.User + ": " + err.Error(); what != c.warned {
		c.log.Warn("the new login to the database does not work; the one before is used as long as it does",
			"new", now.User, "before", c.worked.User, "error", err)
		c.warned = what
	}
	return c.worked, true
}

// isLoginRefused reports whether the server answers and does not let this user in.
func isLoginRefused(err error) bool {
	switch mysqlNumber(err) {
	case mysqlAccessDenied, mysqlUserLocked, mariadbUserLocked, mysqlPasswordExpired:
		return true
	default:
		return false
	}
}
