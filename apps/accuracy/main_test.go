package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, args, want string }{
		{"no folder", "", "-faces"},
		{"an argument too many", "-faces x y", `unexpected argument "y"`},
		{"no engines", "-faces x -engines 0", "-engines"},
		{"no step", "-faces x -turn 0", "-turn"},
		{"a gallery of one", "-faces x -largest 1", "-largest"},
		{"a share beyond all", "-faces x -wanted 2", "-wanted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := readFlags(strings.Fields(c.args), &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// The whole program measures a few photographs with the real models.
func TestPhotographs(t *testing.T) {
	t.Parallel()
	from := os.Getenv("ROLLCALL_TEST_FACES")
	if from == "" {
		t.Skip("ROLLCALL_TEST_FACES names no folder of photographs")
	}
	dir := t.TempDir()
	people, err := filepath.Glob(filepath.Join(from, "people", "*"))
	if err != nil || len(people) < 2 {
		t.Skipf("ROLLCALL_TEST_FACES shows no two people: %v", err)
	}
	for _, p := range people[:2] {
		copySome(t, p, filepath.Join(dir, "people", filepath.Base(p)), 2)
	}
	var stdout, stderr bytes.Buffer
	plot := filepath.Join(dir, "plot.svg")
	err = run(t.Context(), []string{"-faces", dir, "-plot", plot, "-turn", "180", "-largest", "10", "-engines", "1"}, &stdout, &stderr)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if !strings.Contains(stdout.String(), "## People: 4 pictures of 2 people") {
		t.Errorf("the report says:\n%s", stdout.String())
	}
	if info, err := os.Stat(plot); err != nil || info.Size() == 0 {
		t.Errorf("the plot: %v, %v", info, err)
	}
}

// copySome copies the first files of a folder.
func copySome(t *testing.T, from, to string, n int) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries[:min(n, len(entries))] {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
