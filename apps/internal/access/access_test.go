package access_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// source is a database of keys and users.
type source struct {
	mu      sync.Mutex // guards the fields below
	dir     access.Directory
	err     error
	loads   int
	touched []map[string]time.Time
}

func (s *source) Directory(context.Context) (access.Directory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	return access.Directory{Keys: append([]access.Key{}, s.dir.Keys...), Users: append([]access.User{}, s.dir.Users...)}, s.err
}

func (s *source) TouchKeys(_ context.Context, used map[string]time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched = append(s.touched, used)
	return s.err
}

func (s *source) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func newKey(t *testing.T, scopes ...access.Scope) (access.Key, string) {
	t.Helper()
	k, text, err := access.NewKey("test", access.ScopesOf(scopes...), access.Limits{}, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return k, text
}

func authenticator(s *source, change ...func(*access.Options)) *access.Authenticator {
	opts := access.Options{Source: s, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&opts)
	}
	return access.New(opts)
}

func ask(t *testing.T, a *access.Authenticator, text string) error {
	t.Helper()
	_, err := a.Authenticate(t.Context(), access.Credentials{APIKey: text})
	return err
}

func expect(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || want == nil && got != nil {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	all := access.ScopesOf(access.AllScopes()...)
	for name, c := range map[string]struct{ got, want access.Scopes }{
		"a viewer":                {access.Viewer.Scopes(), access.ScopesOf(access.Read)},
		"a reviewer":              {access.Reviewer.Scopes(), access.ScopesOf(access.Read, access.People, access.Ingest)},
		"an administrator":        {access.AdminRole.Scopes(), all},
		"an unknown role":         {access.Role("owner").Scopes(), 0},
		"admin and a viewer":      {access.ScopesOf(access.Admin).And(access.Viewer.Scopes()), access.ScopesOf(access.Read)},
		"ingest and a viewer":     {access.ScopesOf(access.Ingest).And(access.Viewer.Scopes()), 0},
		"read and admin":          {access.ScopesOf(access.Read, access.Act).And(access.AdminRole.Scopes()), access.ScopesOf(access.Read, access.Act)},
		"an unknown scope":        {access.ScopesOf("all"), 0},
		"admin and administrator": {access.ScopesOf(access.Admin).And(access.AdminRole.Scopes()), all},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", name, c.got, c.want)
		}
	}
	for _, scope := range access.AllScopes() {
		if !access.ScopesOf(access.Admin).Has(scope) {
			t.Errorf("admin has not %s", scope)
		}
		if access.ScopesOf(access.Read).Has(scope) != (scope == access.Read) {
			t.Errorf("read has %s", scope)
		}
	}
	if got, err := access.ParseScopes([]string{"read", " ingest", "read"}); err != nil || got.String() != "ingest,read" {
		t.Errorf("got %s, %v", got, err)
	}
	for _, list := range [][]string{nil, {}, {""}, {"all"}, {"read", "Read"}} {
		if _, err := access.ParseScopes(list); faces.ErrorCode(err) != faces.CodeInvalid {
			t.Errorf("%q: %v", list, err)
		}
	}
}

func TestKeyTexts(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		k, text := newKey(t, access.Read)
		id, secret, ok := access.ParseKey(text)
		if !ok || id != k.ID || len(secret) != 43 || k.Hash != sha256.Sum256([]byte(secret)) {
			t.Fatalf("%s: %q %q %v", text, id, secret, ok)
		}
		if seen[secret] || seen[k.ID] {
			t.Fatal("a key comes twice")
		}
		seen[secret], seen[k.ID] = true, true
	}
	secret := strings.Repeat("_-aZ09", 7) + "A" // has the separator
	if id, got, ok := access.ParseKey("rollcall_dev_" + secret); !ok || id != "dev" || got != secret {
		t.Errorf("got %q, %q, %v", id, got, ok)
	}
	for _, text := range []string{
		"", "rollcall", "rollcall_", "rollcall__" + secret, "rollcall_dev", "rollcall_dev_", "rollcall_DEV_" + secret, "rollcall_d v_" + secret,
		"rollcall_dev_" + secret[1:], "rollcall_dev_" + secret + "A", "rollcall_dev_" + secret[:42] + "B", "rollcall_dev_" + secret[:42] + "=",
		"rollcall_dev_" + secret[:42] + "\n", "Rollcall_dev_" + secret, "rollcall_" + strings.Repeat("d", 33) + "_" + secret,
	} {
		if _, _, ok := access.ParseKey(text); ok {
			t.Errorf("%q is taken for a key", text)
		}
	}
}

