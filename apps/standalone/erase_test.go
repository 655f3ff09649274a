package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// Somebody is erased, the process is killed at once, and the next one ends the work. A
// later look by the real networks finds no face where hers was, and her name is in no
// file but those of her own folder, which Rollcall did not write.
func TestErasureInStandalone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unpack(t, dir)
	known, data := filepath.Join(dir, "known"), filepath.Join(dir, "data")
	if err := os.Rename(filepath.Join(known, "Ada"), filepath.Join(known, "Ada Quux")); err != nil {
		t.Fatal(err)
	}
	args := []string{"-known", known, "-unknown", filepath.Join(dir, "unknown"), "-ask=false"}
	first := start(t, data, nil, args...)
	eventually(t, "the welcome", first.welcomed)
	expected, err := samples.Expected()
	if err != nil {
		t.Fatal(err)
	}
	hers := map[int64]int{} // images that show her → their faces
	for name, e := range expected {
		if slices.Contains(e.People, "Ada") {
			img := first.answered(name)
			hers[img.ID] = len(img.Faces)
		}
	}
	var people api.PersonList
	first.get("/api/v1/people?name=Ada%20Quux", &people)
	if len(people.People) != 1 || len(hers) < 2 {
		t.Fatalf("people %+v, images %v", people.People, hers)
	}
	var started api.StartedErasure
	if code := first.doIf("*", http.MethodPost, fmt.Sprintf("/api/v1/people/%d/erase", people.People[0].ID), "{}", &started); code != http.StatusAccepted {
		t.Fatalf("erase: %d", code)
	}
	_ = first.cmd.Process.Signal(syscall.SIGKILL)
	_ = first.cmd.Wait()
	if len(started.Erasure.KeptImages) != len(hers) || len(started.LeftFiles) == 0 {
		t.Errorf("started %+v, images %v", started, hers)
	}

	second := start(t, data, nil, args...)
	eventually(t, "the second welcome", second.welcomed)
	var receipt api.Erasure
	eventually(t, "a clean search", func() bool {
		second.get("/api/v1/erasures/"+started.Erasure.ID, &receipt)
		return receipt.State == api.ErasureVerified
	})
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, databaseFile)+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	count := func(query string) (n int) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for id := range hers {
		var retried map[string]any
		if code := second.do(http.MethodPost, fmt.Sprintf("/api/v1/images/%d/retry", id), "", &retried); code != http.StatusAccepted {
			t.Fatalf("retry: %d %v", code, retried)
		}
	}
	eventually(t, "the rescans", func() bool { return count("SELECT COUNT(*) FROM image_rescans") == 0 })
	for id, before := range hers {
		if after := count(fmt.Sprintf("SELECT COUNT(*) FROM faces WHERE image_id = %d", id)); after != before-1 {
			t.Errorf("image %d has %d faces after another look, and had %d", id, after, before)
		}
	}
	second.get("/api/v1/people?name=Ada%20Quux", &people)
	if len(people.People) > 0 {
		t.Error("her folder was enrolled again")
	}
	eventually(t, "the recognizer to forget her pictures", func() bool { return len(filesWith(t, dir, "Quux")) == 0 })
	if strings.Contains(first.logs()+second.logs(), "Quux") {
		t.Error("the log has her name")
	}
	second.stop(syscall.SIGTERM)
	if files := filesWith(t, dir, "Quux"); len(files) > 0 {
		t.Errorf("her name is in %v", files)
	}
}

// filesWith returns the files that hold a text, without the folder of that name.
func filesWith(t *testing.T, dir, text string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(filepath.Dir(name), text) {
			return nil // it went meanwhile, or is hers
		}
		if content, err := os.ReadFile(name); err == nil && bytes.Contains(content, []byte(text)) {
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
