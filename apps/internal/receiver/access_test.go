package receiver_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// guarded is a receiver that other machines can reach, with its database.
type guarded struct {
	*client
	store  *store.Store
	server *receiver.Server
}

// guard starts a receiver that needs keys.
func guard(t *testing.T, change ...func(*receiver.Options)) *guarded {
	t.Helper()
	opts := options()
	opts.Address = "0.0.0.0:8000"
	for _, f := range change {
		f(&opts)
	}
	g := &guarded{store: newStore(t)}
	reg := prometheus.NewRegistry()
	g.server = receiver.New(g.store, nowhere{}, nil, opts, quiet, reg)
	server := httptest.NewServer(g.server.Handler(reg, func(context.Context) error { return nil }))
	t.Cleanup(server.Close)
	g.client = &client{t: t, http: server.Client(), url: server.URL}
	return g
}

// key makes a key in the database and returns its text.
func (g *guarded) key(limits access.Limits, scopes ...access.Scope) string {
	g.t.Helper()
	return g.keyUntil(time.Time{}, limits, scopes...)
}

func (g *guarded) keyUntil(expires time.Time, limits access.Limits, scopes ...access.Scope) string {
	g.t.Helper()
	made, text, err := access.NewKey("test", access.ScopesOf(scopes...), limits, time.Now(), time.Time{})
	if err != nil {
		g.t.Fatal(err)
	}
	made.ExpiresAt = expires
	if _, err := g.store.AddKey(g.t.Context(), made); err != nil {
		g.t.Fatal(err)
	}
	return text
}

// with sends a request with a key.
func (g *guarded) with(key, method, path, body string, headers ...string) answer {
	g.t.Helper()
	return g.do(method, path, body, append([]string{"Authorization", "Bearer " + key}, headers...)...)
}

// status sends a request without a key. Its answer may be a page.
func (g *guarded) status(method, path string) int {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	res, err := g.http.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// unauthorized expects a 401 that says how to send a key.
func (a answer) unauthorized(code string) {
	a.t.Helper()
	a.refused(http.StatusUnauthorized, code)
	if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
		a.t.Errorf("WWW-Authenticate: %q", got)
	}
}

// operation is one operation of the document, with the scopes that it needs.
type operation struct {
	method, path string
	open         bool
	scopes       []access.Scope
}

func operations(t *testing.T) []operation {
	t.Helper()
	var list []operation
	for path, item := range theContract(t).doc.Paths.Map() {
		for method, op := range item.Operations() {
			list = append(list, newOperation(t, method, path, op))
		}
	}
	return list
}

func newOperation(t *testing.T, method, path string, op *openapi3.Operation) operation {
	t.Helper()
	o := operation{method: method, path: strings.NewReplacer("{id}", "7", "{name}", "nobody").Replace(path)}
	if op.Security == nil {
		t.Fatalf("%s %s does not say which key it needs", method, path)
	}
	o.open = len(*op.Security) == 0
	schemes := map[string][]string{}
	for _, way := range *op.Security {
		for scheme, scopes := range way {
			schemes[scheme] = scopes
		}
	}
	if !o.open && (len(schemes) != 2 || !slices.Equal(schemes["bearer"], schemes["header"])) {
		t.Errorf("%s %s: %v, want both schemes with the same scopes", method, path, schemes)
	}
	for _, s := range schemes["bearer"] {
		o.scopes = append(o.scopes, access.Scope(s))
	}
	return o
}

