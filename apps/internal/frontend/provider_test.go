package frontend_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// withProvider makes the house's dashboards ask a provider, by the settings of a user.
// A dashboard must have its address before its settings.
func (h *house) withProvider(settings map[string]string) *site {
	h.t.Helper()
	s := &site{}
	s.Server = httptest.NewTLSServer(s)
	h.t.Cleanup(s.Close)
	all := map[string]string{"ROLLCALL_DASHBOARD_URL": s.URL, "ROLLCALL_OPEN_DASHBOARD": "false"}
	maps.Copy(all, settings)
	r := config.NewReader(config.Map(all))
	h.config = frontend.ReadSignIn(r)
	h.check(r.Err())
	h.serveOn(s)
	return s
}

// A whole sign-in with a provider that somebody else wrote, which insists on PKCE's
// verifier and on the client's secret, and says the e-mail address in the user info only.
func TestProvider(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	op := &site{}
	op.Server = httptest.NewServer(op)
	t.Cleanup(op.Close)
	site := h.withProvider(map[string]string{
		"ROLLCALL_OIDC_ISSUER": op.URL, "ROLLCALL_OIDC_CLIENT_ID": "rollcall", "ROLLCALL_OIDC_DEFAULT_ROLE": "reviewer",
		"ROLLCALL_OIDC_CLIENT_SECRET_FILE": secretFile(t, "very secret"), "ROLLCALL_OIDC_NAME": "Example Inc.",
	})
	clients := map[string]*storage.Client{"rollcall": storage.WebClient("rollcall", "very secret", site.URL+frontend.CallbackPath)}
	var handler http.Handler = exampleop.SetupServer(op.URL, storage.NewStorageWithClients(storage.NewUserStore(op.URL), clients), nil, false)
	op.now.Store(&handler)

	b := h.browser(site)
	page := b.open("/images/1")
	if got := page.words("a.button"); got != "Sign in with Example Inc." {
		t.Fatalf("the button says %q", got)
	}
	begun := b.get(page.Find("a.button").AttrOr("href", ""))
	login := b.get(begun.To)
	form := b.get(op.URL + strings.TrimPrefix(login.To, op.URL))
	done := b.do(http.MethodPost, op.URL+"/login/username", values(
		"id", form.Find("input[name=id]").AttrOr("value", ""), "username", "test-user@127.0.0.1", "password", "verysecure"), "Origin", op.URL)
	back := b.get(op.URL + strings.TrimPrefix(done.To, op.URL))
	if !strings.HasPrefix(back.To, site.URL+frontend.CallbackPath+"?") {
		t.Fatalf("the provider leads to %q: %s", back.To, back.Text)
	}
	in := b.get(back.To, "Sec-Fetch-Site", "cross-site")
	if in.Code != http.StatusSeeOther || in.To != "/images/1" {
		t.Fatalf("got %d to %q: %s\n%s", in.Code, in.To, in.words("[role=alert]"), h.log)
	}
	b.isIn("test-user@zitadel.ch")
	u, err := h.User(t.Context(), "test-user@zitadel.ch")
	h.check(err)
	if u.Role != access.Reviewer {
		t.Errorf("the new user is %s", u.Role)
	}
	if p := b.get(back.To, "Sec-Fetch-Site", "cross-site"); p.Code != http.StatusForbidden {
		t.Errorf("the answer works twice: got %d", p.Code)
	}
	if strings.Contains(h.log.String(), "very secret") || strings.Contains(h.log.String(), b.cookie(sessionCookie).Value) {
		t.Error("a secret is logged")
	}
	if p := b.get("/sessions"); strings.Contains(p.Text, "Change your password") {
		t.Error("somebody without a password can change it")
	}
}

// liar is a provider that says what a test wants.
type liar struct {
	*httptest.Server
	oidc oidctest.Server
	key  *ecdsa.PrivateKey

	mu        sync.Mutex // guards the fields below
	say       func(claims map[string]any)
	key2      *ecdsa.PrivateKey // signs instead of key, if set
	challenge string
	nonce     string
	used      bool
}

const clientID = "rollcall"

