package keyscli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/keyscli"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// program is one that has the command keys, on a database of its own.
type program struct {
	t    *testing.T
	file string
	db   *store.Store
}

func newProgram(t *testing.T) *program {
	t.Helper()
	p := &program{t: t, file: filepath.Join(t.TempDir(), "rollcall.db")}
	var err error
	if p.db, err = store.OpenSQLite(p.file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.db.Close() })
	if _, err := p.db.Migrate(t.Context(), "/unknown_people"); err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs the program with some arguments.
func (p *program) run(args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	keys := keyscli.Spec("receiver", func() keyscli.Database {
		return keyscli.Database{Open: func() (*store.Store, error) { return store.OpenSQLite(p.file) }}
	})
	spec := command.Spec{Name: "receiver", Read: func(*config.Reader) {}, Commands: []command.Spec{keys}}
	return commandtest.Run(p.t, spec, nil, append([]string{"keys"}, args...)...)
}

func (p *program) ok(args ...string) string {
	p.t.Helper()
	code, stdout, stderr := p.run(args...)
	if code != command.ExitOK || stderr != "" {
		p.t.Fatalf("%v: exit code %d, stderr %q", args, code, stderr)
	}
	return stdout
}

func TestKeys(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	printed := p.ok("create", "-name", "ci", "-scopes", "ingest,read", "-expires", "24h", "-rate", "5", "-burst", "9", "-max-body", "1000")
	text := strings.TrimSuffix(printed, "\n")
	id, secret, ok := access.ParseKey(text)
	if !ok {
		t.Fatalf("printed %q", printed)
	}
	k, err := p.db.Key(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if k.Name != "ci" || k.Scopes != access.ScopesOf(access.Ingest, access.Read) || k.ExpiresAt.Sub(k.CreatedAt).Round(1e9*60).Hours() != 24 ||
		*k.Limits.Rate != 5 || k.Limits.Burst != 9 || k.Limits.MaxBody != 1000 {
		t.Errorf("the key: %+v", k)
	}
	other := strings.TrimSpace(p.ok("create", "-name", "second", "-scopes", "admin"))
	otherID, _, _ := access.ParseKey(other)
	if list := p.ok("list"); !strings.Contains(list, id+"  ci ") || strings.Contains(list, secret) || strings.Index(list, otherID) > strings.Index(list, id) {
		t.Errorf("listed:\n%s", list)
	}
	if got := p.ok("revoke", "-id", id); !strings.Contains(got, id) {
		t.Errorf("printed %q", got)
	}
	if k, err := p.db.Key(t.Context(), id); err != nil || k.RevokedAt.IsZero() {
		t.Errorf("revoked: %+v, %v", k, err)
	}
	entries, err := p.db.Audit(t.Context(), 0, 10)
	if err != nil || len(entries) != 3 || entries[0].Action != access.KeyRevoked || entries[0].KeyID != "" {
		t.Errorf("the audit log: %+v, %v", entries, err)
	}
}

// A declared key is accepted from a file, and is not in the database.
func TestDeclare(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	if err := os.Remove(p.file); err != nil { // it needs none
		t.Fatal(err)
	}
	text, entry, _ := strings.Cut(p.ok("create", "-declare", "-name", "ci", "-scopes", "act,read", "-expires", "1h", "-rate", "0"), "\n")
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"keys":[%s]}`, entry), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := access.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	id, secret, _ := access.ParseKey(text)
	k := keys[id]
	if k.Scopes != access.ScopesOf(access.Act, access.Read) || k.ExpiresAt.IsZero() || k.Limits.Rate == nil {
		t.Errorf("the key: %+v", k)
	}
	if strings.Contains(entry, secret) {
		t.Errorf("the entry has the secret: %s", entry)
	}
}

func TestWrongArguments(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	for want, args := range map[string][]string{
		"choose a command":    nil,
		"not a scope":         {"create", "-name", "a", "-scopes", "all"},
		"-scopes":             {"create", "-name", "a"},
		"needs a name":        {"create", "-scopes", "read"},
		"past":                {"create", "-name", "a", "-scopes", "read", "-expires", "-1h"},
		"requests per second": {"create", "-name", "a", "-scopes", "read", "-rate", "-2"},
		`no API key "nobody"`: {"revoke", "-id", "nobody"},
		`no API key ""`:       {"revoke"},
		`unexpected argument`: {"revoke", "nobody"},
	} {
		code, stdout, stderr := p.run(args...)
		if code == command.ExitOK || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	for _, args := range [][]string{{"-h"}, {"create", "-h"}, {"list", "-h"}, {"revoke", "-h"}} {
		if got := p.ok(args...); !strings.Contains(got, "receiver keys") {
			t.Errorf("%v prints %q", args, got)
		}
	}
}
