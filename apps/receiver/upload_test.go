package main

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/childproc"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
)

// process is a receiver in a process of its own.
type process struct {
	*childproc.Process
	api string
}

// startProcess starts the receiver and waits until it listens.
func startProcess(t *testing.T, env map[string]string) process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asReceiver+"=1", "ROLLCALL_LOG_FORMAT=json")
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := childproc.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "receiver is listening" {
			go io.Copy(io.Discard, log) //nolint:errcheck // ends with the program
			return process{p, line.Address}
		}
	}
	t.Fatal("the receiver does not start")
	return process{}
}

// parts is a form of pictures with the numbers from first to last.
func parts(first, last int) string {
	var text strings.Builder
	for i := first; i < last; i++ {
		fmt.Fprintf(&text, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%d.jpg\"\r\n\r\n\xff\xd8\xff%s\r\n", i, bytes.Repeat([]byte{byte(i)}, 50_000))
	}
	return text.String()
}

// sendHalf begins an upload, and leaves it in the middle of its last file.
func (p process) sendHalf(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.api)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	head := fmt.Sprintf("POST /api/v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n", len(text)+7)
	if _, err := io.WriteString(conn, head+text[:len(text)-10_000]); err != nil {
		t.Fatal(err)
	}
	return conn
}

// upload uploads a whole form.
func (p process) upload(t *testing.T, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.api+"/api/v1/images", strings.NewReader(text+"--b--\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusAccepted || bytes.Contains(answer, []byte(`"error"`)) {
		t.Fatalf("%d %s, %v", res.StatusCode, answer, err)
	}
}

// below lists all files of a folder, without locks.
func below(t *testing.T, folder string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != "lock" {
			files = append(files, name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has just been renamed or deleted
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A receiver that is killed at any moment of an upload leaves no half of a file under
// its name and no row without a file, and the next one deletes the rest.
func TestKilledInAnUpload(t *testing.T) {
	t.Parallel()
	db, folder := mariadbtest.Database(t), t.TempDir()
	migrate(t, db)
	env := settings(db)
	env["UNKNOWN_PEOPLE"] = folder
	rows := rawRows(t, db)
	whole := parts(0, 3)
	startProcess(t, env).upload(t, whole)
	for round := range 4 {
		p := startProcess(t, env)
		wait.Until(t, "what the round before has left is deleted", func() bool { return !slices.ContainsFunc(below(t, folder), isTemporary) })
		conn := p.sendHalf(t, parts(10*round+10, 10*round+14))
		written := func() (n int64) {
			for _, f := range below(t, folder) {
				if info, err := os.Stat(f); err == nil && isTemporary(f) {
					n += info.Size()
				}
			}
			return n
		}
		if round%2 == 0 {
			wait.Until(t, "three and a half files have arrived", func() bool { return written() > 150_000 })
		} else { // at the end of the upload
			before := len(named(t, folder))
			if _, err := io.WriteString(conn, strings.Repeat("x", 10_000-2)+"\r\n--b--\r\n"); err != nil {
				t.Fatal(err)
			}
			wait.Until(t, "the first of the files has its name", func() bool { return len(named(t, folder)) > before })
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		checkFiles(t, folder, rows())
	}
	last := startProcess(t, env)
	wait.Until(t, "everything temporary is deleted", func() bool { return !slices.ContainsFunc(below(t, folder), isTemporary) })
	last.upload(t, whole)
	last.upload(t, parts(10, 14))
	checkFiles(t, folder, rows())
	if n := len(rows()); n < 7 {
		t.Errorf("%d rows, want at least 7", n)
	}
}

// named are the files with their own names.
func named(t *testing.T, folder string) []string {
	t.Helper()
	return slices.DeleteFunc(below(t, folder), isTemporary)
}

func isTemporary(name string) bool { return strings.Contains(name, "/.tmp-") }

// checkFiles looks at each file under its own name, and for the file of each row.
func checkFiles(t *testing.T, folder string, paths []string) {
	t.Helper()
	for _, name := range below(t, folder) {
		if info, err := os.Stat(name); !isTemporary(name) && (err != nil || info.Size() != 50_003) {
			t.Errorf("%s is not whole: %v", name, err)
		}
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("a row has no file: %v", err)
		}
	}
	if diff := cmp.Diff(paths, slices.Compact(slices.Clone(paths))); diff != "" {
		t.Errorf("a path has two rows:\n%s", diff)
	}
}

// rawRows returns what reads the paths of all rows, in order.
func rawRows(t *testing.T, db mariadbtest.DB) func() []string {
	t.Helper()
	raw := openRaw(t, db)
	return func() (paths []string) {
		t.Helper()
		found, err := raw.QueryContext(t.Context(), "select path from images order by path")
		if err != nil {
			t.Fatal(err)
		}
		defer found.Close()
		for found.Next() {
			var path string
			if err := found.Scan(&path); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
		return paths
	}
}

func openRaw(t *testing.T, db mariadbtest.DB) *sql.DB {
	t.Helper()
	raw, err := sql.Open("mysql", db.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	return raw
}
