package frontend_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
)

const sessionCookie = "__Host-rollcall"

// A new system: the log has a code, which makes the first admin, once.
func TestFirstVisit(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	site := h.open()
	b := h.browser(site)
	page := b.open("/")
	if got := page.words("h1"); got != "Welcome to Rollcall" {
		t.Fatalf("the first page is %q", got)
	}
	code := h.firstCode()
	form := func(pairs ...string) webPage {
		v := values("code", code, "name", "ada", "password", goodPassword, "again", goodPassword)
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return b.do(http.MethodPost, "/first-admin", v)
	}
	for name, wrong := range map[string][]string{
		"The code is wrong, was used already, or has expired.": {"code", "AAAA-BBBB"},
		"needs at least 12 characters":                         {"password", "short", "again", "short"},
		"The two passwords are not the same":                   {"again", goodPassword + "x"},
		"is not a user's name":                                 {"name", "Ada Lovelace"},
	} {
		if p := form(wrong...); p.Code < 400 || !strings.Contains(p.words("[role=alert]"), name) {
			t.Errorf("%v: got %d %q", wrong, p.Code, p.words("[role=alert]"))
		}
	}
	b.isIn("")
	if p := form("code", strings.ToLower(strings.ReplaceAll(code, "-", " "))); p.Code != http.StatusSeeOther || p.To != "/users" {
		t.Fatalf("the right code: got %d to %q: %s", p.Code, p.To, p.words("[role=alert]"))
	}
	b.isIn("ada")
	if got := b.get("/users").words("tbody tr"); !strings.HasPrefix(got, "ada (you) admin password") {
		t.Errorf("the users: %q", got)
	}
	if p := h.browser(site).send("/first-admin", "code", code, "name", "eve", "password", goodPassword, "again", goodPassword); p.Code != http.StatusForbidden {
		t.Errorf("the code works twice: %d", p.Code)
	}
	if p := h.browser(site).open("/first-admin"); p.words("h1") != "Sign in" {
		t.Errorf("the page of the first admin is still there: %q", p.words("h1"))
	}
	if got, want := h.actions(), []string{"user.set by 0", "user.password by 1"}; !slices.Equal(got, want) {
		t.Errorf("the audit log: %v, want %v", got, want)
	}
	lines := strings.Count(h.log.String(), "the first admin opens")
	h.serveOn(site)
	b.isIn("ada") // a restart does not end sessions
	if got := strings.Count(h.log.String(), "the first admin opens"); got != lines {
		t.Error("another code is logged, although there is an admin")
	}
	if n := count(h, "select count(*) from sign_in_codes"); n != 0 {
		t.Errorf("%d codes are left", n)
	}
}

// The code for the first admin expires.
func TestFirstAdminCodeExpires(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	site := h.open()
	code := h.firstCode()
	h.pass(25 * time.Hour)
	p := h.browser(site).send("/first-admin", "code", code, "name", "ada", "password", goodPassword, "again", goodPassword)
	if p.Code != http.StatusForbidden {
		t.Errorf("got %d to %q", p.Code, p.To)
	}
}

// A wrong password, an unknown user and a user without a password get the same answer.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.Viewer)
	_, err := h.SetUser(t.Context(), "bare", access.Viewer)
	h.check(err)
	b := h.browser(h.open())
	answers := map[string]string{}
	for _, name := range []string{"ada", "nobody", "bare", "not a name", strings.Repeat("x", 5000)} {
		p := b.signIn(name, "wrong password!")
		answers[strings.ReplaceAll(p.Text, name, "NAME")] += name[:min(len(name), 10)] + " "
		if p.Code != http.StatusForbidden || p.words("[role=alert]") != "User name or password is wrong." {
			t.Errorf("%.20s: got %d %q", name, p.Code, p.words("[role=alert]"))
		}
		if len(p.Cookies) > 0 {
			t.Errorf("%.20s gets a cookie", name)
		}
	}
	if len(answers) != 1 {
		t.Errorf("the answers tell users from others: %v", slices.Collect(valuesOf(answers)))
	}
	b.isIn("")
	for _, password := range []string{"", goodPassword + "x", strings.Repeat("y", 2000)} {
		if p := b.signIn("ada", password); p.Code != http.StatusForbidden {
			t.Errorf("the password %.20q: got %d", password, p.Code)
		}
	}
	if p := b.signIn("ada", goodPassword); p.Code != http.StatusSeeOther || p.To != "/" {
		t.Errorf("the right password: got %d to %q", p.Code, p.To)
	}
	b.isIn("ada")
	_, hash, err := h.Password(t.Context(), "ada")
	h.check(err)
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("the hash was not made stronger: %s", hash)
	}
	if p := h.browser(h.open()).signIn("ada", goodPassword); p.Code != http.StatusSeeOther {
		t.Errorf("with the stronger hash: got %d", p.Code)
	}
}

