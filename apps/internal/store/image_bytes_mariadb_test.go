package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/kerneltest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// docs/capacity.md computes the database's volume from these bounds, in bytes on disk with all
// indexes. ROLLCALL_TEST_ROWS=100000 measures with more images; the first pages weigh more in few.
const (
	mostPerImage = 1200
	mostPerFace  = 3200
	mostPerEvent = 400
)

// TestBytesOfAnImage measures what an image takes in the database, with two faces of the default
// model set's size and two events.
func TestBytesOfAnImage(t *testing.T) {
	t.Parallel()
	n, err := strconv.Atoi(os.Getenv(rowsVariable))
	if err != nil {
		n = 2000
	}
	db := mariadbtest.Database(t)
	s := openMariaDB(t, db)
	migrate(t, s)
	const batch = 500
	for first := 0; first < n; first += batch {
		finishWithFaces(t, s, first, batch)
	}
	for {
		more, err := s.SequenceEvents(t.Context(), 2*batch)
		if err != nil {
			t.Fatal(err)
		}
		if more == 0 {
			break
		}
	}
	bytes := tableBytes(t, rawMariaDB(t, db), n)
	t.Logf("%d images: %d bytes an image, %d a face, %d an event", n, bytes["images"], bytes["faces"]/2, bytes["events"]/2)
	if bytes["images"] > mostPerImage || bytes["faces"]/2 > mostPerFace || bytes["events"]/2 > mostPerEvent {
		t.Errorf("more than docs/capacity.md computes with (%d, %d, %d)", mostPerImage, mostPerFace, mostPerEvent)
	}
}

// finishWithFaces posts images and stores an answer with two faces for each.
func finishWithFaces(t *testing.T, s *store.Store, first, n int) {
	t.Helper()
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprintf("/unknown_people/2026/11/30/camera-07/%09d.jpg", first+i)
	}
	images, err := s.AddImages(t.Context(), paths)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, n)
	for i, img := range images {
		ids[i] = img.ID
	}
	people := kerneltest.NewPeople(uint64(first + 1))
	var results []store.Result
	for _, c := range claim(t, s, ids).Claimed {
		out := faces.Outcome{Reason: faces.UnknownPerson, Width: 4000, Height: 3000, Model: "dlib-mobilefacenet-1"}
		for range 2 {
			out.Faces = append(out.Faces, faces.Face{
				Box: faces.Box{X: 100, Y: 100, Width: 200, Height: 200}, Landmarks: make([]faces.Point, 5), Descriptor: people.Person(),
				Reason: faces.UnknownPerson, Model: out.Model, Gallery: "0123456789abcdef0123456789abcdef",
			})
		}
		results = append(results, store.Result{Lease: c.Lease, Outcome: out})
	}
	if stale, err := s.Finish(t.Context(), results); err != nil || len(stale) > 0 {
		t.Fatalf("%d stale, %v", len(stale), err)
	}
}

// tableBytes returns the bytes on disk of each table for one of n images.
func tableBytes(t *testing.T, raw *sql.DB, n int) map[string]int {
	t.Helper()
	bytes := map[string]int{}
	for _, table := range []string{"images", "faces", "events"} {
		queryRaw(t, raw, "analyze table "+table, func(*sql.Rows) error { return nil })
		queryRaw(t, raw, "select data_length + index_length from information_schema.tables where table_schema = database() and table_name = '"+table+"'",
			func(rows *sql.Rows) error {
				var size int
				err := rows.Scan(&size)
				bytes[table] = size / n
				return err
			})
	}
	return bytes
}
