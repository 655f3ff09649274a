package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
)

// A Galera cluster is several servers with one database, each of which takes writes. Where
// it differs from one server:
//
//   - A lock of a row is one node's. Two transactions on two nodes do not wait for each
//     other: the one that commits second fails with the error of a deadlock and is
//     repeated, but only if both have written one row. So whoever locks a row and does not
//     write it writes it here (holdRows, holdShared).
//   - A node may not have applied yet what was committed on another one. Each connection
//     asks its node to wait for it before each statement outside of a transaction, and
//     before each transaction (syncWait). Without it, a processor would not find the image
//     whose id the receiver has just put on the queue.
//   - A node that has lost the others refuses everything but a few questions. A connection
//     to it is given up, so that the next one leads to another node.
//   - Ids of AUTO_INCREMENT do not follow each other (see readNew).
//   - The locks of GET_LOCK are one node's (see migrations.Lock).

const (
	// syncWait makes a node wait until it has applied what was committed anywhere before
	// the statement: 1 for reads and the begin of a transaction, 2 for UPDATE and DELETE,
	// 4 for INSERT.
	syncWait = 1 + 2 + 4

	// sharedSlots is how many locks of one person can be shared on several nodes at once.
	// Of two transactions that share one, one is repeated.
	sharedSlots = 16

	// conflictPause limits the pause before a transaction is repeated that conflicted with
	// one on another node. Conflicts are over as soon as the other one is committed.
	conflictPause = 200 * time.Millisecond
)

// Numbers of MariaDB's errors about Galera.
const (
	galeraNotReady     = 1047 // ER_UNKNOWN_COM_ERROR: the node has lost the others
	mysqlUnknownOption = 1193 // ER_UNKNOWN_SYSTEM_VARIABLE
	galeraCommitFailed = 1180 // ER_ERROR_DURING_COMMIT: the node lost the others meanwhile
)

// errNotReady is the error of connecting to a node that has lost the others.
var errNotReady = errors.New("the node is not part of the cluster of databases at the moment")

// nodeConnector connects to a server, and finds out whether it is a node of a cluster.
type nodeConnector struct {
	driver.Connector
	galera *atomic.Bool
}

// Connect implements driver.Connector.
func (c nodeConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	own, ok := conn.(mysqlConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a connection of type %T lacks methods", conn), conn.Close())
	}
	node := &nodeConn{mysqlConn: own}
	isNode, err := node.prepare(ctx)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c.galera.Store(isNode)
	return node, nil
}

// mysqlConn is what the driver's connections can do.
type mysqlConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

// nodeConn is a connection that is given up if its node has lost the others.
type nodeConn struct {
	mysqlConn
	lost bool
}

// prepare reports whether the server is a node of a cluster, and makes it wait for what
// others commit.
func (c *nodeConn) prepare(ctx context.Context) (isNode bool, err error) {
	on, err := c.ask(ctx, "SELECT @@wsrep_on")
	if mysqlNumber(err) == mysqlUnknownOption || err == nil && on != "1" {
		return false, nil // MySQL, or MariaDB without Galera
	}
	if err != nil {
		return false, err
	}
	ready, err := c.ask(ctx, "SHOW STATUS LIKE 'wsrep_ready'")
	if err != nil {
		return true, err
	}
	if ready != "ON" {
		return true, errNotReady
	}
	_, err = c.mysqlConn.ExecContext(ctx, fmt.Sprintf("SET SESSION wsrep_sync_wait = %d", syncWait), nil)
	return true, err
}

// ask returns the last column of the row of a query, as a text.
func (c *nodeConn) ask(ctx context.Context, query string) (string, error) {
	rows, err := c.mysqlConn.QueryContext(ctx, query, nil)
	if err != nil {
		return "", err
	}
	values := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(values); err != nil {
		return "", errors.Join(err, rows.Close())
	}
	last := values[len(values)-1]
	if text, ok := last.([]byte); ok {
		last = string(text)
	}
	return fmt.Sprint(last), rows.Close()
}

func (c *nodeConn) note(err error) {
	if mysqlNumber(err) == galeraNotReady {
		c.lost = true
	}
}

