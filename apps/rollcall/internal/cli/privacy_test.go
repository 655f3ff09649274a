package cli_test

import (
	"archive/zip"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
)

func TestConsent(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.enrol("Ada", "Bob")
	o.run("consent", "show", "Ada").expect(cli.ExitOK, "Ada: none")
	o.run("consent", "withdraw", "Ada", "--yes").expect(cli.ExitFailed, "no consent of person 1 is recorded")
	soon := time.Now().AddDate(0, 0, 10).Format(time.DateOnly)
	o.run("consent", "set", "Ada", "--until", soon).expect(cli.ExitOK, "Ada: given (consent)", "until "+time.Now().AddDate(0, 0, 10).Format("2006"))
	o.run("consent", "set", "Bob", "--basis", "contract").expect(cli.ExitOK, "further notice")
	o.run("consent", "set", "Bob", "--basis", "because").expect(cli.ExitFailed, "no basis")
	o.run("consent", "set", "Bob", "--until", "soon").expect(cli.ExitFailed, "--until")
	o.run("consent", "set", "nobody").expect(cli.ExitFailed, "nobody")
	o.run("consent", "list").expect(cli.ExitOK, "Ada", "Bob", "contract")
	if r := o.run("consent", "list", "--lapsing-within", "30").expect(cli.ExitOK, "Ada"); strings.Contains(r.out, "Bob") {
		t.Errorf("Bob's consent does not lapse: %s", r.out)
	}
	o.run("consent", "withdraw", "Ada").expect(cli.ExitFailed, "--yes")
	o.answer("n\n", "consent", "withdraw", "Ada").expect(cli.ExitFailed, "will not be recognized any more")
	o.answer("y\n", "consent", "withdraw", "Ada").expect(cli.ExitOK, "Ada: withdrawn")
	var got api.Consent
	if err := json.Unmarshal([]byte(o.run("consent", "show", "Ada", "-o", "json").out), &got); err != nil || got.State != api.ConsentWithdrawn {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.run("retention", "show").expect(cli.ExitOK, "Everything is kept.")
	o.run("retention", "set").expect(cli.ExitFailed, "--none")
	o.run("retention", "set", "unknown_person").expect(cli.ExitFailed, "OUTCOME=DAYS")
	o.run("retention", "set", "nothing=3").expect(cli.ExitFailed, "no outcome")
	o.run("retention", "set", "unknown_person=30", "identified=365+corrected", "--dry-run").expect(cli.ExitOK, "365", "deleted, too", "0 images would be deleted now")
	o.run("retention", "show").expect(cli.ExitOK, "Everything is kept.")
	o.run("retention", "set", "unknown_person=30").expect(cli.ExitOK, "Stored 1 rule", "0 images will be deleted")
	o.run("retention", "show").expect(cli.ExitOK, "unknown_person", "30", "kept")
	run := faces.RetentionRun{Started: time.Now(), Finished: time.Now(), Images: 7, Files: 2, Complete: true}
	if err := o.store.NoteRetention(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	o.run("retention", "show").expect(cli.ExitOK, "deleted 7 images, 2 with an uploaded file")
	o.run("retention", "set", "--none").expect(cli.ExitOK, "Stored 0 rules")
}

func TestExport(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.enrol("Ada")
	file := filepath.Join(t.TempDir(), "ada.zip")
	o.run("export", "Ada").expect(cli.ExitFailed, "--out")
	o.run("export", "Ada", "--out", file).expect(cli.ExitOK, "about person 1")
	r, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the archive: %v, %v", info, err)
	}
	o.run("export", "Ada", "--out", file).expect(cli.ExitFailed, "is there already")
	// An archive that breaks off, and one that is none, leave nothing behind.
	for what, body := range map[string]string{"the first bytes of one": "PK\x03\x04", "no archive": "<html>"} {
		o.intercept(func(w http.ResponseWriter, req *http.Request) bool {
			if !strings.HasSuffix(req.URL.Path, "/export") {
				return false
			}
			w.Header().Set("Content-Type", "application/zip")
			_, _ = w.Write([]byte(body))
			return true
		})
		o.run("export", "Ada", "--out", file+"2").expect(cli.ExitFailed, "not whole")
		entries, err := os.ReadDir(filepath.Dir(file))
		if err != nil || len(entries) != 1 {
			t.Errorf("%s left %v (%v)", what, entries, err)
		}
	}
	o.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if strings.HasSuffix(req.URL.Path, "/export") {
			_, _ = w.Write([]byte("PK"))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		return false
	})
	o.run("export", "Ada", "--out", file+"2").expect(cli.ExitFailed, "broke off")
}

func TestAudit(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, name := range []string{"Ada", "Bob", "Cleo"} {
		o.run("people", "add", name).expect(cli.ExitOK)
	}
	o.run("audit").expect(cli.ExitOK, "person.create", "3")
	if r := o.run("audit", "--target", "person", "--id", "2").expect(cli.ExitOK, "person.create"); strings.Count(r.out, "person.create") != 1 {
		t.Errorf("of Bob: %s", r.out)
	}
	if r := o.run("audit", "--limit", "2").expect(cli.ExitOK); strings.Count(r.out, "person.create") != 2 || strings.Contains(r.out, "Ada") {
		t.Errorf("two: %s", r.out)
	}
	o.run("audit", "--id", "2").expect(cli.ExitFailed, "--target")
	o.run("audit", "--since", "2900-01-01").expect(cli.ExitOK)
}
