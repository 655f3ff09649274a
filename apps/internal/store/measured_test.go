package store_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// counted returns how many statements of each kind and result a store has measured, and
// the pools that it tells of.
func counted(t *testing.T, s *store.Store) (statements map[string]uint64, pools int) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(store.Collector(s))
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	statements = map[string]uint64{}
	for _, f := range families {
		switch f.GetName() {
		case "rollcall_database_seconds":
			for _, m := range f.GetMetric() { // the labels are result and statement
				statements[m.GetLabel()[1].GetValue()+" "+m.GetLabel()[0].GetValue()] += m.GetHistogram().GetSampleCount()
			}
		case "go_sql_max_open_connections":
			pools = len(f.GetMetric())
		}
	}
	return statements, pools
}

func TestStatementsAreMeasured(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) (*store.Store, int){
		"SQLite": func(t *testing.T) (*store.Store, int) {
			return openSQLite(t, filepath.Join(t.TempDir(), "rollcall.db")), 2
		},
		"MariaDB": func(t *testing.T) (*store.Store, int) { return openMariaDB(t, mariadbtest.Database(t)), 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, wantPools := open(t)
			migrate(t, s)
			before, pools := counted(t, s)
			if pools != wantPools {
				t.Errorf("%d pools, want %d", pools, wantPools)
			}
			images, err := s.AddUploads(t.Context(), []string{unknownRoot + "/a.jpg"}, nil)
			if err != nil || len(images) != 1 {
				t.Fatalf("%v, %v", images, err)
			}
			if _, err := s.Image(t.Context(), images[0].ID); err != nil {
				t.Fatal(err)
			}
			if _, err := s.ChangePerson(t.Context(), 4711, faces.AnyVersion, faces.ProfileChange{}); err == nil {
				t.Fatal("somebody who is not there was changed")
			}
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := s.Image(gone, images[0].ID); err == nil {
				t.Fatal("a client that has gone got an answer")
			}
			after, _ := counted(t, s)
			for _, kind := range []string{"select ok", "insert ok", "transaction rolled_back"} {
				if after[kind] <= before[kind] {
					t.Errorf("%s: %d, and %d before", kind, after[kind], before[kind])
				}
			}
			if after["select failed"] != before["select failed"] {
				t.Error("a client that has gone counts as a failure of the database")
			}
		})
	}
}
