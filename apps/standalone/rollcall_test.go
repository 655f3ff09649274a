package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The command-line client makes people known by the API, with photographs, and then
// the faces of pictures that were answered before get their names.
func TestEnrolledByTheClient(t *testing.T) {
	t.Parallel()
	photos := os.Getenv("ROLLCALL_TEST_FACES")
	if photos == "" {
		t.Skip("ROLLCALL_TEST_FACES names no folder of photographs")
	}
	dir := t.TempDir()
	client := filepath.Join(dir, "rollcall")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", client, "../rollcall")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the client: %v\n%s", err, out)
	}
	known, unknown := filepath.Join(dir, "known"), filepath.Join(dir, "unknown")
	for _, folder := range []string{known, unknown} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 5 {
		name := fmt.Sprintf("bbt%d.jpg", n+1)
		copyFile(t, filepath.Join(photos, "groups", name), filepath.Join(unknown, name))
	}
	i := start(t, filepath.Join(dir, "data"), []string{"ROLLCALL_REMATCH_DELAY=100ms"}, "-known", known, "-unknown", unknown, "-ask=false")
	eventually(t, "the welcome", i.welcomed)
	rollcall := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), client, append(args, "--server", "http://"+i.api)...)
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("rollcall %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := rollcall("post", "--wait", "bbt1.jpg", "bbt2.jpg", "bbt3.jpg", "bbt4.jpg", "bbt5.jpg"); strings.Count(out, "unknown_person") != 5 {
		t.Errorf("before anybody is known: %s", out)
	}
	people := filepath.Join(photos, "people")
	for _, want := range []string{
		"13 people (13 new), 95 pictures: 94 added, 1 the same as another file.", // two files are one picture
		"13 people (0 new), 95 pictures: 95 known already.",
	} {
		if out := rollcall("enrol", people); !strings.HasPrefix(out, want) {
			t.Errorf("enrol: got %s, want %s", out, want)
		}
	}
	for name, want := range groups {
		id := i.post(name).ID
		eventually(t, "the names in "+name, func() bool { return slices.Equal(i.named(id), want) })
	}
	i.stop(syscall.SIGTERM)
}

// groups are the people of the photographs of groups, by their files.
var groups = map[string][]string{
	"bbt1.jpg": {"howard", "leonard", "raj", "sheldon"},
	"bbt2.jpg": {"leonard", "raj", "sheldon"},
	"bbt3.jpg": {"howard", "leonard", "penny", "raj", "sheldon"},
	"bbt4.jpg": {"amy", "bernadette", "leonard", "penny", "raj", "sheldon"},
	"bbt5.jpg": {"howard", "leonard", "penny", "raj", "sheldon"},
}

// named returns the names of the people in an image, in order.
func (i *instance) named(id int64) []string {
	var img image
	i.get(fmt.Sprintf("/api/v1/images/%d", id), &img)
	var names []string
	for _, f := range img.Faces {
		if f.Person != nil {
			names = append(names, f.Person.Name)
		}
	}
	slices.Sort(names)
	return names
}