func TestAttemptsAreThrottled(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ada", "nobody"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.user("ada", access.Viewer)
			h.user("bob", access.Viewer)
			b := h.browser(h.open())
			for i := range 10 {
				if p := b.signIn(name, "wrong password!"); p.Code != http.StatusForbidden {
					t.Fatalf("attempt %d: got %d", i, p.Code)
				}
			}
			p := b.signIn(name, goodPassword)
			if p.Code != http.StatusTooManyRequests || p.Header.Get("Retry-After") != "30" || !strings.Contains(p.words("[role=alert]"), "wait 30 s") {
				t.Errorf("one more, with the right password: got %d, %q, %q", p.Code, p.Header.Get("Retry-After"), p.words("[role=alert]"))
			}
			if p := h.browser(h.open()).signIn("bob", goodPassword); p.Code != http.StatusSeeOther {
				t.Errorf("another user: got %d", p.Code)
			}
			h.pass(31 * time.Second)
			want := map[string]int{"ada": http.StatusSeeOther, "nobody": http.StatusForbidden}[name]
			if p := b.signIn(name, goodPassword); p.Code != want {
				t.Errorf("later: got %d, want %d", p.Code, want)
			}
		})
	}
}

// Addresses are counted, too; behind a proxy that is trusted, those that it names.
func TestAddressesAreThrottled(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		trusted []string
		headers func(i int) string
		stops   bool
	}{
		"one address":                    {nil, func(int) string { return "" }, true},
		"a header that nobody trusts":    {nil, func(i int) string { return "203.0.113." + string(rune('0'+i%10)) }, true},
		"a trusted proxy, one client":    {[]string{"127.0.0.0/8"}, func(int) string { return "203.0.113.7" }, true},
		"a trusted proxy, a client lies": {[]string{"127.0.0.1"}, func(i int) string { return "198.51.100." + string(rune('0'+i%10)) + ", 203.0.113.7" }, true},
		"a trusted proxy, many clients":  {[]string{"127.0.0.1"}, func(i int) string { return "203.0.113." + string(rune('0'+i%10)) }, false},
		"IPv6 of one network":            {[]string{"127.0.0.1"}, func(i int) string { return "2001:db8::" + string(rune('0'+i%10)) }, true},
		"IPv6 of many networks":          {[]string{"127.0.0.1"}, func(i int) string { return "2001:db8:0:" + string(rune('0'+i%10)) + "::1" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.user("ada", access.AdminRole)
			h.config.TrustedProxies = tc.trusted
			b := h.browser(h.open())
			stopped := false
			for i := range 32 {
				// A wrong code costs an attempt and no hash.
				p := b.do(http.MethodPost, "/invite", values("code", "AAAA", "password", goodPassword, "again", goodPassword), "X-Forwarded-For", tc.headers(i))
				stopped = stopped || p.Code == http.StatusTooManyRequests
			}
			if stopped != tc.stops {
				t.Errorf("stopped: %v, want %v", stopped, tc.stops)
			}
		})
	}
}

func TestSessionCookie(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.Viewer)
	b := h.browser(h.open())
	p := b.signIn("ada", goodPassword)
	if len(p.Cookies) != 1 {
		t.Fatalf("got cookies %v", p.Cookies)
	}
	k := p.Cookies[0]
	if k.Name != sessionCookie || !k.Secure || !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Path != "/" || k.Domain != "" || len(k.Value) < 43 || k.MaxAge > 7*24*3600+1 {
		t.Errorf("the cookie is %s", k)
	}
	if got := p.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("an answer with a cookie may be kept: %q", got)
	}
	if n := count(h, "select count(*) from sessions where token_sha256 = ? or hex(token_sha256) = ?", k.Value, k.Value); n != 0 {
		t.Error("the token itself is stored")
	}
	out := b.send("/sign-out")
	if out.Code != http.StatusSeeOther || len(out.Cookies) != 1 || out.Cookies[0].MaxAge >= 0 {
		t.Errorf("sign-out: got %d with %v", out.Code, out.Cookies)
	}
	b.isIn("")
	b.setCookie(sessionCookie, k.Value) // as if somebody had copied it
	b.isIn("")
}

func onLoopback(o *frontend.Options) { o.Address = "127.0.0.1:8081" }

