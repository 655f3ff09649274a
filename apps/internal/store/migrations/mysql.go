package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// MySQL migrates a database on MySQL or MariaDB to Version and returns the names
// of the versions that it applied. Several programs may call it at once: one
// migrates, the others wait for it. A database made by the original's
// database_setup.sql is upgraded in place.
//
// conn must be a single connection. It holds the lock until it is closed, so that
// the lock is released even if the process dies. others is a pool of other connections,
// for the lock of a cluster.
//
// A wait that was too long is repeated, as a migration can be: on a cluster of databases, a
// statement waits for what other nodes have committed, and fails after seconds. A table
// that is changed on another node may take longer.
func MySQL(ctx context.Context, conn DB, others *sql.DB, database string, o Options) (applied []string, err error) {
	for tries := 1; ; tries++ {
		done, err := migrateMySQL(ctx, conn, others, database, o)
		applied = append(applied, done...)
		if !isLockWait(err) || tries == lockTries {
			return applied, err
		}
	}
}

// lockTries is how often a migration is tried that waits in vain.
const lockTries = 5

func isLockWait(err error) bool {
	var my *mysqldriver.MySQLError
	return errors.As(err, &my) && my.Number == 1205
}

func migrateMySQL(ctx context.Context, conn DB, others *sql.DB, database string, o Options) (applied []string, err error) {
	list, err := load(files, mysql, []goStep{{1, "paths become absolute and unique", uniquePaths}})
	if err != nil {
		return nil, err
	}
	// A pod that starts while a backup holds the lock need not wait for it.
	if have, err := Current(ctx, conn); !o.Restoring && (err == nil && have >= Version || errors.Is(err, ErrRestoring)) {
		return nil, err
	}
	if o.held == nil {
		if o.held, err = Lock(ctx, conn, others, database); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, o.held.Release(context.WithoutCancel(ctx))) }()
	}
	collation, err := exactCollation(ctx, conn)
	if err != nil {
		return nil, err
	}
	if err := expand(list, map[string]string{"EXACT": "CHARACTER SET utf8mb4 COLLATE " + collation}); err != nil {
		return nil, err
	}
	return run(ctx, conn, list, o)
}

// exactCollation returns the name of the collation that compares byte for byte,
// including trailing spaces. MySQL and MariaDB have different ones.
func exactCollation(ctx context.Context, conn DB) (string, error) {
	for _, name := range []string{"utf8mb4_0900_bin", "utf8mb4_nopad_bin"} {
		has, err := exists(ctx, conn, "SELECT COUNT(*) FROM information_schema.COLLATIONS WHERE COLLATION_NAME = ?", name)
		if err != nil {
			return "", fmt.Errorf("look for a collation: %w", err)
		}
		if has {
			return name, nil
		}
	}
	return "", errors.New("the server has neither utf8mb4_0900_bin (MySQL 8) nor utf8mb4_nopad_bin (MariaDB 10.2): it is too old")
}

var (
	alterTable = regexp.MustCompile(`^ALTER TABLE (\w+)\n`)
	addOrDrop  = regexp.MustCompile(`^(ADD|DROP) (COLUMN|KEY|UNIQUE KEY) (\w+)( |$)`)
	safeClause = regexp.MustCompile(`^(MODIFY|ENGINE=|ROW_FORMAT=)`)
)

// checkRepeatable returns an error if the first words of a statement show that it
// cannot run twice. MySQL commits every change of a table on its own, and an
// interrupted migration runs again from its first statement.
func checkRepeatable(statement string) error {
	for _, start := range []string{"CREATE TABLE IF NOT EXISTS ", "DROP TABLE IF EXISTS ", "INSERT IGNORE INTO ", "UPDATE "} {
		if strings.HasPrefix(statement, start) {
			return nil
		}
	}
	if !alterTable.MatchString(statement) {
		return errors.New("cannot be repeated: want CREATE TABLE IF NOT EXISTS, DROP TABLE IF EXISTS, INSERT IGNORE INTO, UPDATE, or ALTER TABLE with its clauses on the next lines")
	}
	for _, c := range clauses(statement) {
		if !addOrDrop.MatchString(c) && !safeClause.MatchString(c) {
			return fmt.Errorf("%q cannot be repeated: want ADD or DROP with COLUMN, KEY or UNIQUE KEY, or MODIFY, each on a line of its own", c)
		}
	}
	return nil
}

// clauses returns the clauses of an ALTER TABLE, which are its lines after the
// first.
func clauses(alter string) []string {
	lines := strings.Split(alter, "\n")[1:]
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(strings.TrimSpace(l), ",")
	}
	return lines
}

// execMySQL runs a statement. It skips the clauses of an ALTER TABLE that were
// applied already, because MySQL, unlike MariaDB, has no ADD COLUMN IF NOT EXISTS.
func execMySQL(ctx context.Context, conn DB, statement string) error {
	if m := alterTable.FindStringSubmatch(statement); m != nil {
		open, err := openClauses(ctx, conn, m[1], clauses(statement))
		if err != nil {
			return fmt.Errorf("read what %s has: %w", m[1], err)
		}
		if len(open) == 0 {
			return nil
		}
		statement = m[0] + strings.Join(open, ",\n")
	}
	_, err := conn.ExecContext(ctx, statement)
	return err
}

// openClauses returns the clauses that were not applied yet. The caller runs them
// as one statement, because each ALTER TABLE may copy the whole table.
func openClauses(ctx context.Context, conn DB, table string, list []string) (open []string, err error) {
	for _, c := range list {
		done, err := isDone(ctx, conn, table, c)
		if err != nil {
			return nil, err
		}
		if !done {
			open = append(open, c)
		}
	}
	return open, nil
}

func isDone(ctx context.Context, conn DB, table, clause string) (bool, error) {
	m := addOrDrop.FindStringSubmatch(clause)
	if m == nil {
		return false, nil
	}
	has := hasKey
	if m[2] == "COLUMN" {
		has = hasColumn
	}
	there, err := has(ctx, conn, table, m[3])
	return there == (m[1] == "ADD"), err
}

func hasColumn(ctx context.Context, conn DB, table, name string) (bool, error) {
	return exists(ctx, conn, "SELECT COUNT(*) FROM information_schema.COLUMNS "+
		"WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND COLUMN_NAME = ?", table, name)
}

func hasKey(ctx context.Context, conn DB, table, name string) (bool, error) {
	return exists(ctx, conn, "SELECT COUNT(*) FROM information_schema.STATISTICS "+
		"WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND INDEX_NAME = ?", table, name)
}

// exists reports whether a COUNT query returns more than 0.
func exists(ctx context.Context, conn DB, query string, args ...any) (bool, error) {
	var n int64
	err := conn.QueryRowContext(ctx, query, args...).Scan(&n)
	return n > 0, err
}
