package store_test

import (
	"database/sql"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/storetest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/store/migrations"
)

// TestGalera runs the whole suite on a cluster. Each connection of each store is to another
// node.
func TestGalera(t *testing.T) {
	t.Parallel()
	c := mariadbtest.GaleraCluster(t)
	front := balance(t, c)
	var tests atomic.Int64
	storetest.Test(t, func(t *testing.T, opts ...store.Option) (*store.Store, *sql.DB) {
		name := "suite_" + strconv.FormatInt(tests.Add(1), 10)
		if err := c.CreateDatabase(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		s := openMariaDB(t, front.Database(name), opts...)
		migrate(t, s)
		return s, rawGalera(t, front.Database(name))
	})
}

// TestGaleraInBrief is what breaks first on a cluster: programs that migrate from three
// nodes at once, and ones that claim the same images on three nodes.
func TestGaleraInBrief(t *testing.T) {
	t.Parallel()
	c := mariadbtest.BriefGaleraCluster(t)
	const name = "brief"
	if err := c.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	var turn atomic.Int64
	checkMigrateAtOnce(t, func() (*store.Store, error) {
		return store.OpenMySQL(settings(t, c.Database(int(turn.Add(1)%mariadbtest.Nodes), name)))
	})
	var stores []*store.Store
	for i := range mariadbtest.Nodes {
		stores = append(stores, openMariaDB(t, c.Database(i, name)))
	}
	checkIDsOfNodes(t, stores)
	checkClaimsOfNodes(t, stores)
	checkNames(t, stores)
	checkCorrections(t, stores)
	checkAnswersOfTheDeleted(t, stores)
}

// checkIDsOfNodes adds images on one node after the other: each finds those of the others,
// and ids go up.
func checkIDsOfNodes(t *testing.T, stores []*store.Store) {
	t.Helper()
	last := int64(0)
	for i := range 9 {
		paths := make([]string, 30)
		for j := range paths {
			paths[j] = fmt.Sprintf("/unknown_people/%d/%d.jpg", i, j)
		}
		added, err := stores[i%len(stores)].AddImages(t.Context(), paths)
		if err != nil {
			t.Fatal(err)
		}
		for j, img := range added {
			got, err := stores[(i+1)%len(stores)].Image(t.Context(), img.ID)
			if err != nil || got.Path != paths[j] || img.ID <= last {
				t.Fatalf("image %d after %d is %s, want %s, %v", img.ID, last, got.Path, paths[j], err)
			}
			last = img.ID
		}
		again, err := stores[(i+2)%len(stores)].AddImages(t.Context(), paths)
		if err != nil || again[0].ID != added[0].ID {
			t.Fatalf("a path has two ids: %d and %d, %v", added[0].ID, again[0].ID, err)
		}
	}
}

// checkClaimsOfNodes lets each node claim all images at once.
func checkClaimsOfNodes(t *testing.T, stores []*store.Store) {
	t.Helper()
	var ids []int64
	for i := range 60 {
		added, err := stores[0].AddImages(t.Context(), []string{fmt.Sprintf("/unknown_people/claimed/%d.jpg", i)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, added[0].ID)
	}
	var mu sync.Mutex // guards claimed
	claimed := map[int64]int{}
	var all sync.WaitGroup
	for _, s := range stores {
		all.Go(func() {
			for i := 0; i < len(ids); i += 10 {
				got, err := s.Claim(t.Context(), "processor", ids[i:i+10], time.Minute)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, c := range got.Claimed {
					claimed[c.ImageID]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		if claimed[id] != 1 {
			t.Errorf("image %d was claimed %d times", id, claimed[id])
		}
	}
}

// checkNames adds people of one name on all nodes at once. Only the lock that makes such
// transactions run one after the other keeps a name unique.
func checkNames(t *testing.T, stores []*store.Store) {
	t.Helper()
	const people = 10
	var added atomic.Int64
	var all sync.WaitGroup
	for _, s := range stores {
		all.Go(func() {
			for i := range people {
				_, err := s.AddPerson(t.Context(), fmt.Sprintf("Person %d", i))
				if err == nil {
					added.Add(1)
				} else if faces.ErrorCode(err) != faces.CodeConflict {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	list, err := stores[0].People(t.Context())
	if err != nil || len(list) != people || added.Load() != people {
		t.Errorf("%d people were added and %d are there, want %d, %v", added.Load(), len(list), people, err)
	}
}

// checkCorrections corrects a face on one node while another one stores an answer of its
// image: a correction that was accepted stands.
func checkCorrections(t *testing.T, stores []*store.Store) {
	t.Helper()
	list, err := stores[0].People(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wrong, right := list[0], list[1]
	for i := range 10 {
		added, err := stores[0].AddImages(t.Context(), []string{fmt.Sprintf("/unknown_people/corrected/%d.jpg", i)})
		if err != nil {
			t.Fatal(err)
		}
		id := added[0].ID
		finishShowing(t, stores[0], claim(t, stores[0], []int64{id}).Claimed[0].Lease, wrong)
		if _, err := stores[0].Retry(t.Context(), store.RetryFilter{IDs: []int64{id}}); err != nil {
			t.Fatal(err)
		}
		before, err := stores[0].Image(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		lease := claim(t, stores[1], []int64{id}).Claimed[0].Lease
		start := make(chan struct{})
		var corrected error
		var both sync.WaitGroup
		both.Go(func() {
			<-start
			finishShowing(t, stores[1], lease, wrong)
		})
		both.Go(func() {
			<-start
			_, corrected = stores[2].CorrectFace(t.Context(), faces.Statement{FaceID: before.Faces[0].ID, Name: right.Name})
		})
		close(start)
		both.Wait()
		after, err := stores[0].Image(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		got := after.Faces[0].Person
		switch {
		case corrected == nil && (got == nil || got.ID != right.ID):
			t.Errorf("image %d was corrected and shows %v, want %s", id, got, right.Name)
		case corrected != nil && faces.ErrorCode(corrected) != faces.CodeMissing: // the answer came first, with another face
			t.Error(corrected)
		}
	}
}

// checkAnswersOfTheDeleted deletes people on one node while another one stores answers that
// name them: no answer may name somebody who is not there.
func checkAnswersOfTheDeleted(t *testing.T, stores []*store.Store) {
	t.Helper()
	list, err := stores[0].People(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range list {
		added, err := stores[0].AddImages(t.Context(), []string{fmt.Sprintf("/unknown_people/deleted/%d.jpg", i)})
		if err != nil {
			t.Fatal(err)
		}
		claim, err := stores[1].Claim(t.Context(), "processor", []int64{added[0].ID}, time.Minute)
		if err != nil || len(claim.Claimed) != 1 {
			t.Fatalf("%+v, %v", claim, err)
		}
		start := make(chan struct{})
		var both sync.WaitGroup
		both.Go(func() {
			<-start
			if err := finishAs(t.Context(), stores[1], claim.Claimed[0].Lease, p); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			<-start
			if _, err := stores[2].DeletePerson(t.Context(), p.ID, faces.AnyVersion); err != nil {
				t.Error(err)
			}
		})
		close(start)
		both.Wait()
		img, err := stores[0].Image(t.Context(), added[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range img.Faces {
			if f.Best != nil && f.Best.Person.ID == p.ID {
				t.Errorf("image %d names person %d, who was deleted", img.ID, p.ID)
			}
		}
	}
}

func balance(t *testing.T, c *mariadbtest.Cluster) *mariadbtest.Balancer {
	t.Helper()
	front, err := c.Balance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, front.Close)
	return front
}

// rawGalera opens a database of a cluster as another program does that waits for what is
// committed elsewhere.
func rawGalera(t *testing.T, db mariadbtest.DB) *sql.DB {
	t.Helper()
	cfg, err := mysql.ParseDSN(db.DSN())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Params = maps.Clone(cfg.Params)
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	cfg.Params["wsrep_sync_wait"] = "7"
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	raw := sql.OpenDB(connector)
	closeAfter(t, raw.Close)
	return raw
}

// TestGaleraMigrationLock has a program that migrates wait for one on another node, as long
// as that one lives, and take over from one that died.
func TestGaleraMigrationLock(t *testing.T) {
	t.Parallel()
	c := mariadbtest.GaleraCluster(t)
	for _, name := range []string{"alive", "dead"} {
		if err := c.CreateDatabase(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("of a program that lives", func(t *testing.T) {
		t.Parallel()
		pool := rawGalera(t, c.Database(0, "alive"))
		conn, err := pool.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		closeAfter(t, conn.Close)
		held, err := migrations.Lock(t.Context(), conn, pool, "alive")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		other := openMariaDB(t, c.Database(1, "alive"))
		go func() {
			_, err := other.Migrate(t.Context(), unknownRoot)
			done <- err
		}()
		wait.Within(t, 3*time.Minute, "the holder has lived for longer than a dead one would be waited for", func() bool {
			var beats int
			if err := pool.QueryRowContext(t.Context(), "SELECT beats FROM "+migrations.LockTable).Scan(&beats); err != nil {
				t.Fatal(err)
			}
			return beats >= 15
		})
		select {
		case err := <-done:
			t.Fatalf("the other one did not wait: %v", err)
		default:
		}
		if err := held.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if err := held.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("of a program that died", func(t *testing.T) {
		t.Parallel()
		pool := rawGalera(t, c.Database(0, "dead"))
		conn, err := pool.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held, err := migrations.Lock(t.Context(), conn, pool, "dead")
		if err != nil {
			t.Fatal(err)
		}
		// Its beats name a token that nobody has, so they are those of a dead program.
		if _, err := pool.ExecContext(t.Context(), "UPDATE "+migrations.LockTable+" SET token = 1"); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		migrate(t, openMariaDB(t, c.Database(1, "dead")))
		if err := held.Check(t.Context()); faces.ErrorCode(err) != faces.CodeUnavailable {
			t.Errorf("the first one, had it lived, would go on: %v", err)
		}
		if err := held.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestGaleraMinority leaves one node of three: it refuses everything, which is no fault of a
// request, and works again when the others are back.
func TestGaleraMinority(t *testing.T) {
	t.Parallel()
	c := mariadbtest.GaleraCluster(t)
	const name = "minority"
	if err := c.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	s := openMariaDB(t, c.Database(0, name))
	migrate(t, s)
	for _, i := range []int{1, 2} {
		if err := c.Node(i).Kill(); err != nil {
			t.Fatal(err)
		}
	}
	wait.Until(t, "the node knows that it has lost the others", func() bool { return s.Ping(t.Context()) != nil })
	if _, err := s.AddImages(t.Context(), []string{"/unknown_people/a.jpg"}); faces.ErrorCode(err) != faces.CodeUnavailable {
		t.Errorf("a post: %v", err)
	}
	if got := s.Problem(t.Context()); got != store.Unreachable {
		t.Errorf("the problem is %q", got)
	}
	var both sync.WaitGroup
	for _, i := range []int{1, 2} { // neither is a majority with node 0 alone
		both.Go(func() {
			if err := c.Node(i).Restart(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if err := c.AwaitWhole(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddImages(t.Context(), []string{"/unknown_people/a.jpg"}); err != nil {
		t.Errorf("a post to the whole cluster: %v", err)
	}
}

// TestGaleraUpgrade has programs on three nodes upgrade a database of each older schema at
// once.
func TestGaleraUpgrade(t *testing.T) {
	t.Parallel()
	c := mariadbtest.GaleraCluster(t)
	for version, dump := range landed {
		t.Run(dump, func(t *testing.T) {
			name := fmt.Sprintf("upgrade_%d", version)
			if err := c.CreateDatabase(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			raw := rawGalera(t, c.Database(0, name))
			fillFrom(t, raw, "testdata/"+dump+".mariadb.sql")
			tables := textsOf(t, raw, "select table_name from information_schema.tables where table_schema = database()")
			var turn atomic.Int64
			checkUpgrade(t, raw, version, tables, func() (*store.Store, error) {
				return store.OpenMySQL(settings(t, c.Database(int(turn.Add(1)%mariadbtest.Nodes), name)))
			})
		})
	}
}