// On loopback, and below a base path, the cookie has other names.
func TestCookiesByAddress(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*frontend.Options)
		plain  bool
		public string
		want   string
		secure bool
	}{
		"base path":               {func(o *frontend.Options) { o.BasePath = "/team/faces" }, false, "", "__Host-rollcall-team-faces", true},
		"loopback":                {onLoopback, false, "", "rollcall", false},
		"loopback by http":        {onLoopback, false, "http://localhost:8081", "rollcall", false},
		"loopback behind https":   {onLoopback, false, "https://rollcall.example.com", "__Host-rollcall", true},
		"loopback, told to be so": {onLoopback, true, "https://rollcall.example.com", "rollcall", false},
		"plain http":              {func(*frontend.Options) {}, true, "", "rollcall", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.user("ada", access.Viewer)
			h.change, h.config.PlainHTTP, h.config.PublicURL = tc.change, tc.plain, tc.public
			p := h.browser(h.open()).signIn("ada", goodPassword)
			if len(p.Cookies) != 1 || p.Cookies[0].Name != tc.want || p.Cookies[0].Secure != tc.secure || !p.Cookies[0].HttpOnly {
				t.Errorf("got %v", p.Cookies)
			}
		})
	}
}

// A browser that would lose the cookie is told so.
func TestPlainHTTPIsExplained(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.Viewer)
	b := h.browser(h.open())
	p := b.do(http.MethodPost, "/sign-in", values("name", "ada", "password", goodPassword), "Origin", strings.Replace(b.base, "https:", "http:", 1))
	if p.Code != http.StatusForbidden || !strings.Contains(p.words("main"), "ROLLCALL_PLAIN_HTTP") {
		t.Errorf("got %d %q", p.Code, p.words("main"))
	}
}

// A token that somebody planted in a browser is never the token of a session.
func TestSessionFixation(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.Viewer)
	h.user("eve", access.Viewer)
	site := h.open()
	eve := h.browser(site)
	eve.signIn("eve", goodPassword)
	eves := eve.cookie(sessionCookie).Value
	for name, planted := range map[string]string{"made up": strings.Repeat("A", 43), "of another user": eves, "huge": strings.Repeat("A", 3000)} {
		b := h.browser(site)
		b.setCookie(sessionCookie, planted)
		b.signIn("ada", goodPassword)
		b.isIn("ada")
		if got := b.cookie(sessionCookie).Value; got == planted {
			t.Errorf("%s: the planted token is that of the session", name)
		}
		thief := h.browser(site)
		thief.setCookie(sessionCookie, planted)
		thief.isIn("")
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(h *house, u access.User, b *tab){
		"not used for too long": func(h *house, _ access.User, _ *tab) { h.pass(8*time.Hour + time.Second) },
		"used until its end": func(h *house, _ access.User, b *tab) {
			for range 7 * 24 / 6 {
				b.isIn("ada")
				h.pass(6 * time.Hour)
			}
			h.pass(time.Second)
		},
		"the user is deleted": func(h *house, u access.User, _ *tab) {
			_, err := h.DeleteUser(h.t.Context(), u.Name)
			h.check(err)
		},
		"the password changed": func(h *house, u access.User, _ *tab) { h.check(h.SetPassword(h.t.Context(), u.ID, cheapHash("x"))) },
		"the session is revoked": func(h *house, u access.User, _ *tab) {
			list, err := h.Sessions(h.t.Context(), u.ID, 10)
			h.check(err)
			h.check(h.RevokeSession(h.t.Context(), list[0].ID, 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			u := h.user("ada", access.Viewer)
			h.user("root", access.AdminRole)
			b := h.browser(h.open())
			b.signIn("ada", goodPassword)
			b.isIn("ada")
			end(h, u, b)
			b.isIn("")
		})
	}
}

// A session that is used lives on, and most requests only read.
func TestUsedSessionsLive(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.Viewer)
	b := h.browser(h.open())
	b.signIn("ada", goodPassword)
	for range 4 {
		h.pass(5 * time.Hour)
		b.isIn("ada")
	}
	seen := func() time.Time {
		list, err := h.Sessions(t.Context(), 0, 1)
		h.check(err)
		return list[0].SeenAt
	}
	before := seen()
	h.pass(30 * time.Second)
	b.isIn("ada")
	if !seen().Equal(before) {
		t.Error("each request writes")
	}
	h.pass(31 * time.Second)
	b.isIn("ada")
	if !seen().After(before) {
		t.Error("the session's use is not noted")
	}
}

// What an open page loads by itself does not keep its session alive.
func TestOpenTabIsNoUse(t *testing.T) {
	t.Parallel()
	for name, load := range map[string]func(b *tab) webPage{
		"the page again, by a script": func(b *tab) webPage { return b.get("/", "Sec-Fetch-Mode", "cors") },
		"names":                       func(b *tab) webPage { return b.get("/names", "Sec-Fetch-Mode", "cors") },
		"a picture":                   func(b *tab) webPage { return b.get("/images/1/thumbnail", "Sec-Fetch-Mode", "no-cors") },
		"a picture, by plain http":    func(b *tab) webPage { return b.get("/faces/1/crop", "Sec-Fetch-Mode", "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			u := h.user("ada", access.Viewer)
			b := h.browser(h.open())
			b.signIn("ada", goodPassword)
			for range 3 {
				h.pass(2 * time.Hour)
				if p := load(b); p.Code == http.StatusUnauthorized {
					t.Fatalf("after less than 8 hours: got %d", p.Code)
				}
			}
			_, err := h.SetUser(t.Context(), u.Name, access.Reviewer)
			h.check(err)
			if p := load(b); len(p.Cookies) != 1 {
				t.Errorf("with another role the token does not change: %v", p.Cookies)
			}
			h.pass(2*time.Hour + time.Second)
			if p := load(b); p.Code != http.StatusUnauthorized {
				t.Errorf("after 8 hours without a use: got %d", p.Code)
			}
			b.isIn("")
		})
	}
}

