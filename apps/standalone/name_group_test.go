package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// Real people whom nobody knows: some faces of a group of strangers get a name by the API,
// and then the person's faces in pictures that were posted before, and after, get it, too.
// Undoing takes all of it back.
func TestNamedGroupBringsOtherPictures(t *testing.T) {
	t.Parallel()
	photos := os.Getenv("ROLLCALL_TEST_FACES")
	if photos == "" {
		t.Skip("ROLLCALL_TEST_FACES names no folder of photographs")
	}
	dir := t.TempDir()
	known, unknown := filepath.Join(dir, "known"), filepath.Join(dir, "unknown")
	// Known people who stay: if an undoing removed most known pictures, somebody would have to
	// confirm the re-match that follows.
	for _, person := range []string{"raj", "howard"} {
		if err := os.CopyFS(filepath.Join(known, person), os.DirFS(filepath.Join(photos, "people", person))); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"people/sheldon", "people/amy", "groups"} {
		if err := os.CopyFS(filepath.Join(unknown, folder), os.DirFS(filepath.Join(photos, folder))); err != nil {
			t.Fatal(err)
		}
	}
	i := start(t, filepath.Join(dir, "data"), []string{"ROLLCALL_REMATCH_DELAY=100ms"}, "-known", known, "-unknown", unknown, "-ask=false")
	eventually(t, "the welcome", i.welcomed)
	ids := map[string]int64{}
	for n := 1; n <= 5; n++ {
		for _, who := range []string{"sheldon", "amy"} {
			name := fmt.Sprintf("people/%s/%s%d.png", who, who, n)
			ids[name] = i.answered(name).ID
		}
	}
	before := []string{"groups/bbt1.jpg", "groups/bbt3.jpg", "groups/bbt4.jpg"}
	for _, name := range before {
		ids[name] = i.answered(name).ID
	}
	c := client.New("http://" + i.api)
	named := i.nameThree(c, "/sheldon/")

	shows := func(id int64) bool { return slices.Contains(i.named(id), "Sheldon") }
	followed := append([]string{"people/sheldon/sheldon4.png", "people/sheldon/sheldon5.png"}, before...)
	for _, name := range followed {
		eventually(t, "the name follows in "+name+", which was posted before", func() bool { return shows(ids[name]) })
	}
	after := i.post("groups/bbt2.jpg").ID
	eventually(t, "the name in a picture that was posted after", func() bool { return shows(after) })
	for name, id := range ids {
		if strings.Contains(name, "/amy/") && shows(id) {
			t.Errorf("%s shows Sheldon", name)
		}
	}

	undone, err := c.UndoGroupChange(t.Context(), named)
	if err != nil || undone.DeletedKnownPictures == 0 {
		t.Fatalf("undo: %+v, %v, want that the known pictures are deleted", undone, err)
	}
	for _, name := range followed {
		eventually(t, "the name is taken back in "+name, func() bool { return !shows(ids[name]) })
	}
	i.checkNoTrouble()
	i.stop(syscall.SIGINT)
}

// nameThree waits for the group of a person's pictures, whose paths have a part, and says
// that three of its faces are Sheldon. It returns the id of the change.
func (i *instance) nameThree(c *client.Client, part string) (change int64) {
	i.t.Helper()
	var found api.GroupDetail
	var three []int64
	eventually(i.t, "the group of "+part, func() bool {
		list, err := c.ListGroups(i.t.Context(), api.ListGroupsParams{})
		if err != nil || !list.Grouping.Complete {
			return false
		}
		for _, g := range list.Groups {
			found, err = c.GetGroup(i.t.Context(), g.Key, api.GetGroupParams{})
			if err != nil {
				return false
			}
			three = nil
			for _, m := range found.Members {
				if strings.Contains(m.Image.Path, part) {
					three = append(three, m.Face.ID)
				}
			}
			if len(three) >= 3 {
				return true
			}
		}
		return false
	})
	three, name := three[:3], "Sheldon"
	done, err := c.NameGroup(i.t.Context(), found.Key, found.Version, api.GroupName{Name: &name, FaceIDs: &three})
	if err != nil {
		i.t.Fatal(err)
	}
	if done.Faces != 3 || len(done.Enrolled) == 0 {
		i.t.Errorf("named %d faces, and enrolled %+v, not %+v", done.Faces, done.Enrolled, done.NotEnrolled)
	}
	return done.ID
}