// A key that was made a moment ago is taken at once; one that was revoked, within
// the time that Fresh says.
func TestChangesAreSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		a := authenticator(s)
		k, text := newKey(t, access.Read)
		expect(t, "before it is made", ask(t, a, text), access.ErrUnknownKey)
		s.set(func() { s.dir.Keys = []access.Key{k} })
		expect(t, "at once", ask(t, a, text), nil)
		s.set(func() { s.dir.Keys[0].RevokedAt = time.Now() })
		time.Sleep(access.Fresh)
		expect(t, "revoked", ask(t, a, text), access.ErrRevokedKey)
		s.set(func() { s.dir.Keys = nil })
		time.Sleep(access.Fresh)
		expect(t, "deleted", ask(t, a, text), access.ErrUnknownKey)

		s.set(func() { s.dir.Keys = []access.Key{k} })
		expect(t, "back", ask(t, a, text), nil)
		s.set(func() { s.dir.Keys = nil })
		a.Forget()
		expect(t, "by this process", ask(t, a, text), access.ErrUnknownKey)
	})
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, text := newKey(t, access.Read)
		k.ExpiresAt = time.Now().Add(time.Hour)
		a := authenticator(&source{dir: access.Directory{Keys: []access.Key{k}}})
		expect(t, "before", ask(t, a, text), nil)
		time.Sleep(time.Hour - time.Nanosecond)
		expect(t, "just before", ask(t, a, text), nil)
		time.Sleep(time.Nanosecond)
		expect(t, "from then on", ask(t, a, text), access.ErrExpiredKey)
		expect(t, "without its secret", ask(t, a, "rollcall_"+k.ID+"_"+strings.Repeat("A", 43)), access.ErrUnknownKey)
	})
}

// Good keys are checked without the database, and wrong ones cannot flood it.
func TestFewLoads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, text := newKey(t, access.Read)
		s := &source{dir: access.Directory{Keys: []access.Key{k}}}
		a := authenticator(s)
		for range 1000 {
			expect(t, "a good key", ask(t, a, text), nil)
		}
		if s.loads != 1 {
			t.Errorf("%d loads for good keys, want 1", s.loads)
		}
		begin := time.Now()
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				_, wrong := newKey(t, access.Read)
				expect(t, "a wrong key", ask(t, a, wrong), access.ErrUnknownKey)
			})
		}
		all.Wait()
		if took := time.Since(begin); s.loads > 3 || took > time.Second {
			t.Errorf("%d loads in %s for wrong keys", s.loads, took)
		}
	})
}

// Without the database nobody can tell whether a key is good; a declared one is.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	_, text := newKey(t, access.Read)
	_, declared := newKey(t, access.Read)
	file := filepath.Join(t.TempDir(), "keys.json")
	write(t, file, fmt.Sprintf(`{"keys":[{"name":"d","key":%q,"scopes":["read"]}]}`, declared))
	down := faces.Errorf(faces.CodeUnavailable, "the database cannot be reached")
	a := authenticator(&source{err: down}, func(o *access.Options) { o.File = file })
	expect(t, "a stored key", ask(t, a, text), down)
	expect(t, "a declared key", ask(t, a, declared), nil)
	if has, err := a.HasKey(t.Context()); err != nil || !has {
		t.Errorf("there is a key: %v, %v", has, err)
	}
}

// An error of the database is not kept: the first request after it finds the key.
func TestDatabaseBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, text := newKey(t, access.Read)
		down := faces.Errorf(faces.CodeUnavailable, "the database cannot be reached")
		s := &source{err: down, dir: access.Directory{Keys: []access.Key{k}}}
		a := authenticator(s)
		expect(t, "while it is down", ask(t, a, text), down)
		time.Sleep(time.Second)
		s.set(func() { s.err = nil })
		expect(t, "once it is back", ask(t, a, text), nil)
		s.set(func() { s.err = down })
		time.Sleep(access.Fresh)
		expect(t, "down again", ask(t, a, text), down)
		time.Sleep(time.Millisecond)
		s.set(func() { s.err = nil })
		expect(t, "back again", ask(t, a, text), nil)
	})
}

