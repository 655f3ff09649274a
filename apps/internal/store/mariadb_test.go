package store_test

import (
	"database/sql"
	"os"
	"strconv"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/storetest"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

func TestMariaDB(t *testing.T) {
	t.Parallel()
	var statements recorder
	t.Cleanup(func() { statements.checkStatements(t) }) // after all subtests
	storetest.Test(t, func(t *testing.T, opts ...store.Option) (*store.Store, *sql.DB) {
		db := mariadbtest.Database(t)
		s := openMariaDB(t, db, opts...)
		migrate(t, s)
		statements.record(t, s)
		return s, rawMariaDB(t, db)
	})
}

func openMariaDB(t *testing.T, db mariadbtest.DB, opts ...store.Option) *store.Store {
	t.Helper()
	s, err := store.OpenMySQL(settings(t, db), opts...)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, s.Close)
	return s
}

// settings returns a database's address as programs read it.
func settings(t *testing.T, db mariadbtest.DB) config.Database {
	t.Helper()
	r := config.NewReader(config.Map(map[string]string{
		"MYSQL_CONNECTION": db.Host, "MYSQL_PORT": strconv.Itoa(db.Port), "MYSQL_DBNAME": db.Name,
		"MYSQL_USERPASSWORD": db.User + ":" + db.Password, "ROLLCALL_DB_CONNECTIONS": "8",
	}))
	cfg := config.ReadDatabase(r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// rawMariaDB opens a database as another program does.
func rawMariaDB(t *testing.T, db mariadbtest.DB) *sql.DB {
	t.Helper()
	raw, err := sql.Open("mysql", db.DSN())
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, raw.Close)
	return raw
}

func TestMariaDBMigrate(t *testing.T) {
	t.Parallel()
	checkMigrate(t, openMariaDB(t, mariadbtest.Database(t)))
}

func TestMariaDBMigrateFromManyAtOnce(t *testing.T) {
	t.Parallel()
	cfg := settings(t, mariadbtest.Database(t))
	checkMigrateAtOnce(t, func() (*store.Store, error) { return store.OpenMySQL(cfg) })
}
