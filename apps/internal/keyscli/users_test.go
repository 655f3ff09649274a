package keyscli_test

import (
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/keyscli"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// users runs the command users.
func (p *program) users(args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	users := keyscli.Users("receiver", func() keyscli.Database {
		return keyscli.Database{Open: func() (*store.Store, error) { return store.OpenSQLite(p.file) }}
	})
	spec := command.Spec{Name: "receiver", Read: func(*config.Reader) {}, Commands: []command.Spec{users}}
	return commandtest.Run(p.t, spec, nil, append([]string{"users"}, args...)...)
}

// The way back for an admin who has lost the password, or whom somebody made a viewer.
func TestLostAdmin(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	ada, err := p.db.SetUser(t.Context(), "ada", access.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	code, out, stderr := p.users("invite", "-name", "ada", "-role", "admin")
	text, says, _ := strings.Cut(out, "\n")
	if code != command.ExitOK || stderr != "" || !strings.Contains(says, "ada (admin) enters this code on the page /invite") {
		t.Fatalf("exit code %d, %q, %q", code, out, stderr)
	}
	u, err := p.db.CodeUser(t.Context(), access.Invite, access.CodeHash(text))
	if err != nil || u.ID != ada.ID || u.Role != access.AdminRole {
		t.Errorf("the code is of %+v: %v", u, err)
	}
	if _, out, _ := p.users("invite", "-name", "ada"); !strings.Contains(out, "ada (admin)") {
		t.Errorf("without a role: %q", out)
	}
	if _, out, _ := p.users("list"); !strings.Contains(out, "ada   admin  -         -                yes") {
		t.Errorf("listed:\n%s", out)
	}
	entries, err := p.db.Audit(t.Context(), 0, 10)
	if err != nil || len(entries) != 3 || entries[0].Action != access.UserInvited {
		t.Errorf("the audit log: %+v, %v", entries, err)
	}
	for says, args := range map[string][]string{
		"add -role to make this user": {"invite", "-name", "bob"},
		"is not a user's name":        {"invite", "-name", "a b"},
		"is not a role":               {"invite", "-name", "ada", "-role", "king"},
		"choose a command":            {},
	} {
		if code, _, stderr := p.users(args...); code != command.ExitFailed || !strings.Contains(stderr, says) {
			t.Errorf("%v: exit code %d, %q", args, code, stderr)
		}
	}
}
