package mariadbtest_test

import (
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
)

// TestGaleraLosesANode kills one node and pauses another one afterwards: the rest goes on,
// and both come back with what they missed.
func TestGaleraLosesANode(t *testing.T) {
	t.Parallel()
	c := mariadbtest.GaleraCluster(t)
	if err := c.CreateDatabase(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
	exec(t, open(t, c.Database(0, "kept")), "CREATE TABLE images (id BIGINT PRIMARY KEY)")

	if err := c.Node(2).Kill(); err != nil {
		t.Fatal(err)
	}
	exec(t, open(t, c.Database(1, "kept")), "INSERT INTO images VALUES (1)")
	if err := c.Node(2).Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, c)

	if err := c.Node(0).Pause(); err != nil {
		t.Fatal(err)
	}
	exec(t, open(t, c.Database(2, "kept")), "INSERT INTO images VALUES (2)")
	if err := c.AwaitRest(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Node(0).Resume(); err != nil {
		t.Fatal(err)
	}
	await(t, c)
	for i := range mariadbtest.Nodes {
		db := open(t, c.Database(i, "kept"))
		db.SetMaxOpenConns(1)
		exec(t, db, "SET SESSION wsrep_sync_wait = 1")
		if got := count(t, db); got != 2 {
			t.Errorf("node %d has %d rows, want 2", i, got)
		}
	}
}

func await(t *testing.T, c *mariadbtest.Cluster) {
	t.Helper()
	if err := c.AwaitWhole(t.Context()); err != nil {
		t.Fatal(err)
	}
}
