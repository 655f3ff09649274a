package migrations

import (
	"database/sql"
	"os"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

// TestAlterTable repeats changes of a table that were done in part.
func TestAlterTable(t *testing.T) {
	t.Parallel()
	const alter = "ALTER TABLE a\n" +
		"  ADD COLUMN new INT NOT NULL DEFAULT 5,\n" +
		"  ADD KEY a_new (new, kept),\n" +
		"  DROP COLUMN old,\n" +
		"  DROP KEY a_old,\n" +
		"  MODIFY kept BIGINT NOT NULL"
	for name, before := range map[string][]string{
		"nothing done": nil,
		"columns done": {"ALTER TABLE a ADD COLUMN new INT NOT NULL DEFAULT 5, DROP COLUMN old"},
		"keys done":    {"ALTER TABLE a ADD COLUMN new INT NOT NULL DEFAULT 5, ADD KEY a_new (new, kept), DROP KEY a_old"},
		"all done":     {alter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := mysql.check(alter); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("mysql", mariadbtest.Database(t).DSN())
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, s := range append([]string{"CREATE TABLE a (kept INT NOT NULL, old INT, KEY a_old (kept))", "INSERT INTO a VALUES (1, 2)"}, before...) {
				if _, err := db.ExecContext(t.Context(), s); err != nil {
					t.Fatalf("%s: %v", s, err)
				}
			}
			for range 2 {
				if err := mysql.exec(t.Context(), db, alter); err != nil {
					t.Fatal(err)
				}
			}
			const columns = "SELECT GROUP_CONCAT(COLUMN_NAME, ' ', DATA_TYPE ORDER BY COLUMN_NAME SEPARATOR ', ') FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
			wantText(t, db, columns, "kept bigint, new int")
			wantText(t, db, "SELECT GROUP_CONCAT(DISTINCT INDEX_NAME) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE()", "a_new")
			wantText(t, db, "SELECT CONCAT_WS(' ', kept, new) FROM a", "1 5")
		})
	}
}

func wantText(t *testing.T, db *sql.DB, query, want string) {
	t.Helper()
	var got string
	if err := db.QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want {
		t.Errorf("%s: %q, %v, want %q", query, got, err, want)
	}
}
