package cli_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
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

// A ledger may be larger than the body of one request.
func TestReplayOfALargeLedger(t *testing.T) {
	t.Parallel()
	const most = 9 << 20
	o := newOffice(t, func(opts *receiver.Options) { opts.MaxBody = most })
	entry := func(letter string, marks int) string {
		list := strings.TrimSuffix(strings.Repeat(`"`+strings.Repeat(letter, 32)+`",`, marks), ",")
		return `{"id":"` + strings.Repeat(letter, 26) + `","salt":"` + strings.Repeat("0a", 32) + `","person_id":7,"merged":[],"images":"keep","at":"2026-01-02T03:04:05Z",` +
			`"names":[{"mark":"` + strings.Repeat(letter, 32) + `","words":1}],"files":[],"contents":[` + list + `],"descriptors":[],"pictures":[]}`
	}
	file := filepath.Join(t.TempDir(), "erased.json")
	for _, c := range []struct {
		name     string
		entries  []string
		requests int64
		want     string
	}{
		{"three entries of 4 MiB", []string{entry("a", 110_000), entry("b", 110_000), entry("c", 110_000)}, 2, "3 erasures carried out again; the database knew 0"},
		{"one of more than a part, and small ones", []string{entry("d", 2), entry("e", 250_000), entry("f", 2)}, 3, "3 erasures carried out again; the database knew 0"},
		{"no entry", nil, 1, "0 erasures carried out again; the database knew 0"},
	} {
		var requests atomic.Int64
		o.intercept(func(_ http.ResponseWriter, req *http.Request) bool {
			if req.Method == http.MethodPost {
				requests.Add(1)
			}
			return false
		})
		if err := os.WriteFile(file, []byte(`{"entries":[`+strings.Join(c.entries, ",")+`]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		o.run("erase", "replay", file).expect(cli.ExitOK, c.want)
		if n := requests.Load(); n != c.requests {
			t.Errorf("%s: %d requests, want %d", c.name, n, c.requests)
		}
	}
}
