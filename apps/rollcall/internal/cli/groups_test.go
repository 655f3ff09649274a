package cli_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
)

// strangers stores faces that nobody knows, in one group, as the job does.
func (o *office) strangers(n int) {
	o.t.Helper()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: o.file}).EscapedPath()+"?_pragma=busy_timeout(10000)")
	if err != nil {
		o.t.Fatal(err)
	}
	defer db.Close()
	for i := range n {
		images, err := o.store.AddImages(o.t.Context(), []string{filepath.Join("/unknown_people", fmt.Sprintf("%d.jpg", i))})
		if err != nil {
			o.t.Fatal(err)
		}
		o.seeBy(model, images[0].ID, faces.Sighting{Box: faces.Box{X: 7, Width: 80, Height: 80}, Descriptor: faces.Descriptor{float32(i)}})
		if _, err := db.ExecContext(o.t.Context(), "insert into face_groups (face_id, model, group_key) values (?, ?, 1)", i+1, model.ID); err != nil {
			o.t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(o.t.Context(), "insert into group_sizes (model, group_key, faces) values (?, 1, ?)", model.ID, n); err != nil {
		o.t.Fatal(err)
	}
	now := time.Now().UTC()
	_, err = db.ExecContext(o.t.Context(), "insert into grouping (model, state, distance, faces, total, started_at, updated_at) values (?, 'building', 0.4, 3, 9, ?, ?)", model.ID, now, now)
	if err != nil {
		o.t.Fatal(err)
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.run("groups", "list").expect(cli.ExitOK, "KEY", "No groups have been made yet.")
	o.strangers(5)
	o.run("groups", "list").expect(cli.ExitOK, "1    5      5       1,2,3,4", "not complete yet: building, 3 of 9 faces")
	o.run("groups", "list", "--min-faces", "6", "-o", "json").expect(cli.ExitOK, `"groups": []`)
	o.run("groups", "show", "1").expect(cli.ExitOK, "group 1: 5 faces in 5 images, distance 0.400", "face 3  /unknown_people/2.jpg at 7,0 (80×80)")

	o.run("groups", "name", "1", "Ada", "--faces", "1,2", "--enrol", "0").expect(cli.ExitFailed, "Ada: 2 faces of group 1.", "--yes")
	o.run("groups", "name", "1", "Ada", "--faces", "1,2", "--enrol", "0", "--yes").expect(cli.ExitOK, "Ada (person 1), who is new: 2 faces in 2 images.", "rollcall groups undo 1")
	o.run("groups", "split", "1", "--faces", "3", "-y").expect(cli.ExitOK, "3 faces are of two people", "undo 2")
	o.run("groups", "ignore", "1", "--faces", "4", "-y").expect(cli.ExitOK, "1 face in 1 image")
	o.run("groups", "not-a-face", "1", "-y", "-o", "json").expect(cli.ExitOK, `"says": "not_a_face"`, `"left": 0`)
	o.run("groups", "show", "1").expect(cli.ExitFailed, "404", "there is no group 1")
	o.run("groups", "undo", "2").expect(cli.ExitOK, "Change 2 is undone: 0 images changed.")
	o.run("groups", "undo", "1").expect(cli.ExitOK, "Change 1 is undone: 2 images changed.", "Nothing is left of Ada (person 1) but the name; rollcall people delete 1")
	o.run("groups", "undo", "1").expect(cli.ExitFailed, "undone before")
}

func TestGroupsRefuse(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.strangers(3)
	for _, wrong := range [][]string{
		{"groups", "show"}, {"groups", "show", "x"}, {"groups", "show", "-1"}, {"groups", "name", "1"}, {"groups", "name", "1", "Ada", "--person", "1"},
		{"groups", "split", "1"}, {"groups", "undo", "x"}, {"groups", "nonsense"},
	} {
		o.run(wrong...).expect(cli.ExitFailed, "help")
	}
	o.run("groups", "name", "1", "--person", "9", "-y").expect(cli.ExitFailed, "404")
	o.run("groups", "split", "1", "--faces", "9", "-y").expect(cli.ExitFailed, "face 9 is not in group 1")
	o.run("groups", "show", "1", "--distance", "9").expect(cli.ExitFailed, "400")
}
