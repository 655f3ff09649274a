package store_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// uncertainRows are more uncertain images of schema 7: of low quality, alone, and of
// a model set that is unknown.
func uncertainRows() []string {
	var rows []string
	for i, face := range []string{
		"'lite-2', 'too_small', 1, 0.25, 'Ada/1.jpg', -1, 0, '', 20, 9.5, 0, 0.9375, 0",
		"'lite-2', 'too_small', 1, 0.25, 'Ada/1.jpg', 2, 0.265625, 'Zoë/1.jpg', 20, 9.5, 0, 0.9375, 0",
		"'lite-2', 'too_small', 1, 0.75, 'Ada/1.jpg', -1, 0, '', 20, 9.5, 0, 0.9375, 0",
		"'lite-2', 'blurred', 1, 0.25, 'Ada/1.jpg', -1, 0, '', 80, 0.5, 0, 0, 0",
		"'lite-2', 'turned_away', 1, 0.25, 'Ada/1.jpg', -1, 0, '', 80, 9.5, -67.5, 0.9375, 0",
		"'lite-2', 'cut_off', 1, 0.25, 'Ada/1.jpg', -1, 0, '', 80, 9.5, 0, 0.9375, 0.625",
		"'lite-2', 'blurred', 1, 0.25, 'Ada/1.jpg', -1, 0, '', 80, 9.5, 0, 0.35, 0",
		"'lite-2', 'uncertain', 1, 0.25, 'Ada/1.jpg', 1, 0.25, 'Ada/1.jpg', 80, 9.5, 0, 0.9375, 0",
		"'lite-2', 'uncertain', 1, 0.25, 'Ada/1.jpg', 2, 0.2421875, 'Zoë/1.jpg', 80, 9.5, 0, 0.9375, 0",
		"'gone', 'uncertain', 1, 0.25, 'Ada/1.jpg', 2, 0.265625, 'Zoë/1.jpg', 80, 9.5, 0, 0.9375, 0",
	} {
		rows = append(rows,
			fmt.Sprintf("insert into images (id, path, status, reason) values (%d, '/unknown_people/%d.jpg', 0, 'uncertain')", 1000+i, i),
			fmt.Sprintf("insert into faces (image_id, position, x, y, width, height, landmarks, descriptor, model, reason, best_person_id, best_distance, "+
				"matched_image, second_person_id, second_distance, second_image, quality_size, quality_sharpness, quality_yaw, quality_detection, quality_cut_off) "+
				"values (%d, 0, 1, 1, 9, 9, '[]', '', %s)", 1000+i, face))
	}
	return rows
}

// The migration computes what the program would.
func TestUpgradeFillsCertainty(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, s *store.Store, raw *sql.DB) {
		t.Helper()
		models, err := s.Models(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		different := map[int]bool{}
		queryRaw(t, raw, "select id, certainty from images where status = 0 and reason = 'uncertain'", func(rows *sql.Rows) error {
			var id int64
			var got int
			if err := rows.Scan(&id, &got); err != nil {
				return err
			}
			img, err := s.Image(t.Context(), id)
			if err != nil {
				return err
			}
			if want := faces.Certainty(img.Faces, func(id string) faces.Model { return models[id] }); got != want {
				t.Errorf("image %d: %d, want %d", id, got, want)
			}
			different[got] = true
			return nil
		})
		if len(different) < 5 {
			t.Errorf("the images show little: %v", different)
		}
		wantText(t, raw, "select count(*) from corrections where describe_at is not null", "2")
	}
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		db := mariadbtest.Database(t)
		raw := rawMariaDB(t, db)
		fillFrom(t, raw, "testdata/schema-7.mariadb.sql")
		execRaw(t, raw, uncertainRows()...)
		s := openMariaDB(t, db)
		migrate(t, s)
		check(t, s, raw)
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "rollcall.db")
		raw := rawSQLite(t, file)
		fillFrom(t, raw, "testdata/schema-7.sqlite.sql")
		execRaw(t, raw, uncertainRows()...)
		s := openSQLite(t, file)
		migrate(t, s)
		check(t, s, raw)
	})
}