// To sign out in a tab whose session has ended is no error.
func TestSignOutTwice(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.Viewer)
	b := h.browser(h.open())
	b.signIn("ada", goodPassword)
	for range 2 {
		if p := b.send("/sign-out"); p.Code != http.StatusSeeOther || p.To != "/sign-in" {
			t.Errorf("got %d to %q", p.Code, p.To)
		}
		b.isIn("")
	}
}

// A role that is lowered counts at once, and the token changes.
func TestRoleCountsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.AdminRole)
	h.user("root", access.AdminRole)
	b := h.browser(h.open())
	b.signIn("ada", goodPassword)
	before := b.cookie(sessionCookie).Value
	if p := b.get("/users"); p.Code != http.StatusOK {
		t.Fatalf("an admin: got %d", p.Code)
	}
	_, err := h.SetUser(t.Context(), "ada", access.Viewer)
	h.check(err)
	p := b.get("/users")
	if p.Code != http.StatusForbidden || !strings.Contains(p.words("main"), "It needs the role admin") {
		t.Errorf("a viewer: got %d %q", p.Code, p.words("main"))
	}
	after := b.cookie(sessionCookie).Value
	if after == before {
		t.Error("the token is that of the admin")
	}
	if p := b.send("/users", "name", "eve", "role", "admin"); p.Code != http.StatusForbidden {
		t.Errorf("a viewer adds a user: got %d", p.Code)
	}
	b.isIn("ada")
	old := h.browser(h.open())
	old.setCookie(sessionCookie, before)
	old.isIn("")
}

// Forms of other pages change nothing, whatever cookies the browser sends along.
func TestForeignForms(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.AdminRole)
	h.user("bob", access.Viewer)
	b := h.browser(h.open())
	b.signIn("ada", goodPassword)
	targets := []string{
		"/sign-in", "/sign-out", "/first-admin", "/invite", "/users", "/users/role", "/users/invite", "/users/delete",
		"/sessions/revoke", "/sessions/revoke-others", "/password",
	}
	form := values("name", "bob", "role", "admin", "id", "1", "password", goodPassword)
	for name, headers := range map[string][]string{
		"another site":            {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"a neighbour host":        {"Sec-Fetch-Site", "same-site", "Origin", "https://evil.example"},
		"an old browser":          {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		"a sandbox":               {"Sec-Fetch-Site", "cross-site", "Origin", "null"},
		"another site, no Origin": {"Sec-Fetch-Site", "cross-site", "Origin", ""},
		"a neighbour, no Origin":  {"Sec-Fetch-Site", "same-site", "Origin", ""},
	} {
		for _, target := range targets {
			if p := b.do(http.MethodPost, target, form, headers...); p.Code != http.StatusForbidden || !strings.Contains(p.words("h1"), "refused") {
				t.Errorf("%s, %s: got %d %q", name, target, p.Code, p.words("h1"))
			}
		}
	}
	b.isIn("ada")
	u, err := h.User(t.Context(), "bob")
	h.check(err)
	if u.Role != access.Viewer {
		t.Errorf("bob is %s", u.Role)
	}
}

func TestNextStaysHere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.Viewer)
	site := h.open()
	for next, want := range map[string]string{
		"":                              "/",
		"/":                             "/",
		"/images/1":                     "/images/1",
		"/?status=failed&q=a%26b":       "/?status=failed&q=a%26b",
		"//evil.example":                "/",
		"/\\evil.example":               "/",
		"\\\\evil.example":              "/",
		"https://evil.example/":         "/",
		"javascript:alert(1)":           "/",
		"/%5c%5cevil.example":           "/",
		"/%09/evil.example":             "/%09/evil.example",
		"/\t/evil.example":              "/",
		"//evil.example/%2e%2e":         "/",
		"/..//evil.example":             "/evil.example",
		"/sign-out":                     "/",
		"/sign-in?next=/":               "/",
		"http:evil.example":             "/",
		"/images/1\r\nSet-Cookie: a=b":  "/",
		"/" + strings.Repeat("a", 3000): "/",
	} {
		b := h.browser(site)
		if p := b.send("/sign-in", "name", "ada", "password", goodPassword, "next", next); p.Code != http.StatusSeeOther || p.To != want {
			t.Errorf("%.60q: got %d to %.60q, want %q", next, p.Code, p.To, want)
		}
	}
	p := h.browser(site).get("/images/1?a=b")
	if p.To != "/sign-in?next=%2Fimages%2F1%3Fa%3Db" {
		t.Errorf("a page leads to %q", p.To)
	}
	b := h.browser(site)
	sent := b.get(p.To)
	if got := sent.Find("input[name=next]").AttrOr("value", ""); got != "/images/1?a=b" {
		t.Errorf("the form comes back to %q", got)
	}
}

