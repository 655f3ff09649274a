package samples_test

import (
	"bytes"
	"image/jpeg"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

func TestExpectedCoversEveryUnknownPicture(t *testing.T) {
	t.Parallel()
	expected, err := samples.Expected()
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for name := range expected {
		listed = append(listed, "unknown/"+name)
	}
	slices.Sort(listed)
	if diff := cmp.Diff(glob(t, "unknown/*.jpg"), listed); diff != "" {
		t.Errorf("unknown pictures (-there +expected):\n%s", diff)
	}
}

func TestExpectationsAddUp(t *testing.T) {
	t.Parallel()
	expected, err := samples.Expected()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, name := range glob(t, "known/*/*.jpg") {
		known[path.Base(path.Dir(name))] = true
	}
	asked := map[string]bool{}
	for name, e := range expected {
		for _, person := range e.People {
			asked[person] = true
			if !known[person] {
				t.Errorf("%s: %s is in no known picture", name, person)
			}
		}
		want := "identified"
		if len(e.People) == 0 {
			want = "unknown_person"
		}
		if e.Faces == 0 {
			want = "no_face"
		}
		if e.Reason != want || e.Faces < len(e.People) {
			t.Errorf("%s: got %+v, want reason %s", name, e, want)
		}
	}
	if diff := cmp.Diff(known, asked); diff != "" {
		t.Errorf("people (-known +asked about):\n%s", diff)
	}
}

func TestPicturesAreSmall(t *testing.T) {
	t.Parallel()
	for _, name := range append(glob(t, "known/*/*.jpg"), glob(t, "unknown/*.jpg")...) {
		raw, err := fs.ReadFile(samples.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		size, err := jpeg.DecodeConfig(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if long := max(size.Width, size.Height); long < 400 || long > 700 || len(raw) > 45<<10 {
			t.Errorf("%s: %d × %d pixels and %d bytes, want 400 to 700 and 45 KB at most", name, size.Width, size.Height, len(raw))
		}
	}
}

func TestExtract(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	if err := samples.Extract(dir); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			got = append(got, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := append(glob(t, "known/*/*.jpg"), glob(t, "unknown/*.jpg")...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("files (-want +got):\n%s", diff)
	}
	for _, name := range want {
		there, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		held, err := fs.ReadFile(samples.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(there, held) {
			t.Errorf("%s: other bytes than the embedded picture", name)
		}
	}
}

func TestExtractKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := samples.Extract(dir); err != nil {
		t.Fatal(err)
	}
	pictures := glob(t, "known/*/*.jpg")
	kept, gone := filepath.Join(dir, pictures[0]), filepath.Join(dir, pictures[1])
	if err := os.WriteFile(kept, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if err := samples.Extract(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(kept); err != nil || string(got) != "mine" {
		t.Errorf("a file of the user's: got %q, %v, want it kept", got, err)
	}
	if _, err := os.Stat(gone); err != nil {
		t.Errorf("a removed picture did not come back: %v", err)
	}
}

func TestExtractSaysWhatFailed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := samples.Extract(file); err == nil || !strings.Contains(err.Error(), "sample pictures") {
		t.Errorf("extract into a file: got %v, want an error that says what was being done", err)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := fs.Glob(samples.Files(), pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatalf("no file is called %s", pattern)
	}
	return names
}