func newLiar(t *testing.T) *liar {
	t.Helper()
	l := &liar{key: newKey(t)}
	l.oidc = oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: l.key.Public(), KeyID: "k", Algorithm: oidc.ES256}}, Algorithms: []string{oidc.ES256}}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	l.oidc.SetIssuer(l.URL)
	return l
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// ServeHTTP answers as a provider at which somebody is signed in already.
func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch r.URL.Path {
	case "/auth":
		q := r.URL.Query()
		l.challenge, l.nonce, l.used = q.Get("code_challenge"), q.Get("nonce"), false
		if q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" {
			http.Error(w, "no PKCE", http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {"c"}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	case "/token":
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if l.used || r.FormValue("code") != "c" || base64.RawURLEncoding.EncodeToString(sum[:]) != l.challenge {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			w.Write([]byte(`{"error":"invalid_grant"}`)) //nolint:errcheck // a test
			return
		}
		l.used = true
		l.token(w)
	default:
		l.oidc.ServeHTTP(w, r)
	}
}

func (l *liar) token(w http.ResponseWriter) {
	now := time.Now()
	claims := map[string]any{
		"iss": l.URL, "aud": clientID, "sub": "42", "nonce": l.nonce, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"email": "ada@example.org", "email_verified": true, "groups": []string{"everybody", "photo team"},
	}
	if l.say != nil {
		l.say(claims)
	}
	text, _ := json.Marshal(claims) //nolint:errcheck,errchkjson // a test
	key := l.key
	if l.key2 != nil {
		key = l.key2
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{ //nolint:errcheck,errchkjson // a test
		"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": oidctest.SignIDToken(key, "k", oidc.ES256, string(text)),
	})
}

// lies makes the provider say something else from now on.
func (l *liar) lies(say func(claims map[string]any)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.say = say
}

// enter goes through a sign-in with the provider and returns the last page.
func (b *tab) enter(change func(callback url.Values)) webPage {
	b.t.Helper()
	begun := b.get("/sign-in/provider")
	back := b.get(begun.To)
	u, err := url.Parse(back.To)
	if err != nil || u.Path != frontend.CallbackPath {
		b.t.Fatalf("the provider leads to %q: %v", back.To, err)
	}
	q := u.Query()
	if change != nil {
		change(q)
	}
	u.RawQuery = q.Encode()
	return b.get(u.String(), "Sec-Fetch-Site", "cross-site")
}

func TestProviderLies(t *testing.T) {
	t.Parallel()
	other := newKey(t)
	for name, tc := range map[string]struct {
		say      func(claims map[string]any)
		callback func(q url.Values)
		key      *ecdsa.PrivateKey
		says     string
	}{
		"the truth":                          {},
		"another nonce":                      {say: func(c map[string]any) { c["nonce"] = "x" }, says: "answer is not valid"},
		"no nonce":                           {say: func(c map[string]any) { delete(c, "nonce") }, says: "answer is not valid"},
		"another issuer":                     {say: func(c map[string]any) { c["iss"] = "https://evil.example" }, says: "answer is not valid"},
		"another audience":                   {say: func(c map[string]any) { c["aud"] = "someone-else" }, says: "answer is not valid"},
		"audience of another party":          {say: func(c map[string]any) { c["aud"], c["azp"] = []string{clientID, "x"}, "x" }, says: "answer is not valid"},
		"expired":                            {say: func(c map[string]any) { c["exp"] = time.Now().Add(-time.Minute).Unix() }, says: "answer is not valid"},
		"no expiry":                          {say: func(c map[string]any) { delete(c, "exp") }, says: "answer is not valid"},
		"no subject":                         {say: func(c map[string]any) { delete(c, "sub") }, says: "answer is not valid"},
		"signed by somebody else":            {key: other, says: "answer is not valid"},
		"another state":                      {callback: func(q url.Values) { q.Set("state", "x") }, says: "does not belong to a sign-in that this browser began"},
		"no state":                           {callback: func(q url.Values) { q.Del("state") }, says: "does not belong to a sign-in that this browser began"},
		"another code":                       {callback: func(q url.Values) { q.Set("code", "x") }, says: "answer is not valid"},
		"no code":                            {callback: func(q url.Values) { q.Del("code") }, says: "answer is not valid"},
		"answer of another issuer":           {callback: func(q url.Values) { q.Set("iss", "https://evil.example") }, says: "another sign-in service"},
		"refused":                            {callback: func(q url.Values) { q.Set("error", `access_denied"><script>`) }, says: "said no"},
		"address not verified":               {say: func(c map[string]any) { c["email_verified"] = false }, says: "has not verified your e-mail address"},
		"not said whether verified":          {say: func(c map[string]any) { delete(c, "email_verified") }, says: "has not verified your e-mail address"},
		"no name":                            {say: func(c map[string]any) { delete(c, "email") }, says: "does not say your email"},
		"a name that is none":                {say: func(c map[string]any) { c["email"] = "<b>@evil.example" }, says: "cannot be a user name"},
		"a name that is a list":              {say: func(c map[string]any) { c["email"] = []string{"ada"} }, says: "does not say your email"},
		"the name of a user with a password": {say: func(c map[string]any) { c["email"] = "root@example.org" }, says: "signs in to Rollcall in another way"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, l := newHouse(t), newLiar(t)
			h.user("root@example.org", access.AdminRole)
			site := h.withProvider(map[string]string{"ROLLCALL_OIDC_ISSUER": l.URL, "ROLLCALL_OIDC_CLIENT_ID": clientID, "ROLLCALL_OIDC_DEFAULT_ROLE": "viewer"})
			l.say, l.key2 = tc.say, tc.key
			b := h.browser(site)
			p := b.enter(tc.callback)
			if tc.says == "" {
				b.isIn("ada@example.org")
				return
			}
			if p.Code != http.StatusForbidden || !strings.Contains(p.words("[role=alert]"), tc.says) || strings.Contains(p.Text, "<script>") {
				t.Errorf("got %d %q", p.Code, p.words("[role=alert]"))
			}
			b.isIn("")
		})
	}
}