// Without sign-in there are only the pages that somebody needs for it.
func TestNothingWithoutSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.AdminRole)
	b := h.browser(h.open())
	for _, target := range []string{"/", "/images/1", "/images/999", "/users", "/sessions", "/nothing", "/static", "/?person=Anna"} {
		p := b.get(target)
		if p.Code != http.StatusSeeOther || !strings.HasPrefix(p.To, "/sign-in") || p.Find("main").Length() > 0 {
			t.Errorf("%s: got %d to %q", target, p.Code, p.To)
		}
		p = b.get(target, "Sec-Fetch-Mode", "cors")
		if p.Code != http.StatusUnauthorized || strings.Contains(p.words("main"), "Anna") {
			t.Errorf("%s by a script: got %d", target, p.Code)
		}
	}
	for _, target := range []string{"/live", "/names", "/names?q=An", "/images/1/thumbnail", "/images/1/picture", "/faces/1/crop", "/people/1/known?name=Anna.jpg"} {
		for _, mode := range []string{"navigate", "cors", "no-cors", ""} {
			if p := b.get(target, "Sec-Fetch-Mode", mode); p.Code != http.StatusUnauthorized || strings.Contains(p.words("main"), "Anna") {
				t.Errorf("%s, %q: got %d", target, mode, p.Code)
			}
		}
	}
	if p := b.get("/images/1", "Sec-Fetch-Mode", ""); p.Code != http.StatusSeeOther {
		t.Errorf("a page by plain http: got %d", p.Code)
	}
	for _, target := range []string{
		"/images/1/faces", "/images/1/retry", "/faces/1/person", "/faces/1/not-person", "/faces/1/ignore", "/faces/1/not-a-face", "/corrections/1/undo",
	} {
		if p := b.send(target, "name", "Bela"); p.Code != http.StatusUnauthorized {
			t.Errorf("POST %s: got %d", target, p.Code)
		}
	}
	for _, target := range []string{"/users", "/sessions/revoke", "/password", "/", "/nothing"} {
		if p := b.send(target); p.Code != http.StatusUnauthorized && p.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: got %d", target, p.Code)
		}
	}
	for target, want := range map[string]int{"/sign-in": 200, "/invite": 200, "/static/tokens.css": 200, "/static/nothing": 404} {
		p := b.get(target)
		if p.Code != want {
			t.Errorf("%s: got %d", target, p.Code)
		}
		if p.Header.Get("Content-Security-Policy") == "" || p.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s has no security headers: %v", target, p.Header)
		}
		if want == 200 && !strings.HasPrefix(target, "/static") && p.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept", target)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	site := h.open()
	for _, role := range access.AllRoles() {
		h.user(string(role)+"-user", role)
	}
	for role, want := range map[access.Role]int{access.Viewer: 403, access.Reviewer: 403, access.AdminRole: 200} {
		b := h.browser(site)
		b.signIn(string(role)+"-user", goodPassword)
		if p := b.get("/users"); p.Code != want {
			t.Errorf("%s, users: got %d, want %d", role, p.Code, want)
		}
		if got := b.get("/").Find("nav.me a[href='/users']").Length() == 1; got != (want == 200) {
			t.Errorf("%s: a link to the users: %v", role, got)
		}
		if p := b.get("/sessions"); p.Code != 200 || p.Find("#others").Length() == 1 != (want == 200) {
			t.Errorf("%s, sessions: got %d", role, p.Code)
		}
	}
}

// Two dashboards know the same sessions.
func TestTwoDashboards(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.Viewer)
	one, two := h.open(), h.open()
	b := h.browser(one)
	b.signIn("ada", goodPassword)
	b.base = two.URL
	b.isIn("ada")
	b.send("/sign-out")
	b.base = one.URL
	b.isIn("")
}

func TestDatabaseAwayLetsNobodyIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.Viewer)
	b := h.browser(h.open())
	b.signIn("ada", goodPassword)
	h.check(h.Close())
	for _, target := range []string{"/", "/images/1", "/sessions"} {
		if p := b.get(target); p.Code != http.StatusServiceUnavailable || strings.Contains(p.Text, "Anna") {
			t.Errorf("%s: got %d", target, p.Code)
		}
	}
	if p := b.signIn("ada", goodPassword); p.Code != http.StatusServiceUnavailable {
		t.Errorf("sign-in: got %d", p.Code)
	}
}

