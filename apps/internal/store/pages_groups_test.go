package store_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// fillGroups makes n unknown faces as wide as those of the usual model set, of which three
// tenths are in groups of 300, four tenths in groups of 40, and the others in groups of 3.
func fillGroups(t *testing.T, raw *sql.DB, n int, series, bytes string) {
	t.Helper()
	key := fmt.Sprintf("case when seq <= %d then (seq - 1) %% %d + 1 when seq <= %d then %d + (seq - 1) %% %d + 1 else %d + (seq - 1) %% %d + 1 end",
		3*n/10, n/1000, 7*n/10, 3*n/10, n/100, 7*n/10, n/10)
	execRaw(t, raw,
		"insert into faces (image_id, position, x, y, width, height, landmarks, descriptor, descriptor_rest, model, reason, best_person_id, best_distance, matched_image, second_person_id, second_distance, second_image, quality_score, quality_size) "+
			"select seq, 0, 1, 1, 1, 1, '[]', "+fmt.Sprintf(bytes, 512)+", "+fmt.Sprintf(bytes, 2048)+", 'm', 'unknown_person', -1, 0, '', -1, 0, '', seq % 97 / 97.0, 80 from "+series,
		"insert into face_groups (face_id, model, group_key) select seq, 'm', "+key+" from "+series,
		"insert into group_sizes (model, group_key, faces) select model, group_key, count(*) from face_groups group by model, group_key",
	)
}

// checkGroupPages reads pages of groups. From 100,000 faces on it checks their time.
func checkGroupPages(t *testing.T, s *store.Store, n int) {
	t.Helper()
	for _, f := range []store.GroupFilter{
		{Limit: 20, Samples: 4},
		{Limit: 30, Samples: 3}, // the dashboard's
		{Limit: 100, Samples: 4},
		{Limit: 100, Samples: 4, After: store.GroupCursor{Faces: 41, Key: 1}},
		{Limit: 100, Samples: 4, After: store.GroupCursor{Faces: 4, Key: 1}},
		{Limit: 100},
	} {
		f.Model = "m"
		var times []time.Duration
		for range 15 {
			begin := time.Now()
			list, _, err := s.Groups(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, time.Since(begin))
			if len(list) != f.Limit {
				t.Fatalf("a page of %d groups has %d", f.Limit, len(list))
			}
			for _, g := range list {
				if len(g.Samples) != min(f.Samples, g.Faces) {
					t.Fatalf("group %d of %d faces has %d samples, want %d", g.Key, g.Faces, len(g.Samples), f.Samples)
				}
			}
		}
		slices.Sort(times)
		name := fmt.Sprintf("%d groups with %d samples after %v", f.Limit, f.Samples, f.After)
		t.Logf("%6.1f ms, median %6.1f: %s", float64(times[0].Microseconds())/1000, float64(times[len(times)/2].Microseconds())/1000, name)
		if best := times[0]; n >= 100_000 && best > pageTime {
			t.Errorf("%s: a page takes %s, want at most %s", name, best, pageTime)
		}
	}
}

func TestPagesOfGroupsOnMariaDB(t *testing.T) {
	t.Parallel()
	n := manyImages(t)
	db := mariadbtest.Database(t)
	s, raw := openMariaDB(t, db), rawMariaDB(t, db)
	migrate(t, s)
	fillGroups(t, raw, n, fmt.Sprintf("seq_1_to_%d", n), "repeat(char(seq %% 256), %d)")
	execRaw(t, raw, "analyze table faces, face_groups, group_sizes")
	checkGroupPages(t, s, n)
}

func TestPagesOfGroupsOnSQLite(t *testing.T) {
	t.Parallel()
	n := manyImages(t)
	file := filepath.Join(t.TempDir(), "rollcall.db")
	s, raw := openSQLite(t, file), rawSQLite(t, file)
	migrate(t, s)
	fillGroups(t, raw, n, fmt.Sprintf("(with recursive r(seq) as (select 1 union all select seq + 1 from r where seq < %d) select seq from r)", n), "zeroblob(%d)")
	checkGroupPages(t, s, n)
}