// An answer that another browser's sign-in got signs nobody in.
func TestProviderAnswerOfAnotherBrowser(t *testing.T) {
	t.Parallel()
	h, l := newHouse(t), newLiar(t)
	site := h.withProvider(map[string]string{"ROLLCALL_OIDC_ISSUER": l.URL, "ROLLCALL_OIDC_CLIENT_ID": clientID, "ROLLCALL_OIDC_DEFAULT_ROLE": "viewer"})
	thief, victim := h.browser(site), h.browser(site)
	answer := thief.get(thief.get("/sign-in/provider").To).To
	if p := victim.get(answer, "Sec-Fetch-Site", "cross-site"); p.Code != http.StatusForbidden {
		t.Errorf("a browser that began nothing: got %d", p.Code)
	}
	victim.get("/sign-in/provider")
	if p := victim.get(answer, "Sec-Fetch-Site", "cross-site"); p.Code != http.StatusForbidden {
		t.Errorf("a browser that began another one: got %d", p.Code)
	}
	victim.isIn("")
	late := h.browser(site)
	answer = late.get(late.get("/sign-in/provider").To).To
	h.pass(11 * time.Minute)
	if p := late.get(answer, "Sec-Fetch-Site", "cross-site"); p.Code != http.StatusForbidden || !strings.Contains(p.words("[role=alert]"), "took too long") {
		t.Errorf("after eleven minutes: got %d %q", p.Code, p.words("[role=alert]"))
	}
}

// Groups decide the role at each sign-in, if they are given one.
func TestProviderRoles(t *testing.T) {
	t.Parallel()
	h, l := newHouse(t), newLiar(t)
	site := h.withProvider(map[string]string{
		"ROLLCALL_OIDC_ISSUER": l.URL, "ROLLCALL_OIDC_CLIENT_ID": clientID, "ROLLCALL_OIDC_ROLES": "admins=admin, photo team=reviewer,everybody=viewer",
	})
	b := h.browser(site)
	for _, tc := range []struct {
		groups any
		want   access.Role // "" is refused
	}{
		{[]string{"everybody", "photo team"}, access.Reviewer},
		{[]string{"admins"}, access.AdminRole},
		{"everybody", access.Viewer},
		{[]string{"others"}, ""},
		{nil, ""},
		{[]any{7, map[string]any{"a": "admins"}}, ""},
		{[]string{"admins,everybody", "Admins"}, ""},
	} {
		l.lies(func(c map[string]any) { c["groups"] = tc.groups })
		p := b.enter(nil)
		u, err := h.User(t.Context(), "ada@example.org")
		h.check(err)
		switch {
		case tc.want == "" && (p.Code != http.StatusForbidden || !strings.Contains(p.words("[role=alert]"), "None of your groups")):
			t.Errorf("%v: got %d %q", tc.groups, p.Code, p.words("[role=alert]"))
		case tc.want != "" && (p.Code != http.StatusSeeOther || u.Role != tc.want):
			t.Errorf("%v: got %d, %s, want %s", tc.groups, p.Code, u.Role, tc.want)
		}
	}
}