// What others wrote is text on every page.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	const evil = `"><script>alert(1)</script>` + "\u202e"
	h := newHouse(t)
	h.user("a=|b", access.AdminRole)
	b := h.browser(h.open())
	pages := []webPage{
		b.signIn(evil, evil),
		b.get("/sign-in?next=" + "/%22%3E%3Cscript%3E"),
		b.send("/invite", "code", evil, "password", goodPassword, "again", "other"),
		b.do(http.MethodPost, "/sign-in", values("name", "a=|b", "password", goodPassword), "User-Agent", evil+strings.Repeat("x", 5000)),
		b.get("/sessions"),
		b.send("/users", "name", evil, "role", evil),
		b.send("/users/role", "name", evil, "role", "admin"),
		b.send("/users/delete", "name", evil),
		b.send("/sessions/revoke", "id", evil),
		b.get("/users"),
	}
	for i, p := range pages {
		if strings.Contains(p.Text, "<script>alert") || strings.Contains(p.Text, "\u202e") || p.Code >= 500 {
			t.Errorf("page %d: got %d: %s", i, p.Code, p.Text)
		}
	}
	if got := pages[4].words("tbody td"); !strings.Contains(got, "script") {
		t.Errorf("the browser's name is not shown: %q", got)
	}
}

func valuesOf(m map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func count(h *house, query string, args ...any) (n int) {
	h.t.Helper()
	db := openRaw(h)
	defer db.Close()
	h.check(db.QueryRowContext(h.t.Context(), query, args...).Scan(&n))
	return n
}

// Where nobody has to sign in.
func TestOpenDashboards(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		address string
		open    string
		keyed   bool
		api     bool
		want    string // open to admin or viewer, sign-in, or refused
	}{
		"this machine only":                     {"127.0.0.1:8081", "auto", false, true, "admin"},
		"this machine only, with keys":          {"127.0.0.1:8081", "auto", true, true, "sign-in"},
		"this machine only, with keys and open": {"127.0.0.1:8081", "true", true, true, "viewer"},
		"this machine only, told to be open":    {"127.0.0.1:8081", "true", false, true, "viewer"},
		"another name of it, told to be open":   {"[::1]:8081", "true", false, true, "viewer"},
		"this machine only, told to ask":        {"127.0.0.1:8081", "false", false, true, "sign-in"},
		"all, with a key":                       {":8081", "auto", true, true, "sign-in"},
		"all, without a key":                    {":8081", "auto", false, false, "refused"},
		"all, told to be open":                  {":8081", "true", false, false, "viewer"},
		"all, told to be open, with a key":      {":8081", "true", true, true, "viewer"},
		"told to ask, and cannot":               {"0.0.0.0:8081", "false", false, false, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			opts := frontend.Options{Address: tc.address, CountsFor: -1}
			deps := frontend.SignInDeps{Store: h.Store, Keyed: tc.keyed, Log: quietLog()}
			if tc.api {
				deps.API = h.api
			}
			err := frontend.SignInConfig{Open: tc.open}.Apply(&opts, deps)
			if tc.want == "refused" {
				if err == nil || !strings.Contains(err.Error(), "ROLLCALL_OPEN_DASHBOARD=true") || !strings.Contains(err.Error(), "ROLLCALL_KEY_FILE") {
					t.Errorf("it starts, or does not say what to do: %v", err)
				}
				return
			}
			h.check(err)
			srv, err := frontend.New(h.Store, opts)
			h.check(err)
			page := do(t, srv.Handler(), local(t, http.MethodGet, "/", ""))
			got := map[int]string{http.StatusOK: string(opts.Everybody), http.StatusSeeOther: "sign-in"}[page.Code]
			if got != tc.want {
				t.Errorf("got %d, %q", page.Code, got)
			}
			if tc.want != "sign-in" {
				if p := do(t, srv.Handler(), local(t, http.MethodGet, "/users", "")); p.Code != http.StatusNotFound {
					t.Errorf("the page of users: got %d", p.Code)
				}
			}
		})
	}
}

// A loopback address behind a proxy is reached by others.
func TestLoopbackBehindAProxyAsksToSignIn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		hosts  []string
		config frontend.SignInConfig
		signIn bool
	}{
		"no proxy":                   {nil, frontend.SignInConfig{}, false},
		"a public name":              {[]string{"rollcall.example.com"}, frontend.SignInConfig{}, true},
		"any name":                   {[]string{"localhost", "*"}, frontend.SignInConfig{}, true},
		"names of this machine":      {[]string{"localhost", "127.0.0.2"}, frontend.SignInConfig{}, false},
		"a proxy":                    {nil, frontend.SignInConfig{TrustedProxies: []string{"127.0.0.1"}}, true},
		"a public address":           {nil, frontend.SignInConfig{PublicURL: "https://rollcall.example.com/faces"}, true},
		"an address of this machine": {nil, frontend.SignInConfig{PublicURL: "http://localhost:8081"}, false},
		"told to be open":            {[]string{"rollcall.example.com"}, frontend.SignInConfig{Open: "true"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			opts := frontend.Options{Address: "127.0.0.1:8081", AllowedHosts: tc.hosts}
			h.check(tc.config.Apply(&opts, frontend.SignInDeps{Store: h.Store, API: h.api, Log: quietLog()}))
			if got := opts.SignIn != nil; got != tc.signIn {
				t.Errorf("it asks to sign in: %v, want %v", got, tc.signIn)
			}
			if mayAll := opts.Everybody == access.AdminRole; mayAll && (tc.signIn || tc.config.Open == "true") {
				t.Error("everybody is an admin")
			}
		})
	}
}

