package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// A backup of a running standalone, restored into other folders, answers the same: images,
// people, and a picture to identify.
func TestRestoredStandaloneAnswersTheSame(t *testing.T) {
	t.Parallel()
	data, pictures := t.TempDir(), t.TempDir()
	unpack(t, pictures)
	known, unknown := filepath.Join(pictures, "known"), filepath.Join(pictures, "unknown")
	i := start(t, data, nil, "-known", known, "-unknown", unknown)
	eventually(t, "the welcome", i.welcomed) // after all answers
	expected, err := samples.Expected()
	if err != nil {
		t.Fatal(err)
	}
	i.rematched() // or a first re-match may change the answers after they were asked
	before := i.answers(len(expected))
	archive := filepath.Join(t.TempDir(), "a.tar.gz")
	code, stdout, stderr := commandtest.Run(t, spec(), map[string]string{}, "backup", "-data", data, "-known", known, "-unknown", unknown, "-to", archive)
	if code != command.ExitOK {
		t.Fatalf("backup: exit code %d, %s%s", code, stdout, stderr)
	}
	code, _, stderr = commandtest.Run(t, spec(), map[string]string{}, "restore", "-data", data, "-known", known, "-unknown", unknown, "-from", archive)
	if code != command.ExitFailed {
		t.Errorf("a restore below a running standalone: exit code %d, %s", code, stderr)
	}
	i.stop(syscall.SIGTERM)

	others, people := t.TempDir(), t.TempDir()
	args := []string{"-data", others, "-known", people, "-unknown", unknown}
	code, stdout, stderr = commandtest.Run(t, spec(), map[string]string{}, append([]string{"restore", "-from", archive}, args...)...)
	if code != command.ExitOK {
		t.Fatalf("restore: exit code %d, %s%s", code, stdout, stderr)
	}
	i = start(t, others, nil, append(args[2:], "-ask=false")...)
	eventually(t, "the welcome", i.welcomed)
	if diff := cmp.Diff(before, i.answers(len(expected))); diff != "" {
		t.Errorf("answers (-before +after):\n%s", diff)
	}
}

// rematched has all stored faces matched again with the known people of now. A standalone
// does so by itself if pictures were answered while it was still reading known people.
func (i *instance) rematched() {
	i.t.Helper()
	c := client.New("http://" + i.api)
	var job int64
	eventually(i.t, "the re-match is applied", func() bool {
		if job == 0 {
			asked, err := c.CreateRematch(i.t.Context(), api.RematchRequest{Full: true, Apply: true})
			if err != nil {
				i.t.Fatal(err)
			}
			job = asked.ID
		}
		now, err := c.GetRematch(i.t.Context(), job, api.GetRematchParams{})
		if err == nil && now.State == "outdated" { // the known people were still being read
			job = 0
		}
		return err == nil && now.State == "applied"
	})
}

// answers asks about everything, and about one picture that nobody posted.
func (i *instance) answers(images int) map[string]any {
	i.t.Helper()
	found := map[string]any{}
	ask := func(route string) {
		var v any
		if code := i.get(route, &v); code != http.StatusOK {
			i.t.Errorf("%s: %d", route, code)
		}
		found[route] = v
	}
	c := client.New("http://" + i.api)
	for _, route := range []string{"/api/v1/people?limit=100", "/api/v1/images?limit=100", "/api/v1/images?status=processed&limit=100"} {
		ask(route)
	}
	for id := 1; id <= images; id++ {
		ask(fmt.Sprintf("/api/v1/images/%d", id))
	}
	for id := 1; id <= 6; id++ {
		ask(fmt.Sprintf("/api/v1/people/%d", id))
		ask(fmt.Sprintf("/api/v1/people/%d/known-pictures", id))
	}
	picture, err := fs.ReadFile(samples.Files(), "known/Ada/1.jpg")
	if err != nil {
		i.t.Fatal(err)
	}
	seen, err := c.Identify(i.t.Context(), picture)
	if err != nil || len(seen.Faces) != 1 || seen.Faces[0].Person == nil {
		i.t.Fatalf("identify: %+v, %v", seen, err)
	}
	found["identify"] = seen
	return found
}
