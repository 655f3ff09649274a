package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Pictures of one stranger are in one group within seconds, and pictures of another
// person are not in it. After a kill the groups are there.
func TestStrangersAreGrouped(t *testing.T) {
	t.Parallel()
	photos := os.Getenv("ROLLCALL_TEST_FACES")
	if photos == "" {
		t.Skip("ROLLCALL_TEST_FACES names no folder of photographs")
	}
	dir := t.TempDir()
	known, unknown, data := filepath.Join(dir, "known"), filepath.Join(dir, "unknown"), filepath.Join(dir, "data")
	for _, person := range []string{"raj", "howard"} {
		if err := os.CopyFS(filepath.Join(known, person), os.DirFS(filepath.Join(photos, "people", person))); err != nil {
			t.Fatal(err)
		}
	}
	var pictures []string
	for _, stranger := range []string{"sheldon", "amy"} {
		if err := os.CopyFS(filepath.Join(unknown, stranger), os.DirFS(filepath.Join(photos, "people", stranger))); err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 5; n++ {
			pictures = append(pictures, fmt.Sprintf("%s/%s%d.png", stranger, stranger, n))
		}
	}
	args := []string{"-known", known, "-unknown", unknown, "-ask=false"}
	i := start(t, data, nil, args...)
	eventually(t, "the welcome", i.welcomed)
	for _, p := range pictures {
		i.answered(p)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, databaseFile)+"?mode=ro&_pragma=busy_timeout(10000)")
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
	grouped := func() bool {
		return count("SELECT COUNT(*) FROM `grouping` WHERE state = 'ready' AND faces = total AND faces > 0") == 1 &&
			count("SELECT COUNT(DISTINCT group_key) FROM face_groups") == 2
	}
	eventually(t, "the strangers are in two groups", grouped)
	const mixed = `SELECT COUNT(*) FROM (SELECT group_key FROM face_groups JOIN faces ON faces.id = face_id JOIN images ON images.id = image_id
		GROUP BY group_key HAVING COUNT(DISTINCT CASE WHEN path LIKE '%/sheldon/%' THEN 1 ELSE 2 END) > 1)`
	if n := count(mixed); n != 0 {
		t.Errorf("%d groups have both strangers", n)
	}
	if n := count("SELECT MIN(n) FROM (SELECT COUNT(*) AS n FROM face_groups GROUP BY group_key)"); n < 3 {
		t.Errorf("a group has %d faces only", n)
	}
	_ = i.cmd.Process.Kill()
	_ = i.cmd.Wait()
	i = start(t, data, nil, args...)
	eventually(t, "it goes on after a kill", func() bool { return strings.Contains(i.logs(), "grouping unknown faces goes on") && grouped() })
	i.checkNoTrouble()
	i.stop(syscall.SIGINT)
}