func TestUsersPage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	root := h.user("root", access.AdminRole)
	site := h.open()
	b := h.browser(site)
	b.signIn("root", goodPassword)
	p := b.send("/users", "name", "ada", "role", "reviewer")
	link, code := p.Find("#invite-link").AttrOr("value", ""), p.words(".notice code")
	if p.Code != http.StatusOK || link != site.URL+"/invite#"+code || len(code) != 39 {
		t.Fatalf("got %d, %q, %q", p.Code, link, code)
	}
	if again := b.get("/users"); strings.Contains(again.Text, code) || !strings.Contains(again.words("tbody"), "ada") {
		t.Error("the code is shown again, or the user is not")
	}
	ada := h.browser(site)
	if p := ada.send("/invite", "code", code, "password", "short", "again", "short"); p.Code != http.StatusUnprocessableEntity {
		t.Errorf("a short password: got %d", p.Code)
	}
	if p := ada.send("/invite", "code", code, "password", "ada's own words", "again", "ada's own words"); p.Code != http.StatusSeeOther {
		t.Fatalf("the invitation: got %d %s", p.Code, p.words("[role=alert]"))
	}
	ada.isIn("ada")
	if p := h.browser(site).send("/invite", "code", code, "password", goodPassword, "again", goodPassword); p.Code != http.StatusForbidden {
		t.Errorf("the invitation works twice: got %d", p.Code)
	}
	for name, tc := range map[string]struct {
		target string
		form   []string
		code   int
		says   string
	}{
		"a user who is there": {"/users", []string{"name", "ada", "role", "admin"}, 409, "There is already a user ada."},
		"no name":             {"/users", []string{"name", "", "role", "admin"}, 422, "is not a user's name"},
		"no role":             {"/users", []string{"name", "eve", "role", "king"}, 422, "is not a role"},
		"an unknown user":     {"/users/invite", []string{"name", "eve"}, 403, "This user is not there"},
		"one's own role":      {"/users/role", []string{"name", "root", "role", "viewer"}, 422, "This is you"},
		"oneself":             {"/users/delete", []string{"name", "root"}, 422, "This is you"},
	} {
		if p := b.send(tc.target, tc.form...); p.Code != tc.code || !strings.Contains(p.words("[role=alert]"), tc.says) {
			t.Errorf("%s: got %d %q", name, p.Code, p.words("[role=alert]"))
		}
	}
	// A forgotten password: the old one and the old sessions end with the new one.
	code = b.send("/users/invite", "name", "ada").words(".notice code")
	ada.isIn("ada")
	h.browser(site).send("/invite", "code", code, "password", goodPassword, "again", goodPassword)
	ada.isIn("")
	if p := ada.signIn("ada", goodPassword); p.Code != http.StatusSeeOther {
		t.Errorf("the new password: got %d", p.Code)
	}
	if p := b.send("/users/role", "name", "ada", "role", "viewer"); p.To != "/users" {
		t.Errorf("a new role: got %d %s", p.Code, p.words("[role=alert]"))
	}
	if p := b.send("/users/delete", "name", "ada"); p.To != "/users" {
		t.Errorf("delete: got %d %s", p.Code, p.words("[role=alert]"))
	}
	ada.isIn("")
	want := []string{
		"user.set by 1", "user.invite by 1", "user.password by 2", "user.invite by 1", "user.password by 2", "user.set by 1", "user.delete by 1",
	}
	if diff := cmp.Diff(want, h.actions()); diff != "" || root.ID != 1 {
		t.Errorf("the audit log (-want +got):\n%s", diff)
	}
	for _, table := range []string{"sessions", "user_passwords", "sign_in_codes"} {
		if n := count(h, "select count(*) from "+table+" where user_id = 2"); n != 0 {
			t.Errorf("%s has %d rows of a deleted user", table, n)
		}
	}
}

// Without the receiver nothing is changed, and the page says so.
func TestReceiverAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("root", access.AdminRole)
	b := h.browser(h.open())
	b.signIn("root", goodPassword)
	h.receiver.Close()
	if p := b.send("/users", "name", "ada", "role", "viewer"); p.Code != http.StatusServiceUnavailable || !strings.Contains(p.words("[role=alert]"), "receiver cannot be reached") {
		t.Errorf("got %d %q", p.Code, p.words("main"))
	}
	b.isIn("root")
}

