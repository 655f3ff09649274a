package modelset_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
)

// checkReference wants go-face's three files in dir.
func checkReference(t *testing.T, f *fixture, dir string) {
	t.Helper()
	for name, archive := range f.archives {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if want := unpacked(t, archive); string(got) != string(want) {
			t.Errorf("%s has %d bytes of another content, want %d", name, len(got), len(want))
		}
	}
}

func reference(t *testing.T, set modelset.Set, cache string) string {
	t.Helper()
	dir, err := set.Reference(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// only returns the one folder in the cache.
func only(t *testing.T, cache string) string {
	t.Helper()
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e.Name())
		}
	}
	if len(folders) != 1 {
		t.Fatalf("the cache has the folders %q, want one", folders)
	}
	return filepath.Join(cache, folders[0])
}

func TestReferenceIsUnpackedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set, cache := f.load(t), filepath.Join(t.TempDir(), "new", "cache")
	dir := reference(t, set, cache)
	checkReference(t, f, dir)
	first, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again := reference(t, set, cache); again != dir {
		t.Fatalf("the second folder is %s, the first was %s", again, dir)
	}
	second, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(first, second) || only(t, cache) != dir {
		t.Error("the files were unpacked again")
	}
}

func TestReferenceInPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, archive := range f.archives {
		f.write(t, "official/"+name, unpacked(t, archive))
		remove(t, f, "official/"+name+".bz2")
	}
	cache := filepath.Join(t.TempDir(), "cache")
	if got, want := reference(t, f.load(t), cache), filepath.Join(f.folder, "official"); got != want {
		t.Errorf("the folder is %s, want %s", got, want)
	}
	if _, err := os.Stat(cache); err == nil {
		t.Error("a cache was made though nothing had to be unpacked")
	}
}

func TestDamagedCacheIsMadeAnew(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(path string) error
	}{
		{"another content", func(path string) error { return os.WriteFile(path, []byte("x"), 0o644) }},
		{"cut short", func(path string) error { return os.Truncate(path, 1) }},
		{"missing", os.Remove},
		{"a folder in its place", func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			set, cache := f.load(t), t.TempDir()
			dir := reference(t, set, cache)
			if err := tt.spoil(filepath.Join(dir, "shape_predictor_5_face_landmarks.dat")); err != nil {
				t.Fatal(err)
			}
			checkReference(t, f, reference(t, set, cache))
		})
	}
}

// What a killed process left behind is harmless and is removed.
func TestLeftoversOfKilledProcesses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set, cache := f.load(t), t.TempDir()
	leftover := filepath.Join(cache, "unpacking-1", "half.dat")
	if err := errors.Join(os.Mkdir(filepath.Dir(leftover), 0o755), os.WriteFile(leftover, []byte("half"), 0o644)); err != nil {
		t.Fatal(err)
	}
	dir := reference(t, set, cache)
	checkReference(t, f, dir)
	if only(t, cache) != dir {
		t.Error("the leftover stayed")
	}
}

func TestManyAskAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cache := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			// Each loads the set itself, as separate processes would.
			set, err := modelset.Load(f.dir())
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := set.Reference(t.Context(), cache); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	checkReference(t, f, only(t, cache))
}

func TestReferenceFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := f.load(t)
	t.Run("the cache is a file", func(t *testing.T) {
		t.Parallel()
		cache := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(cache, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := set.Reference(t.Context(), cache)
		if err == nil || !strings.Contains(err.Error(), "ROLLCALL_MODEL_CACHE") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("the archive was replaced after the check", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		set, cache := f.load(t), t.TempDir()
		f.write(t, "official/mmod_human_face_detector.dat.bz2", f.archives["shape_predictor_5_face_landmarks.dat"])
		if _, err := set.Reference(t.Context(), cache); !errors.Is(err, modelset.ErrIncomplete) {
			t.Errorf("the error is %v, want ErrIncomplete", err)
		}
		checkNoFolder(t, cache)
	})
	t.Run("stopped", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
		defer cancel()
		cache := t.TempDir()
		if _, err := set.Reference(ctx, cache); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v, want the context's", err)
		}
		checkNoFolder(t, cache)
	})
}

// checkNoFolder wants nothing in the cache that could be taken for the files.
func checkNoFolder(t *testing.T, cache string) {
	t.Helper()
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			t.Errorf("%s was left in the cache", e.Name())
		}
	}
}