// Every route of the document needs the scopes that it says, and no more.
func TestRoutesNeedTheirScopes(t *testing.T) {
	t.Parallel()
	g := guard(t)
	admin := g.key(access.Limits{}, access.Admin)
	passes := func(a answer) bool {
		return a.code != http.StatusUnauthorized && a.code != http.StatusForbidden
	}
	for _, o := range operations(t) {
		if o.open {
			if code := g.status(o.method, o.path); code != http.StatusOK {
				t.Errorf("%s %s without a key: %d", o.method, o.path, code)
			}
			continue
		}
		g.do(o.method, o.path, "").unauthorized("unauthorized")
		if a := g.with(admin, o.method, o.path, ""); !passes(a) {
			t.Errorf("%s %s with the scope admin: %d", o.method, o.path, a.code)
		}
		if len(o.scopes) == 0 {
			continue
		}
		if a := g.with(g.key(access.Limits{}, o.scopes...), o.method, o.path, ""); !passes(a) {
			t.Errorf("%s %s with %v: %d", o.method, o.path, o.scopes, a.code)
		}
		for _, missing := range o.scopes {
			others := slices.DeleteFunc(access.AllScopes(), func(s access.Scope) bool { return s == missing || s == access.Admin })
			a := g.with(g.key(access.Limits{}, others...), o.method, o.path, "")
			a.refused(http.StatusForbidden, "forbidden")
			if !bytes.Contains(a.body, []byte("lacks the scope "+string(missing))) {
				t.Errorf("%s %s without %s: %s", o.method, o.path, missing, a.body)
			}
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	g := guard(t)
	good := g.key(access.Limits{}, access.Read)
	other := g.key(access.Limits{}, access.Read)
	expired := g.keyUntil(time.Now().Add(-time.Second), access.Limits{}, access.Read)
	revoked := g.key(access.Limits{}, access.Read)
	id, secret, _ := access.ParseKey(revoked)
	if _, err := g.store.RevokeKey(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	otherID, _, _ := access.ParseKey(other)
	for name, c := range map[string]struct {
		headers []string
		code    string
	}{
		"none":                     {nil, "unauthorized"},
		"an unknown id":            {[]string{"X-API-Key", "rollcall_nobody_" + secret}, "unauthorized"},
		"another key's secret":     {[]string{"X-API-Key", "rollcall_" + otherID + "_" + secret}, "unauthorized"},
		"a revoked id, no secret":  {[]string{"X-API-Key", "rollcall_" + id + "_" + strings.Repeat("A", 43)}, "unauthorized"},
		"half a key":               {[]string{"X-API-Key", good[:len(good)-1]}, "unauthorized"},
		"a key and more":           {[]string{"X-API-Key", good + "A"}, "unauthorized"},
		"another text":             {[]string{"Authorization", "Bearer hunter2"}, "unauthorized"},
		"another scheme":           {[]string{"Authorization", "Basic " + good}, "unauthorized"},
		"no scheme":                {[]string{"Authorization", good}, "unauthorized"},
		"an empty one":             {[]string{"Authorization", "Bearer "}, "unauthorized"},
		"two different ones":       {[]string{"Authorization", "Bearer " + good, "X-API-Key", other}, "unauthorized"},
		"an expired one":           {[]string{"Authorization", "Bearer " + expired}, "key_expired"},
		"a revoked one":            {[]string{"X-API-Key", revoked}, "key_revoked"},
		"a user without a key":     {[]string{"Rollcall-User", "ada"}, "unauthorized"},
		"with a cookie of a page":  {[]string{"Cookie", "key=" + good}, "unauthorized"},
		"with letters of any case": {[]string{"Authorization", "Bearer " + strings.ToUpper(good)}, "unauthorized"},
	} {
		a := g.do(http.MethodGet, "/api/v1/images", "", c.headers...)
		if a.code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, a.code)
			continue
		}
		a.unauthorized(c.code)
	}
	for _, headers := range [][]string{
		{"Authorization", "Bearer " + good}, {"authorization", "bearer  " + good}, {"X-API-Key", good},
		{"Authorization", "Bearer " + good, "X-API-Key", good}, {"Authorization", "Basic cHJveHk6eA==", "X-API-Key", good},
	} {
		g.do(http.MethodGet, "/api/v1/images", "", headers...).expect(http.StatusOK)
	}
	// In the URL a key would be in the logs of every proxy.
	g.get("/api/v1/images?api_key=" + good).unauthorized("unauthorized")
}

func TestKeysByAPI(t *testing.T) {
	t.Parallel()
	g := guard(t)
	admin := g.key(access.Limits{}, access.Admin)
	a := g.with(admin, http.MethodPost, "/api/v1/keys",
		`{"name":"camera","scopes":["ingest","ingest"],"expires_at":"2199-01-01T00:00:00Z","limits":{"requests_per_second":9,"burst":3,"max_body":100}}`).expect(http.StatusCreated)
	type key struct {
		ID, Name  string
		Key       string
		Scopes    []string
		ExpiresAt *time.Time `json:"expires_at"`
		RevokedAt *time.Time `json:"revoked_at"`
		Limits    map[string]float64
	}
	made := read[key](a)
	if !strings.HasPrefix(made.Key, "rollcall_"+made.ID+"_") || len(made.Key) != len("rollcall_"+made.ID+"_")+43 {
		t.Errorf("the text %q of the key %s", made.Key, made.ID)
	}
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Location") != "/api/v1/keys/"+made.ID {
		t.Errorf("headers %v", a.header)
	}
	g.with(made.Key, http.MethodPost, "/image/post", `{"path":"a.jpg"}`).expect(http.StatusAccepted)
	shown := g.with(admin, http.MethodGet, "/api/v1/keys/"+made.ID, "").expect(http.StatusOK)
	list := g.with(admin, http.MethodGet, "/api/v1/keys", "").expect(http.StatusOK)
	_, secret, _ := access.ParseKey(made.Key)
	for _, a := range []answer{shown, list} {
		if bytes.Contains(a.body, []byte(secret)) {
			t.Errorf("the text is shown again: %s", a.body)
		}
	}
	if diff := cmp.Diff(key{
		ID: made.ID, Name: "camera", Scopes: []string{"ingest"}, ExpiresAt: made.ExpiresAt,
		Limits: map[string]float64{"requests_per_second": 9, "burst": 3, "max_body": 100},
	}, read[key](shown)); diff != "" {
		t.Errorf("the key (-want +got):\n%s", diff)
	}
	if got := read[struct{ Keys []key }](list).Keys; len(got) != 2 || got[0].ID != made.ID {
		t.Errorf("listed: %+v", got)
	}
	if got := read[key](g.with(admin, http.MethodDelete, "/api/v1/keys/"+made.ID, "").expect(http.StatusOK)); got.RevokedAt == nil {
		t.Errorf("revoked: %+v", got)
	}
	g.with(made.Key, http.MethodPost, "/image/post", `{"path":"a.jpg"}`).unauthorized("key_revoked")
	g.with(admin, http.MethodGet, "/api/v1/keys/nobody", "").refused(http.StatusNotFound, "not_found")
	g.with(admin, http.MethodDelete, "/api/v1/keys/nobody", "").refused(http.StatusNotFound, "not_found")
	for _, body := range []string{
		``, `{}`, `{"name":"a"}`, `{"name":"a","scopes":[]}`, `{"name":"a","scopes":["all"]}`, `{"name":"","scopes":["read"]}`, `{"name":" ","scopes":["read"]}`,
		`{"name":"a\nb","scopes":["read"]}`, `{"name":"` + strings.Repeat("a", 101) + `","scopes":["read"]}`,
		`{"name":"a","scopes":["read"],"expires_at":"2001-01-01T00:00:00Z"}`, `{"name":"a","scopes":["read"],"expires_at":"tomorrow"}`,
		`{"name":"a","scopes":["read"],"limits":{"requests_per_second":-1}}`, `{"name":"a","scopes":["read"],"limits":{"burst":-1}}`,
		`{"name":"a","scopes":["read"],"limits":{"max_body":-1}}`, `{"name":"a","scopes":["read"],"limit":{"burst":1}}`,
	} {
		g.with(admin, http.MethodPost, "/api/v1/keys", body).refused(http.StatusBadRequest, "invalid_request")
	}
}

