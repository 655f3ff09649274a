package frontend_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// A secret is in the answer to the form that made it, and nowhere else: in no address, no
// log, and no cache.
func TestKeyIsShownOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.AdminRole)
	b := h.browser(h.open())
	b.signIn("ada", goodPassword)
	once := b.get("/settings/keys").Find("input[name=once]").AttrOr("value", "")
	form := []string{"do", "make", "name", "door", "preset", "own", "scopes", "ingest", "scopes", "read", "expires", "30", "once", once}
	v := values(form...)
	v["scopes"] = []string{"ingest", "read"}
	p := b.do(http.MethodPost, "/settings/keys", v)
	text := p.Find("#secret").AttrOr("value", "")
	if p.Code != http.StatusOK || p.To != "" || !strings.HasPrefix(text, "rollcall_") || p.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d to %q with %q, Cache-Control %q", p.Code, p.To, text, p.Header.Get("Cache-Control"))
	}
	secret := text[strings.LastIndex(text, "_")+1:]
	again := b.do(http.MethodPost, "/settings/keys", v)
	if again.Code != http.StatusConflict || again.Find("#secret").Length() != 0 || !strings.Contains(again.words("[role=alert]"), "has been made already") {
		t.Errorf("the same form again: got %d %q", again.Code, again.words("[role=alert]"))
	}
	if list := b.get("/settings/keys"); strings.Contains(list.Text, secret) || list.Find("#live tbody tr").Length() != 2 {
		t.Errorf("the list has the secret, or %d keys", list.Find("#live tbody tr").Length())
	}
	if strings.Contains(h.log.String(), secret) {
		t.Error("the log has the secret")
	}
	keys, err := h.Keys(t.Context(), 0, 10)
	h.check(err)
	if k := keys[0]; k.Name != "door" || k.Scopes.String() != "ingest,read" || k.ExpiresAt.Sub(*h.now.Load()).Round(time.Hour) != 30*24*time.Hour {
		t.Errorf("the key is %+v", k)
	}
	if got := h.actions(); !slices.Contains(got, "key.create by 1") {
		t.Errorf("the audit log: %v", got)
	}
}

// What is typed wrong is said beside the form, which keeps what was typed.
func TestKeyFormRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.AdminRole)
	b := h.browser(h.open())
	b.signIn("ada", goodPassword)
	for name, tc := range map[string]struct {
		form []string
		want string
	}{
		"nothing that it may do": {[]string{"do", "make", "name", "x", "preset", "own", "expires", "30"}, "Choose at least one thing"},
		"a scope of nobody":      {[]string{"do", "make", "name", "x", "preset", "own", "scopes", "root", "expires", "30"}, "root"},
		"no time":                {[]string{"do", "make", "name", "x", "preset", "read", "expires", "soon"}, "Choose when the key expires"},
		"no name":                {[]string{"do", "make", "name", " ", "preset", "read", "expires", "never"}, "name"},
		"too long a name":        {[]string{"do", "make", "name", strings.Repeat("x", 101), "preset", "read", "expires", "never"}, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			p := b.send("/settings/keys", tc.form...)
			if p.Code < 400 || p.Code >= 500 || !strings.Contains(p.words("[role=alert]"), tc.want) {
				t.Errorf("got %d %q, want %q", p.Code, p.words("[role=alert]"), tc.want)
			}
			if _, open := p.Find(".settings-new").Attr("open"); !open || p.Find("#key-name").AttrOr("value", "") != tc.form[3] {
				t.Error("the form has lost what was typed")
			}
		})
	}
	if keys, err := h.Keys(t.Context(), 0, 10); err != nil || len(keys) != 1 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// The dashboard's own key cannot be revoked here.
func TestOwnKeyStays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.AdminRole)
	b := h.browser(h.open())
	b.signIn("ada", goodPassword)
	page := b.get("/settings/keys")
	if page.Find("#live .settings-tag").Length() != 1 || page.Find("#live [value=revoke]").Length() != 0 {
		t.Errorf("the dashboard's key can be revoked: %s", page.words("#live"))
	}
	keys, err := h.Keys(t.Context(), 0, 10)
	h.check(err)
	if p := b.send("/settings/keys", "do", "revoke", "id", keys[0].ID); p.Code != http.StatusConflict || !strings.Contains(p.words("[role=alert]"), "another key first") {
		t.Errorf("got %d %q", p.Code, p.words("[role=alert]"))
	}
	if p := b.get("/settings/keys"); p.Code != http.StatusOK {
		t.Errorf("the page is %d", p.Code)
	}
}