func TestSessionsPage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("root", access.AdminRole)
	h.user("ada", access.Viewer)
	site := h.open()
	root, ada, phone := h.browser(site), h.browser(site), h.browser(site)
	root.signIn("root", goodPassword)
	phone.do(http.MethodPost, "/sign-in", values("name", "ada", "password", goodPassword), "User-Agent", "Mozilla/5.0 (iPhone) Version/17 Safari/604.1")
	ada.signIn("ada", goodPassword)
	p := ada.get("/sessions")
	if got := p.each("tbody tr"); len(got) != 2 || !strings.HasPrefix(got[0], "ada Firefox on Linux 127.0.0.1") || !strings.Contains(got[1], "Safari on iPhone") {
		t.Errorf("ada's sessions: %q", got)
	}
	id := func(b *tab, row int) string {
		return b.get("/sessions").Find("tbody tr input[name=id]").Eq(row).AttrOr("value", "")
	}
	roots := id(root, 0)
	if p := ada.send("/sessions/revoke", "id", roots); p.Code != http.StatusNotFound {
		t.Errorf("ada revokes root's session: got %d", p.Code)
	}
	root.isIn("root")
	if p := ada.send("/sessions/revoke", "id", id(ada, 1)); p.To != "/sessions" {
		t.Errorf("ada revokes her own: got %d", p.Code)
	}
	phone.isIn("")
	phone.signIn("ada", goodPassword)
	if p := ada.send("/sessions/revoke-others"); p.To != "/sessions" {
		t.Errorf("the others: got %d", p.Code)
	}
	phone.isIn("")
	ada.isIn("ada")
	if got := root.get("/sessions").each("#others ~ table tbody tr"); len(got) != 1 || !strings.HasPrefix(got[0], "ada Firefox") {
		t.Errorf("the sessions of others: %q", got)
	}
	if p := root.send("/sessions/revoke", "id", id(root, 1)); p.To != "/sessions" {
		t.Errorf("root revokes ada's: got %d", p.Code)
	}
	ada.isIn("")
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.Viewer)
	site := h.open()
	b, other := h.browser(site), h.browser(site)
	b.signIn("ada", goodPassword)
	other.signIn("ada", goodPassword)
	const better = "another four words"
	for says, form := range map[string][]string{
		"User name or password is wrong": {"old", "wrong password!", "password", better, "again", better},
		"are not the same":               {"old", goodPassword, "password", better, "again", "x"},
		"at least 12 characters":         {"old", goodPassword, "password", "x", "again", "x"},
	} {
		if p := b.send("/password", form...); p.Code < 400 || !strings.Contains(p.words("[role=alert]"), says) {
			t.Errorf("%s: got %d %q", says, p.Code, p.words("[role=alert]"))
		}
	}
	p := b.send("/password", "old", goodPassword, "password", better, "again", better)
	if p.To != "/sessions?done=password" {
		t.Fatalf("got %d to %q: %s", p.Code, p.To, p.words("[role=alert]"))
	}
	b.isIn("ada")
	other.isIn("")
	if p := other.signIn("ada", goodPassword); p.Code != http.StatusForbidden {
		t.Errorf("the old password: got %d", p.Code)
	}
	if p := other.signIn("ada", better); p.Code != http.StatusSeeOther {
		t.Errorf("the new password: got %d", p.Code)
	}
}

// What is wrong with the dashboard's own key is in the log from the start.
func TestOwnKeyIsChecked(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		scopes []access.Scope
		revoke bool
		says   string
	}{
		"without admin": {[]access.Scope{access.Read, access.Act}, false, "lacks the scope admin"},
		"revoked":       {[]access.Scope{access.Admin, access.Act}, true, "does not accept"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.user("root", access.AdminRole)
			key, text, err := access.NewKey("poor", access.ScopesOf(tc.scopes...), access.Limits{}, time.Now(), time.Time{})
			h.check(err)
			_, err = h.AddKey(t.Context(), key)
			h.check(err)
			if tc.revoke {
				_, err = h.RevokeKey(t.Context(), key.ID)
				h.check(err)
			}
			h.api = client.New(h.receiver.URL, client.WithKey(text))
			b := h.browser(h.open())
			wait.Until(t, "the log says it", func() bool { return strings.Contains(h.log.String(), tc.says) })
			b.signIn("root", goodPassword)
			p := b.send("/users", "name", "ada", "role", "viewer")
			if p.Code == http.StatusOK || p.words("[role=alert]") == "" {
				t.Errorf("a user is added, or nothing is said: %d", p.Code)
			}
			if strings.Contains(h.log.String(), text) {
				t.Error("the key is logged")
			}
		})
	}
}