func TestActingForUsers(t *testing.T) {
	t.Parallel()
	g := guard(t)
	admin := g.key(access.Limits{}, access.Admin)
	frontend := g.key(access.Limits{}, access.Act, access.Read, access.People, access.Ingest)
	reader := g.key(access.Limits{}, access.Act, access.Read)
	for name, role := range map[string]string{"vera": "viewer", "rob": "reviewer", "ada": "admin"} {
		g.with(admin, http.MethodPut, "/api/v1/users/"+name, body("role", role)).expect(http.StatusOK)
	}
	for _, c := range []struct {
		key, user, method, path string
		want                    int
		missing                 string
	}{
		{frontend, "vera", http.MethodGet, "/api/v1/images", http.StatusOK, ""},
		{frontend, "vera", http.MethodDelete, "/api/v1/corrections/9", http.StatusForbidden, `user \"vera\" does not allow this: it lacks the scope people`},
		{frontend, "rob", http.MethodDelete, "/api/v1/corrections/9", http.StatusNotFound, ""},
		{frontend, "rob", http.MethodGet, "/api/v1/keys", http.StatusForbidden, "API key lacks the scope admin"},
		{frontend, "ada", http.MethodGet, "/api/v1/keys", http.StatusForbidden, "API key lacks the scope admin"},
		{admin, "ada", http.MethodGet, "/api/v1/keys", http.StatusOK, ""},
		{admin, "rob", http.MethodGet, "/api/v1/keys", http.StatusForbidden, `user \"rob\" does not allow this: it lacks the scope admin`},
		{reader, "ada", http.MethodDelete, "/api/v1/corrections/9", http.StatusForbidden, "API key lacks the scope people"},
		{reader, "nobody", http.MethodGet, "/api/v1/images", http.StatusForbidden, "there is no user"},
		{g.key(access.Limits{}, access.Read), "ada", http.MethodGet, "/api/v1/images", http.StatusForbidden, "lacks the scope act"},
	} {
		a := g.with(c.key, c.method, c.path, "", "Rollcall-User", c.user)
		if a.code != c.want || !bytes.Contains(a.body, []byte(c.missing)) {
			t.Errorf("%s %s for %s: %d %s, want %d and %q", c.method, c.path, c.user, a.code, a.body, c.want, c.missing)
		}
	}
	type callerAnswer struct {
		ID     string
		Scopes []string
		User   *struct{ Name, Role string }
	}
	who := read[callerAnswer](g.with(frontend, http.MethodGet, "/api/v1/key", "", "Rollcall-User", "vera").expect(http.StatusOK))
	if who.User == nil || who.User.Role != "viewer" || !slices.Equal(who.Scopes, []string{"read"}) {
		t.Errorf("the caller: %+v", who)
	}
	who = read[callerAnswer](g.with(frontend, http.MethodGet, "/api/v1/key", "").expect(http.StatusOK))
	if who.User != nil || !slices.Equal(who.Scopes, []string{"ingest", "read", "people", "act"}) {
		t.Errorf("the caller: %+v", who)
	}
	g.with(admin, http.MethodPut, "/api/v1/users/vera", body("role", "reviewer")).expect(http.StatusOK)
	g.with(frontend, http.MethodDelete, "/api/v1/corrections/9", "", "Rollcall-User", "vera").refused(http.StatusNotFound, "not_found")
	g.with(admin, http.MethodDelete, "/api/v1/users/vera", "").expect(http.StatusOK)
	g.with(frontend, http.MethodGet, "/api/v1/images", "", "Rollcall-User", "vera").refused(http.StatusForbidden, "forbidden")
}