// Names are hostile until they are escaped, and nobody but an admin gets there.
func TestSettingsAreForAdmins(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, role := range map[string]access.Role{"ada": access.AdminRole, "rita": access.Reviewer, "vera": access.Viewer} {
		h.user(name, role)
	}
	_, err := h.api.CreateKey(t.Context(), api.KeyRequest{Name: `<img src=x onerror=alert(1)>"` + "\u202e", Scopes: []api.KeyScope{api.ScopeRead}})
	h.check(err)
	site := h.open()
	ada := h.browser(site)
	ada.signIn("ada", goodPassword)
	if p := ada.get("/settings/keys"); p.Find("#live img").Length() != 0 || strings.Contains(p.Text, "\u202e") || !strings.Contains(p.words("#live"), "onerror") {
		t.Error("the name of a key is not escaped")
	}
	if p := ada.get("/settings"); p.To != "/settings/keys" {
		t.Errorf("/settings leads to %q", p.To)
	}
	for _, name := range []string{"rita", "vera"} {
		b := h.browser(site)
		b.signIn(name, goodPassword)
		for _, target := range append(settingsPages(), "/settings") {
			if target == "/sessions" {
				continue
			}
			if p := b.get(target); p.Code != http.StatusForbidden {
				t.Errorf("%s as %s: got %d", target, name, p.Code)
			}
		}
		for _, target := range []string{"/settings/keys", "/settings/webhooks", "/settings/webhooks/1", "/settings/retention", "/settings/matching", "/settings/matching/1"} {
			if p := b.send(target, "do", "make"); p.Code != http.StatusForbidden {
				t.Errorf("POST %s as %s: got %d", target, name, p.Code)
			}
		}
	}
	if p := h.browser(site).get("/settings/keys"); p.Code != http.StatusSeeOther || !strings.Contains(p.To, "/sign-in") {
		t.Errorf("nobody: got %d to %q", p.Code, p.To)
	}
}

// Long lists have pages, and filters of the audit log stay in the address.
func TestSettingsPagesOfLists(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.AdminRole)
	for range 60 {
		_, err := h.api.CreateKey(t.Context(), api.KeyRequest{Name: "many", Scopes: []api.KeyScope{api.ScopeRead}})
		h.check(err)
	}
	b := h.browser(h.open())
	b.signIn("ada", goodPassword)
	for _, target := range []string{"/settings/keys", "/settings/audit?target=key"} {
		first := b.get(target)
		next := first.Find("a[rel=next]").AttrOr("href", "")
		if got := first.Find("tbody tr").Length(); got != 50 || next == "" || len(first.Text) > 100_000 {
			t.Errorf("%s: %d rows, next %q, %d bytes", target, got, next, len(first.Text))
		}
		if strings.Contains(target, "target=key") && !strings.Contains(next, "target=key") {
			t.Errorf("the filter is gone in %q", next)
		}
		if second := b.get(next); second.Find("tbody tr").Length() != 11 && second.Find("tbody tr").Length() != 10 {
			t.Errorf("%s: %d rows", next, second.Find("tbody tr").Length())
		}
	}
}

// A filter that the receiver refuses is explained on the page.
func TestAuditRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.AdminRole)
	b := h.browser(h.open())
	b.signIn("ada", goodPassword)
	for name, target := range map[string]string{
		"a long target": "/settings/audit?target=" + strings.Repeat("x", 40),
		"no day":        "/settings/audit?since=yesterday",
		"an id alone":   "/settings/audit?id=7",
	} {
		if p := b.get(target); p.words("h1") != "Audit log" || p.words("[role=alert]") == "" && p.Find("tbody tr").Length() > 0 {
			t.Errorf("%s: got %d %q %q", name, p.Code, p.words("h1"), p.words("[role=alert]"))
		}
	}
}

// Rules that somebody else has changed meanwhile are not overwritten.
func TestStaleRetention(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.AdminRole)
	b := h.browser(h.open())
	b.signIn("ada", goodPassword)
	tried := b.send("/settings/retention", "do", "try", "days-no_face", "7")
	if got := tried.words("#plan"); tried.Code != http.StatusOK || got != "This would delete nothing now." {
		t.Fatalf("got %d %q", tried.Code, got)
	}
	_, err := h.api.SetRetention(t.Context(), []api.RetentionRule{{Outcome: api.RetainFailed, Days: 3}})
	h.check(err)
	form := []string{"do", "save", "version", "", "tried", "no_face=7", "days-no_face", "7"}
	if p := b.send("/settings/retention", form...); p.Code != http.StatusPreconditionFailed || !strings.Contains(p.words("[role=alert]"), "Somebody has changed") {
		t.Errorf("got %d %q", p.Code, p.words("[role=alert]"))
	}
	if p := b.send("/settings/retention", "do", "try", "days-no_face", "a week"); p.Code != http.StatusUnprocessableEntity || p.Find("[name=days-no_face]").AttrOr("value", "") != "a week" {
		t.Errorf("no number: got %d %q", p.Code, p.words("[role=alert]"))
	}
	h.pass(8 * 24 * time.Hour)
	b.signIn("ada", goodPassword) // the session has ended by then
	if got := b.send("/settings/retention", "do", "try", "days-identified", "7", "corrected-identified", "1").words("#plan"); got != "This would delete 1 picture now." {
		t.Errorf("a week later: %q", got)
	}
}

// The settings say of a consent what the page of its person says.
func TestConsentIsSaidInOneWay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.AdminRole)
	now := *h.now.Load()
	_, _, err := h.SetConsent(t.Context(), faces.Consent{Person: 1, Basis: faces.BasisLegitimateInterests, From: now.Add(-time.Hour), Until: now.AddDate(0, 0, 20)})
	h.check(err)
	b := h.browser(h.open())
	b.signIn("ada", goodPassword)
	if got := b.get("/settings/consents").words("#list"); !strings.Contains(got, "Legitimate interests") || !strings.Contains(got, "Ends soon") {
		t.Errorf("the settings say %q", got)
	}
	for target, want := range map[string]string{"/people/1": "Legitimate interests", "/people": "Consent ends"} {
		if got := b.get(target).words("main"); !strings.Contains(got, want) {
			t.Errorf("%s does not say %q: %s", target, want, got)
		}
	}
}
