package main

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// A search with a known picture of Ada finds every stored picture of her, and nobody
// else's; so does a search with a stored face of hers.
func TestSearchFindsEveryPictureOfAda(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	i := start(t, data, nil)
	eventually(t, "the welcome", i.welcomed)
	expected, err := samples.Expected()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for name, e := range expected {
		i.answered(name)
		if slices.Contains(e.People, "Ada") {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	known, err := filepath.Glob(filepath.Join(data, "samples", "known", "Ada", "*"))
	if err != nil || len(known) == 0 || len(want) < 2 {
		t.Fatalf("%d known pictures of Ada, %d with her, %v", len(known), len(want), err)
	}
	picture, err := os.ReadFile(known[0])
	if err != nil {
		t.Fatal(err)
	}
	c := client.New("http://" + i.api)
	var found api.FoundFaces
	eventually(t, "the index has all faces", func() bool {
		found, err = c.SearchFaces(t.Context(), picture, api.SearchFacesParams{})
		return err == nil && len(found.Faces) >= len(want)
	})
	if diff := cmp.Diff(want, namesOf(found)); diff != "" {
		t.Errorf("pictures of Ada (-want +found):\n%s", diff)
	}
	for _, f := range found.Faces {
		if !f.WithinThreshold || f.Face.Person == nil || f.Face.Person.Name != "Ada" {
			t.Errorf("found %+v of %+v", f.Face.Person, f.Image)
		}
	}
	similar, err := c.ListSimilarFaces(t.Context(), found.Faces[0].Face.ID, api.ListSimilarFacesParams{})
	if err != nil {
		t.Fatal(err)
	}
	others := slices.DeleteFunc(slices.Clone(want), func(name string) bool { return name == filepath.Base(found.Faces[0].Image.Path) })
	if diff := cmp.Diff(others, namesOf(similar)); diff != "" {
		t.Errorf("other pictures of Ada (-want +found):\n%s", diff)
	}
	i.bytes(http.MethodGet, "/api/v1/faces/999999/similar", nil, http.StatusNotFound)
	i.checkNoTrouble()
	i.stop(syscall.SIGINT)
}

// namesOf returns the names of the pictures, each once.
func namesOf(found api.FoundFaces) []string {
	var names []string
	for _, f := range found.Faces {
		names = append(names, filepath.Base(f.Image.Path))
	}
	slices.Sort(names)
	return slices.Compact(names)
}