// A key is no web page's: with one, the server's public name need not be known.
func TestForeignPagesWithKeys(t *testing.T) {
	t.Parallel()
	g := guard(t, func(o *receiver.Options) { o.OpenIngest = "true" })
	key := g.key(access.Limits{}, access.Read)
	const page = "http://evil.example"
	g.with(key, http.MethodGet, "/api/v1/images", "", "Host", "api.rollcall.example").expect(http.StatusOK)
	g.with(key, http.MethodGet, "/api/v1/images", "", "Host", "api.rollcall.example", "Origin", page).expect(http.StatusOK)
	for _, wrong := range []string{"Bearer x", "Bearer " + key[:len(key)-1], "Basic eDp4", "Bearer", "Bearer \u00a0", "\u00a0"} {
		g.post("/image/post", `{"path":"a.jpg"}`, "Authorization", wrong, "Host", "evil.example", "Origin", page).unauthorized("unauthorized")
	}
	g.post("/image/post", `{"path":"a.jpg"}`, "Origin", page).refused(http.StatusForbidden, "forbidden")
	g.post("/image/post", `{"path":"a.jpg"}`, "Host", "evil.example").refused(http.StatusForbidden, "forbidden")
	g.do(http.MethodOptions, "/image/post", "", "Origin", page).refused(http.StatusForbidden, "forbidden") // a browser asks before it sends a key
	open := guard(t, func(o *receiver.Options) { o.OpenAPI = "true" })
	open.with(open.key(access.Limits{}, access.Read), http.MethodGet, "/api/v1/images", "", "Origin", page).refused(http.StatusForbidden, "forbidden")
}