func write(t *testing.T, file, text string) {
	t.Helper()
	temp := file + ".new" // as Kubernetes replaces files
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, file); err != nil {
		t.Fatal(err)
	}
}

func TestDeclaredKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "keys.json")
		a := authenticator(&source{}, func(o *access.Options) { o.File = file })
		one, oneText := newKey(t, access.Read)
		two, twoText := newKey(t, access.Read)
		entry := func(k access.Key) string {
			return fmt.Sprintf(`{"name":"d","id":%q,"sha256":%q,"scopes":["ingest"],"limits":{"requests_per_second":0}}`, k.ID, hex.EncodeToString(k.Hash[:]))
		}
		expect(t, "before there is a file", ask(t, a, oneText), access.ErrUnknownKey)
		write(t, file, `{"keys":[`+entry(one)+`]}`)
		expect(t, "declared by its hash", ask(t, a, oneText), nil)
		who, err := a.Authenticate(t.Context(), access.Credentials{Authorization: "Bearer " + oneText})
		if err != nil || who.Check(access.Ingest) != nil || who.Check(access.Read) == nil {
			t.Errorf("its scopes: %+v, %v", who, err)
		}
		write(t, file, `{"keys":[`+entry(one)+`,`+entry(two)+`]}`)
		expect(t, "added", ask(t, a, twoText), nil)
		write(t, file, `{"keys":[`+entry(two)+`]}`)
		time.Sleep(time.Second)
		expect(t, "left out", ask(t, a, oneText), access.ErrUnknownKey)
		expect(t, "still there", ask(t, a, twoText), nil)
		write(t, file, `{"keys":[`)
		time.Sleep(time.Second)
		expect(t, "in a file that is damaged now", ask(t, a, twoText), nil)
		expect(t, "left out before the damage", ask(t, a, oneText), access.ErrUnknownKey)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		expect(t, "in a file that is gone", ask(t, a, twoText), access.ErrUnknownKey)
	})
}

func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	k, text := newKey(t, access.Read)
	sum := hex.EncodeToString(k.Hash[:])
	for name, c := range map[string]struct{ text, want string }{
		"no JSON":         {text, "not JSON"},
		"cut off":         {`{"keys":[{"name":"` + text, "cut off"},
		"another field":   {`{"keys":[{"name":"a","key":"` + text + `","scope":["read"]}]}`, "not known"},
		"a list":          {`["` + text + `"]`, "not JSON"},
		"no key":          {`{"keys":[{"name":"a","scopes":["read"]}]}`, `key 1: it needs a "key"`},
		"half a key":      {`{"keys":[{"name":"a","key":"` + text[:50] + `","scopes":["read"]}]}`, "key 1"},
		"both":            {`{"keys":[{"name":"a","key":"` + text + `","sha256":"` + sum + `","scopes":["read"]}]}`, "key 1"},
		"half a hash":     {`{"keys":[{"name":"a","id":"a","sha256":"` + sum[:62] + `","scopes":["read"]}]}`, "SHA-256"},
		"more than hash":  {`{"keys":[{"name":"a","id":"a","sha256":"` + sum + `00","scopes":["read"]}]}`, "SHA-256"},
		"no hash":         {`{"keys":[{"name":"a","id":"a","scopes":["read"]}]}`, "SHA-256"},
		"a bad id":        {`{"keys":[{"name":"a","id":"A_","sha256":"` + sum + `","scopes":["read"]}]}`, "key 1"},
		"no scopes":       {`{"keys":[{"name":"a","key":"` + text + `"}]}`, "scope"},
		"an odd scope":    {`{"keys":[{"name":"a","key":"` + text + `","scopes":["all"]}]}`, "all"},
		"no name":         {`{"keys":[{"key":"` + text + `","scopes":["read"]}]}`, "name"},
		"a negative rate": {`{"keys":[{"name":"a","key":"` + text + `","scopes":["read"],"limits":{"requests_per_second":-1}}]}`, "key 1"},
		"an odd time":     {`{"keys":[{"name":"a","key":"` + text + `","scopes":["read"],"expires_at":"soon"}]}`, "not JSON"},
		"twice":           {`{"keys":[{"name":"a","key":"` + text + `","scopes":["read"]},{"name":"a","key":"` + text + `","scopes":["read"]}]}`, "key 2"},
		"very long":       {strings.Repeat(" ", 2<<20), "larger"},
	} {
		file := filepath.Join(t.TempDir(), "keys.json")
		write(t, file, c.text)
		_, err := access.ReadFile(file)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), text[20:40]) {
			t.Errorf("%s: the error tells the key: %v", name, err)
		}
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	write(t, file, "\n")
	if keys, err := access.ReadFile(file); err != nil || len(keys) != 0 {
		t.Errorf("an empty file: %v, %v", keys, err)
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, text := newKey(t, access.Read)
		rate := 2.0
		k.Limits = access.Limits{Rate: &rate, Burst: 3}
		usual, usualText := newKey(t, access.Read)
		s := &source{dir: access.Directory{Keys: []access.Key{k, usual}}}
		a := authenticator(s, func(o *access.Options) { o.Rate = 1 })
		count := func(text string) (taken int, wait time.Duration) {
			for range 100 {
				err := ask(t, a, text)
				var above *access.RateError
				switch {
				case errors.As(err, &above):
					wait = max(wait, above.Retry)
				case err != nil:
					t.Fatal(err)
				default:
					taken++
				}
			}
			return taken, wait
		}
		check := func(what, text string, want int, wantWait time.Duration) {
			t.Helper()
			if taken, wait := count(text); taken != want || wait.Round(time.Millisecond) != wantWait {
				t.Errorf("%s: %d are taken, wait %s; want %d, %s", what, taken, wait, want, wantWait)
			}
		}
		check("a burst", text, 3, 500*time.Millisecond)
		time.Sleep(time.Second)
		for range 100 {
			if _, err := a.Recheck(t.Context(), access.Credentials{APIKey: text}); err != nil {
				t.Fatalf("a request that is still answered is checked again: %v", err)
			}
		}
		check("a second later", text, 2, 500*time.Millisecond)
		check("the default", usualText, 1, time.Second)
		none := 0.0
		s.set(func() { s.dir.Keys[0].Limits.Rate = &none })
		time.Sleep(access.Fresh)
		check("without a limit", text, 100, 0)
	})
}