// IsValid implements driver.Validator.
func (c *nodeConn) IsValid() bool { return !c.lost && c.mysqlConn.IsValid() }

// ExecContext implements driver.ExecerContext.
func (c *nodeConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	done, err := c.mysqlConn.ExecContext(ctx, query, args)
	c.note(err)
	return done, err
}

// QueryContext implements driver.QueryerContext.
func (c *nodeConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.mysqlConn.QueryContext(ctx, query, args)
	c.note(err)
	return rows, err
}

// BeginTx implements driver.ConnBeginTx.
func (c *nodeConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.mysqlConn.BeginTx(ctx, opts)
	c.note(err)
	return tx, err
}

// galeraPlugin is the name under which a gorm.DB knows whether it is a cluster.
const galeraPlugin = "rollcall:galera"

// clusterPlugin tells all who have a gorm.DB whether it is a cluster.
type clusterPlugin struct{ galera *atomic.Bool }

// Name implements gorm.Plugin.
func (clusterPlugin) Name() string { return galeraPlugin }

// Initialize implements gorm.Plugin.
func (clusterPlugin) Initialize(*gorm.DB) error { return nil }

// onGalera reports whether a database is a cluster.
func onGalera(db *gorm.DB) bool {
	p, ok := db.Plugins[galeraPlugin].(clusterPlugin)
	return ok && p.galera.Load()
}

// isConflict reports whether a transaction was rolled back because another one, on this
// server or on another node, was faster.
func isConflict(err error) bool { return mysqlNumber(err) == mysqlDeadlock }

// holdRows makes the lock of rows count on the other nodes, too: it writes them and takes
// that back, which others conflict with as with any other write. column is one that may
// have any value of step more, and where selects the rows that are locked already.
func holdRows(tx *gorm.DB, table, column, step, where string, args ...any) error {
	if !onGalera(tx) {
		return nil
	}
	own := tx.Session(&gorm.Session{NewDB: true})
	for _, sign := range []string{" + ", " - "} {
		if err := own.Exec("UPDATE "+table+" SET "+column+" = "+column+sign+step+" WHERE "+where, args...).Error; err != nil {
			return err
		}
	}
	return nil
}

// holdIDs is holdRows for a number in rows with ids.
func holdIDs(tx *gorm.DB, table, column string, ids ...int64) error {
	if len(ids) == 0 {
		return nil
	}
	return holdRows(tx, table, column, "1", "id IN ?", ids)
}

// holdShared is holdRows for people whose rows are locked for sharing: transactions that
// name one person must not conflict with each other, but with one that deletes the person
// (holdAlone). Each lock has slots, which are keys in the table of settings. One who shares
// it writes one of them, and one who has it alone writes all.
func holdShared(tx *gorm.DB, people []int64) error {
	if !onGalera(tx) {
		return nil
	}
	names := make([]string, len(people))
	for i, id := range people {
		names[i] = slotName(id, rand.IntN(sharedSlots)) //nolint:gosec // it spreads, and is no secret
	}
	return holdNames(tx, names)
}

// holdAlone is the opposite of holdShared.
func holdAlone(tx *gorm.DB, person int64) error {
	if !onGalera(tx) {
		return nil
	}
	names := make([]string, sharedSlots)
	for i := range names {
		names[i] = slotName(person, i)
	}
	return holdNames(tx, names)
}

func slotName(person int64, slot int) string {
	return fmt.Sprintf("lock of person %d, %d", person, slot)
}

// holdNames inserts rows and deletes them, so that nobody ever sees them. Two transactions
// that insert one name conflict.
func holdNames(tx *gorm.DB, names []string) error {
	slices.Sort(names) // in one order, or two transactions wait for each other
	own := tx.Session(&gorm.Session{NewDB: true})
	for part := range chunks(names) {
		args := make([]any, 0, len(part))
		for _, n := range part {
			args = append(args, n)
		}
		insert := "INSERT INTO settings (name, value) VALUES (?, '')" + strings.Repeat(", (?, '')", len(part)-1)
		if err := own.Exec(insert, args...).Error; err != nil {
			return err
		}
		if err := own.Exec("DELETE FROM settings WHERE name IN ?", part).Error; err != nil {
			return err
		}
	}
	return nil
}
