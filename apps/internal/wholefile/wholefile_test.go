package wholefile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/wholefile"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, content := range []string{"first", "second", ""} {
		if err := wholefile.Write(root, "a/b/file", []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(folder + "/a/b/file"); err != nil || string(got) != content {
			t.Errorf("got %q, %v; want %q", got, err, content)
		}
	}

	// What cannot be written leaves nothing.
	if err := os.Mkdir(folder+"/a/b/folder", 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/b/folder", "a/b/file/below", "../outside"} {
		if err := wholefile.Write(root, name, []byte("content")); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	left, err := filepath.Glob(folder + "/a/b/*")
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(folder + "/a/b/.*")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{folder + "/a/b/file", folder + "/a/b/folder"}, append(left, hidden...)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if err := wholefile.SyncFolder(root, "nowhere"); err == nil {
		t.Error("a folder that is not there was synced")
	}
}