func TestUsers(t *testing.T) {
	t.Parallel()
	g := guard(t)
	admin := g.key(access.Limits{}, access.Admin)
	g.with(admin, http.MethodPut, "/api/v1/users/ada@example.org", `{"role":"viewer"}`).expect(http.StatusOK)
	got := read[struct{ Name, Role string }](g.with(admin, http.MethodGet, "/api/v1/users/ada@example.org", "").expect(http.StatusOK))
	if got.Name != "ada@example.org" || got.Role != "viewer" {
		t.Errorf("the user: %+v", got)
	}
	if list := read[struct{ Users []any }](g.with(admin, http.MethodGet, "/api/v1/users", "").expect(http.StatusOK)); len(list.Users) != 1 {
		t.Errorf("listed: %+v", list)
	}
	for path, body := range map[string]string{
		"ada": `{"role":"owner"}`, "bob": ``, "eve": `{}`, "a%20b": `{"role":"viewer"}`, strings.Repeat("a", 129): `{"role":"viewer"}`,
	} {
		g.with(admin, http.MethodPut, "/api/v1/users/"+path, body).refused(http.StatusBadRequest, "invalid_request")
	}
	g.with(admin, http.MethodGet, "/api/v1/users/nobody", "").refused(http.StatusNotFound, "not_found")
	g.with(admin, http.MethodDelete, "/api/v1/users/nobody", "").refused(http.StatusNotFound, "not_found")
}

