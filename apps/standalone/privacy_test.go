package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A consent lapses by itself: the answers about photographs are taken back, a new
// photograph does not name the person, and renewing it brings everything back. Then
// everything about the person is exported.
func TestConsentLapses(t *testing.T) {
	t.Parallel()
	from := os.Getenv("ROLLCALL_TEST_FACES")
	if from == "" {
		t.Skip("ROLLCALL_TEST_FACES names no folder of photographs")
	}
	dir := t.TempDir()
	known, unknown := filepath.Join(dir, "known"), filepath.Join(dir, "unknown")
	for to, name := range map[string]string{
		filepath.Join(known, "Bona/1.jpg"): "bench/bona2.jpg", filepath.Join(known, "Jimin/1.jpg"): "bench/jimin.jpg",
		filepath.Join(unknown, "bona.jpg"): "bench/bona3.jpg",
	} {
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		copyFile(t, filepath.Join(from, name), to)
	}
	i := start(t, filepath.Join(dir, "data"), []string{"ROLLCALL_REMATCH_DELAY=100ms"}, "-known", known, "-unknown", unknown, "-ask=false")
	eventually(t, "the welcome", i.welcomed)
	bona := i.answered("bona.jpg")
	if bona.Reason != "identified" {
		t.Fatalf("at first: %+v", bona)
	}
	var people struct{ People []struct{ ID int64 } }
	i.get("/api/v1/people?name=Bona", &people)
	if len(people.People) != 1 {
		t.Fatalf("people: %+v", people)
	}
	person := fmt.Sprintf("/api/v1/people/%d", people.People[0].ID)
	consent := func(until time.Time) {
		t.Helper()
		var answer struct{ State string }
		body := fmt.Sprintf(`{"basis":"consent","until":%q}`, until.UTC().Format(time.RFC3339Nano))
		if code := i.do(http.MethodPut, person+"/consent", body, &answer); code != http.StatusOK || answer.State != "given" {
			t.Fatalf("consent: %d, %+v", code, answer)
		}
	}
	now := func(id int64) string {
		var img image
		i.get(fmt.Sprintf("/api/v1/images/%d", id), &img)
		return img.Reason
	}
	consent(time.Now().Add(2 * time.Second))
	eventually(t, "the answer is taken back", func() bool { return now(bona.ID) == "unknown_person" })
	copyFile(t, filepath.Join(unknown, "bona.jpg"), filepath.Join(unknown, "again.jpg"))
	if again := i.answered("again.jpg"); again.Reason != "unknown_person" {
		t.Errorf("a new picture names somebody whose consent has lapsed: %+v", again)
	}
	consent(time.Now().Add(time.Hour))
	eventually(t, "the answer is back", func() bool { return now(bona.ID) == "identified" })
	_, content := i.bytes(http.MethodGet, person+"/export?blur_others=true", nil, http.StatusOK)
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	pictures := 0
	for _, f := range r.File {
		if strings.HasSuffix(f.Name, ".jpg") {
			pictures++
		}
	}
	if pictures < 2 {
		t.Errorf("the archive has %d pictures, want a known picture and those that show the person", pictures)
	}
	i.stop(syscall.SIGINT)
}