// Without roles of groups and a default, an admin says who may sign in. The identity
// counts then, whatever name the provider says later.
func TestProviderKnownUsersOnly(t *testing.T) {
	t.Parallel()
	h, l := newHouse(t), newLiar(t)
	site := h.withProvider(map[string]string{"ROLLCALL_OIDC_ISSUER": l.URL, "ROLLCALL_OIDC_CLIENT_ID": clientID})
	b := h.browser(site)
	if p := b.enter(nil); p.Code != http.StatusForbidden || !strings.Contains(p.words("[role=alert]"), "ask an admin to add you") {
		t.Errorf("an unknown user: got %d %q", p.Code, p.words("[role=alert]"))
	}
	_, err := h.SetUser(t.Context(), "ada@example.org", access.AdminRole)
	h.check(err)
	if p := b.enter(nil); p.Code != http.StatusSeeOther {
		t.Fatalf("a user who was added: got %d %q", p.Code, p.words("[role=alert]"))
	}
	if p := b.get("/users"); p.Code != http.StatusOK || !strings.Contains(p.words("tbody"), "sign-in service") {
		t.Errorf("the admin: got %d", p.Code)
	}
	l.lies(func(c map[string]any) { c["email"], c["email_verified"] = "renamed@example.org", false })
	other := h.browser(site)
	if p := other.enter(nil); p.Code != http.StatusSeeOther {
		t.Errorf("renamed at the provider: got %d", p.Code)
	}
	other.isIn("ada@example.org")
	l.lies(func(c map[string]any) { c["sub"] = "43" })
	if p := h.browser(site).enter(nil); p.Code != http.StatusForbidden {
		t.Errorf("somebody else with the same address: got %d", p.Code)
	}
}

func TestProviderAway(t *testing.T) {
	t.Parallel()
	h, l := newHouse(t), newLiar(t)
	h.user("ada", access.Viewer)
	site := h.withProvider(map[string]string{"ROLLCALL_OIDC_ISSUER": l.URL, "ROLLCALL_OIDC_CLIENT_ID": clientID})
	l.Close()
	b := h.browser(site)
	if p := b.get("/sign-in/provider"); p.Code != http.StatusServiceUnavailable || !strings.Contains(p.words("[role=alert]"), "cannot be reached") {
		t.Errorf("got %d %q", p.Code, p.words("[role=alert]"))
	}
	if p := b.signIn("ada", goodPassword); p.Code != http.StatusSeeOther {
		t.Errorf("a password: got %d", p.Code)
	}
}

func TestProviderSettings(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"ROLLCALL_OIDC_ISSUER": "https://login.example.com", "ROLLCALL_OIDC_CLIENT_ID": "x", "ROLLCALL_DASHBOARD_URL": "https://rollcall.example.com/",
	}
	for name, tc := range map[string]struct{ variable, value, says string }{
		"all is right":         {"ROLLCALL_OIDC_NAME", "x", ""},
		"issuer by http":       {"ROLLCALL_OIDC_ISSUER", "http://login.example.com", "is not an https address"},
		"issuer is no address": {"ROLLCALL_OIDC_ISSUER", "login", "is not an https address"},
		"no client id":         {"ROLLCALL_OIDC_CLIENT_ID", "", "is not set"},
		"no own address":       {"ROLLCALL_DASHBOARD_URL", "", "sends browsers back"},
		"own address by http":  {"ROLLCALL_DASHBOARD_URL", "http://rollcall.example.com", "ROLLCALL_PLAIN_HTTP"},
		"own address wrong":    {"ROLLCALL_DASHBOARD_URL", "rollcall.example.com", "is not an address such as"},
		"no role":              {"ROLLCALL_OIDC_ROLES", "admins", "is not GROUP=ROLE"},
		"unknown role":         {"ROLLCALL_OIDC_ROLES", "admins=king", "is not a role"},
		"admin for everybody":  {"ROLLCALL_OIDC_DEFAULT_ROLE", "admin", "is not one of"},
		"proxy":                {"ROLLCALL_TRUSTED_PROXIES", "10.0.0.0/8, all", `"all" is neither`},
	} {
		values := maps.Clone(good)
		values[tc.variable] = tc.value
		r := config.NewReader(config.Map(values))
		frontend.ReadSignIn(r)
		switch err := r.Err(); {
		case tc.says == "" && err != nil, tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), tc.variable)):
			t.Errorf("%s: got %v", name, err)
		}
	}
}
