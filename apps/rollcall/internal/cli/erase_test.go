package cli_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
)

func TestErase(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.enrol("Ada Lovelace", "Bob")
	o.run("erase", "Ada Lovelace", "--dry-run").expect(cli.ExitOK, "Would go: ", "known pictures 1", "people 1", "left in the folder of known people: Ada Lovelace.jpg")
	o.run("erase", "Ada Lovelace").expect(cli.ExitFailed, "--yes", "Person 1, Ada Lovelace, is erased for ever: ")
	o.run("erase", "Ada Lovelace", "--images", "all").expect(cli.ExitFailed, "--images is keep or delete", "for help")
	o.run("erase", "Nobody", "--yes").expect(cli.ExitFailed, `nobody with the name "Nobody"`)
	o.intercept(func(_ http.ResponseWriter, req *http.Request) bool { // the job is done while somebody waits
		if strings.HasPrefix(req.URL.Path, "/api/v1/erasures/") {
			if err := o.server.Erasures().Work(req.Context()); err != nil {
				t.Error(err)
			}
		}
		return false
	})
	done := o.run("erase", "Ada Lovelace", "--yes", "--wait").expect(cli.ExitOK, "of person 1: erased.")
	id := regexp.MustCompile(`[a-z2-7]{26}`).FindString(done.out)
	if receipt := o.run("erase", "receipt", id).expect(cli.ExitOK, id, "gone: ", "known pictures 1"); strings.Contains(receipt.out, "Ada") {
		t.Errorf("the receipt has the name: %s", receipt.out)
	}
	o.run("erase", "receipt", "7").expect(cli.ExitFailed, "no id of an erasure")
	o.run("erase", "list").expect(cli.ExitOK, id+"  erased")
	ledger := o.run("erase", "ledger").expect(cli.ExitOK, `"salt":`)
	file := filepath.Join(t.TempDir(), "erased.json")
	if err := os.WriteFile(file, []byte(ledger.out), 0o600); err != nil {
		t.Fatal(err)
	}
	o.run("erase", "replay", file).expect(cli.ExitOK, "0 erasures carried out again; the database knew 1")
	if err := os.WriteFile(file, []byte(`{"images":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	o.run("erase", "replay", file).expect(cli.ExitFailed, "is no ledger of erasures")
	o.run("people", "list").expect(cli.ExitOK, "Bob")
}