// The audit log has the key, the user and the request of a change, and no name.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	g := guard(t)
	admin := g.key(access.Limits{}, access.Admin)
	const own = "8e03978e-40d5-43dd-bc93-6894a57f9324"
	g.with(admin, http.MethodPut, "/api/v1/users/lovelace", `{"role":"admin"}`).expect(http.StatusOK)
	g.with(admin, http.MethodPost, "/api/v1/rematches", "", "Rollcall-User", "lovelace", "X-Request-ID", own).expect(http.StatusAccepted)
	g.with(admin, http.MethodPost, "/api/v1/rematches/99/apply", "").refused(http.StatusNotFound, "not_found")
	a := g.with(admin, http.MethodGet, "/api/v1/audit", "").expect(http.StatusOK)
	type entry struct {
		KeyID     string `json:"key_id"`
		UserID    *int64 `json:"user_id"`
		Action    string
		Target    string
		TargetIDs []string `json:"target_ids"`
		RequestID string   `json:"request_id"`
	}
	got := read[struct{ Entries []entry }](a).Entries
	id, _, _ := access.ParseKey(admin)
	ada := int64(1)
	for i := range got {
		if i > 0 {
			got[i].RequestID = ""
		}
	}
	want := []entry{
		{KeyID: id, UserID: &ada, Action: "rematch.create", Target: "rematch", TargetIDs: []string{"1"}, RequestID: own},
		{KeyID: id, Action: "user.set", Target: "user", TargetIDs: []string{"1"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
	if bytes.Contains(a.body, []byte("lovelace")) {
		t.Errorf("a name is in the log: %s", a.body)
	}
}

func TestLimitsOfKeys(t *testing.T) {
	t.Parallel()
	g := guard(t, func(o *receiver.Options) { o.KeyRate, o.KeyBurst = 0.001, 2 })
	slow, none := 0.001, 0.0 // one in 1,000 s, so that a busy machine earns none
	own := g.key(access.Limits{Rate: &slow}, access.Read, access.Ingest)
	usual := g.key(access.Limits{}, access.Read)
	free := g.key(access.Limits{Rate: &none, MaxBody: 30}, access.Read, access.Ingest)
	get := func(key string) answer { return g.with(key, http.MethodGet, "/api/v1/images", "") }
	get(own).expect(http.StatusOK)
	a := get(own)
	a.refused(http.StatusTooManyRequests, "rate_limited")
	if got, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || got > 1000 || got < 900 {
		t.Errorf("retry after %q, want nearly 1000", a.header.Get("Retry-After"))
	}
	for range 2 {
		get(usual).expect(http.StatusOK)
	}
	get(usual).refused(http.StatusTooManyRequests, "rate_limited")
	for range 20 {
		get(free).expect(http.StatusOK)
	}
	g.with(free, http.MethodPost, "/image/post", `{"path":"a.jpg"}`).expect(http.StatusAccepted)
	long := body("path", strings.Repeat("a", 30))
	g.with(free, http.MethodPost, "/image/post", long).refused(http.StatusRequestEntityTooLarge, "body_too_large")
	large := g.key(access.Limits{Rate: &none, MaxBody: 1 << 40}, access.Ingest)
	g.with(large, http.MethodPost, "/image/post", body("path", strings.Repeat("a", 70<<10))).refused(http.StatusRequestEntityTooLarge, "body_too_large")
}

func TestOpenIngest(t *testing.T) {
	t.Parallel()
	check := func(g *guarded, wantCode int) {
		t.Helper()
		for path, sent := range map[string]string{"/image/post": `{"path":"a.jpg"}`, "/images/post": `{"paths":[{"path":"a.jpg"}]}`} {
			if a := g.post(path, sent); a.code != wantCode {
				t.Errorf("%s without a key: %d, want %d", path, a.code, wantCode)
			}
			g.post(path, sent, "X-API-Key", "wrong").unauthorized("unauthorized")
		}
		g.get("/api/v1/images/1").unauthorized("unauthorized")
		g.post("/api/v1/images/1/retry", "").unauthorized("unauthorized")
	}
	check(guard(t), http.StatusUnauthorized)
	check(guard(t, func(o *receiver.Options) { o.OpenIngest = "true" }), http.StatusAccepted)
	check(guard(t, func(o *receiver.Options) { o.OpenIngest = "false" }), http.StatusUnauthorized)
}

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	open := guard(t, func(o *receiver.Options) { o.OpenAPI = "true" })
	open.get("/api/v1/keys").expect(http.StatusOK)
	who := read[struct {
		ID     string
		Scopes []string
	}](open.get("/api/v1/key").expect(http.StatusOK))
	if who.ID != "" || len(who.Scopes) != 5 {
		t.Errorf("without a key: %+v", who)
	}
	reader := open.key(access.Limits{}, access.Read)
	open.with(reader, http.MethodGet, "/api/v1/keys", "").refused(http.StatusForbidden, "forbidden")

	loopback := func(o *receiver.Options) { o.Address = "127.0.0.1:8000" }
	guard(t, loopback).get("/api/v1/images").expect(http.StatusOK)
	guard(t, loopback, func(o *receiver.Options) { o.OpenAPI = "false" }).get("/api/v1/images").unauthorized("unauthorized")
	guard(t, loopback, func(o *receiver.Options) { o.KeysFile = "/nowhere" }).get("/api/v1/images").unauthorized("unauthorized")
}

// A program that other machines can reach does not start without a key, unless it is
// told so.
func TestStartNeedsAKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	_, text, err := access.NewKey("ci", access.ScopesOf(access.Read), access.Limits{}, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"keys":[{"name":"ci","key":%q,"scopes":["read"]}]}`, text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*receiver.Options)
		keys   func(*guarded)
		starts bool
	}{
		"without anything":              {change: func(*receiver.Options) {}},
		"with open ingest":              {change: func(o *receiver.Options) { o.OpenIngest = "true" }},
		"with a file that is not there": {change: func(o *receiver.Options) { o.KeysFile = file + ".none" }},
		"with an expired key":           {keys: func(g *guarded) { g.keyUntil(time.Now().Add(-time.Hour), access.Limits{}, access.Read) }},
		"with a key":                    {keys: func(g *guarded) { g.key(access.Limits{}, access.Read) }, starts: true},
		"with a declared key":           {change: func(o *receiver.Options) { o.KeysFile = file }, starts: true},
		"with an open API":              {change: func(o *receiver.Options) { o.OpenAPI = "true" }, starts: true},
		"on loopback":                   {change: func(o *receiver.Options) { o.Address = "[::1]:8000" }, starts: true},
		"on loopback, but not open":     {change: func(o *receiver.Options) { o.Address, o.OpenAPI = "[::1]:8000", "false" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var changes []func(*receiver.Options)
			if c.change != nil {
				changes = append(changes, c.change)
			}
			g := guard(t, changes...)
			if c.keys != nil {
				c.keys(g)
			}
			part := g.server.KeysPart()
			err := part.Start(t.Context(), func(err error) { t.Error(err) })
			switch {
			case c.starts && err != nil:
				t.Errorf("it does not start: %v", err)
			case !c.starts && err == nil:
				t.Error("it starts")
			case !c.starts:
				for _, way := range []string{"ROLLCALL_KEYS_FILE", "receiver keys create", "ROLLCALL_OPEN_API=true"} {
					if !strings.Contains(err.Error(), way) {
						t.Errorf("the error does not name %s: %v", way, err)
					}
				}
			}
			if err := part.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Where the database does not answer at the start, the program looks for a key as soon
// as it does.
func TestStartWithoutDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(time.Minute)
		st := fakeStore{answer: func() error {
			if time.Now().Before(back) {
				return faces.Errorf(faces.CodeUnavailable, "the database cannot be reached")
			}
			return nil
		}}
		opts := options()
		opts.Address = "0.0.0.0:8000"
		part := receiver.New(st, nowhere{}, nil, opts, quiet, prometheus.NewRegistry()).KeysPart()
		failed := make(chan error, 1)
		if err := part.Start(t.Context(), func(err error) { failed <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-failed; time.Now().Before(back) || !strings.Contains(err.Error(), "no API key") {
			t.Errorf("it fails at %s: %v", time.Now(), err)
		}
		if err := part.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Where pictures were posted before there were keys, that goes on, with a warning at
// each start until somebody decides.
func TestUpgradeKeepsIngestOpen(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]struct {
		code  int
		warns bool
	}{"auto": {http.StatusAccepted, true}, "true": {http.StatusAccepted, false}, "false": {http.StatusUnauthorized, false}} {
		var log bytes.Buffer
		opts := options()
		opts.Address, opts.OpenIngest = "0.0.0.0:8000", setting
		reg := prometheus.NewRegistry()
		server := receiver.New(upgraded{newStore(t)}, nowhere{}, nil, opts, slog.New(slog.NewTextHandler(&log, nil)), reg)
		if err := server.CheckKeys(t.Context()); (err == nil) != (setting == "auto") {
			t.Errorf("%s: the start without a key: %v", setting, err)
		}
		if got := strings.Contains(log.String(), "as before the upgrade"); got != want.warns {
			t.Errorf("%s: the log: %s", setting, log.String())
		}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/image/post", strings.NewReader(`{"path":"a.jpg"}`))
		req.Host = "localhost"
		rec := httptest.NewRecorder()
		server.Handler(reg, func(context.Context) error { return nil }).ServeHTTP(rec, req)
		if rec.Code != want.code {
			t.Errorf("%s: got %d, want %d: %s", setting, rec.Code, want.code, rec.Body)
		}
	}
}

// upgraded is a database that release 0.1.0 filled.
type upgraded struct{ *store.Store }

func (upgraded) KeepsOpenIngest(context.Context) (bool, error) { return true, nil }

// No log has a key, neither a good one nor a wrong one.
func TestKeysAreNotLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	opts := options()
	opts.Address = "0.0.0.0:8000"
	reg := prometheus.NewRegistry()
	st := newStore(t)
	server := receiver.New(st, nowhere{}, nil, opts, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), reg)
	h := server.Handler(reg, func(context.Context) error { return nil })
	made, text, err := access.NewKey("admin", access.ScopesOf(access.Admin), access.Limits{}, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.AddKey(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, body, key string) {
		req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		req.Host = "localhost"
		req.Header.Set("Authorization", "Bearer "+key)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		repeats := strings.HasPrefix(path, "/nowhere/") // what the client asked for
		if strings.Contains(rec.Body.String(), key[len(key)-20:]) && !repeats {
			t.Errorf("%s %s tells the key: %s", method, path, rec.Body)
		}
	}
	ask(http.MethodGet, "/api/v1/images", "", text)
	ask(http.MethodGet, "/api/v1/images", "", text[:len(text)-3]+"abc")
	ask(http.MethodGet, "/api/v1/images", "", "hunter2-hunter2-hunter2")
	ask(http.MethodPost, "/api/v1/keys", `{"name":"x","scopes":["read"]}`, text)
	ask(http.MethodDelete, "/api/v1/keys/"+text, "", text) // the whole key, where its id belongs
	ask(http.MethodGet, "/nowhere/"+text, "", text)
	ask(http.MethodGet, "/api/v1/images?key="+text, "", text)
	ask(http.MethodPost, "/api/v1/keys", `{"name":"x","scopes":["`+text+`"]}`, text)
	if !strings.Contains(log.String(), "key="+made.ID) {
		t.Errorf("the key's id is not in the log: %s", log.String())
	}
	for _, secret := range []string{text[len(text)-43:][:20], "hunter2"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log tells a key: %s", log.String())
		}
	}
}