func TestUseIsNoted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, text := newKey(t, access.Read)
		s := &source{dir: access.Directory{Keys: []access.Key{k}}}
		a := authenticator(s)
		note := func() {
			t.Helper()
			if err := a.NoteUse(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		note()
		expect(t, "ask", ask(t, a, text), nil)
		time.Sleep(time.Second)
		expect(t, "ask", ask(t, a, text), nil)
		first := time.Now()
		note()
		note() // nothing is new
		time.Sleep(time.Minute)
		expect(t, "ask", ask(t, a, text), nil)
		s.set(func() { s.err = errors.New("no database") })
		if err := a.NoteUse(t.Context()); err == nil {
			t.Error("no error")
		}
		s.set(func() { s.err = nil })
		note()
		at := func(when time.Time) map[string]time.Time { return map[string]time.Time{k.ID: when} }
		second := time.Now()
		if diff := cmp.Diff([]map[string]time.Time{at(first), at(second), at(second)}, s.touched); diff != "" {
			t.Errorf("noted (-want +got):\n%s", diff)
		}
	})
}

func TestOwnKey(t *testing.T) {
	t.Parallel()
	a := authenticator(&source{err: faces.Errorf(faces.CodeUnavailable, "no database")})
	text, err := a.OwnKey("standalone", access.Read)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "its own key, without a database", ask(t, a, text), nil)
}

// A program may start with wrong keys at once from many sides; nothing races.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	k, text := newKey(t, access.Admin)
	s := &source{dir: access.Directory{Keys: []access.Key{k}, Users: []access.User{{ID: 1, Name: "ada", Role: access.Viewer}}}}
	a := authenticator(s)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			for range 20 {
				who, err := a.Authenticate(t.Context(), access.Credentials{APIKey: text, User: "ada"})
				if err != nil || who.User.ID != 1 {
					t.Errorf("got %+v, %v", who, err)
				}
				if i == 0 {
					a.Forget()
				}
			}
			if err := a.NoteUse(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// Every post pays this for its key.
func BenchmarkAuthenticate(b *testing.B) {
	k, text, err := access.NewKey("test", access.ScopesOf(access.Ingest), access.Limits{}, time.Now(), time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	a := authenticator(&source{dir: access.Directory{Keys: []access.Key{k}}})
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			who, err := a.Authenticate(b.Context(), access.Credentials{Authorization: "Bearer " + text})
			if err != nil || who.Check(access.Ingest) != nil {
				b.Error(err)
			}
		}
	})
}
