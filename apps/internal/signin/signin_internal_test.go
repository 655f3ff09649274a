package signin

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const words = "correct horse battery"

func TestPasswordHashes(t *testing.T) {
	t.Parallel()
	p := newPasswords()
	one, err := p.hash(t.Context(), words)
	if err != nil {
		t.Fatal(err)
	}
	two, err := p.hash(t.Context(), words)
	if err != nil {
		t.Fatal(err)
	}
	if one == two || !strings.HasPrefix(one, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("the hashes are %s and %s", one, two)
	}
	for name, tc := range map[string]struct {
		hash, password string
		ok             bool
	}{
		"the password":              {one, words, true},
		"another hash of it":        {two, words, true},
		"another password":          {one, words + " ", false},
		"no password":               {one, "", false},
		"too long":                  {one, words + strings.Repeat("x", MaxPassword), false},
		"nobody's":                  {"", words, false},
		"nobody's, the hash itself": {"", p.nobody, false},
	} {
		if ok, weak, err := p.check(t.Context(), tc.hash, tc.password); err != nil || weak || ok != tc.ok {
			t.Errorf("%s: got %v, weak %v, %v", name, ok, weak, err)
		}
	}
	// Keyboards write é as one character or as two.
	composed, err := p.hash(t.Context(), "caf\u00e9 au lait, please")
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, err := p.check(t.Context(), composed, "cafe\u0301 au lait, please"); err != nil || !ok {
		t.Errorf("another keyboard: %v, %v", ok, err)
	}
}

// A row that somebody has tampered with is refused before it costs memory.
func TestHostileHashes(t *testing.T) {
	t.Parallel()
	p := newPasswords()
	good, err := p.hash(t.Context(), words)
	if err != nil {
		t.Fatal(err)
	}
	for name, hash := range map[string]string{
		"4 TiB":          strings.Replace(good, "m=19456", "m=4294967295", 1),
		"many rounds":    strings.Replace(good, "t=2", "t=4000000", 1),
		"no rounds":      strings.Replace(good, "t=2", "t=0", 1),
		"no threads":     strings.Replace(good, "p=1", "p=0", 1),
		"other function": strings.Replace(good, "argon2id", "argon2i", 1),
		"other version":  strings.Replace(good, "v=19", "v=16", 1),
		"cut off":        good[:len(good)-30],
		"no sum":         good[:strings.LastIndex(good, "$")+1],
		"not base64":     good[:len(good)-2] + "!!",
		"plain text":     words,
		"bcrypt":         "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
	} {
		if ok, _, err := p.check(t.Context(), hash, words); ok || err == nil || strings.Contains(err.Error(), "19456") {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
}

// Unknown users and wrong passwords cost as much as the right one: otherwise time tells
// who exists. The work is compared and not the time, which other processes change.
func TestNobodyTakesTheSameTime(t *testing.T) {
	t.Parallel()
	p := newPasswords()
	hash, err := p.hash(t.Context(), words)
	if err != nil {
		t.Fatal(err)
	}
	want := p.spent.Load()
	for name, tc := range map[string]struct{ hash, password string }{
		"the right password": {hash, words}, "a wrong password": {hash, "wrong password!"}, "nobody": {"", words}, "nobody, nothing": {"", ""},
		"a password that is too long": {hash, strings.Repeat("x", 2*MaxPassword)},
	} {
		before := p.spent.Load()
		if _, _, err := p.check(t.Context(), tc.hash, tc.password); err != nil {
			t.Fatal(err)
		}
		if got := p.spent.Load() - before; got != want {
			t.Errorf("%s costs %d, want %d", name, got, want)
		}
	}
}

// However many sign in, few hashes are computed at a time, and few wait.
func TestHashesAreBounded(t *testing.T) {
	t.Parallel()
	p := newPasswords()
	for range atOnce { // others are at work
		p.work <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var busy, gone atomic.Int64
	var all sync.WaitGroup
	for range atOnce + waiting + 20 {
		all.Go(func() {
			_, err := p.hash(ctx, words)
			switch {
			case errors.Is(err, ErrBusy):
				if busy.Add(1) == 20 {
					cancel()
				}
			case errors.Is(err, context.Canceled):
				gone.Add(1)
			default:
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if busy.Load() != 20 || gone.Load() != atOnce+waiting {
		t.Errorf("%d were refused, %d waited", busy.Load(), gone.Load())
	}
}

func TestNewPasswords(t *testing.T) {
	t.Parallel()
	for password, ok := range map[string]bool{
		words: true, "twelve chars": true, "zwölf Zeichen": true, "密码密码密码密码密码密码密碼": true,
		"": false, "short": false, "eleven char": false, "ada@example.org": false, "ADA@example.org": false, "aaaaaaaaaaaaaaaa": false,
		"\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc": false, strings.Repeat("ab", 600): false,
	} {
		if err := CheckPassword("ada@example.org", password); (err == nil) != ok {
			t.Errorf("%.20q: got %v", password, err)
		}
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a := newAttempts(Limits{PerUser: 2, PerAddress: 3, UserRefill: time.Minute, AddressRefill: time.Second, remembered: 2}, func() time.Time { return now })
	try := func(name, from string, want bool) func() {
		t.Helper()
		back, err := a.take(name, from)
		if (err == nil) != want {
			t.Errorf("%s from %s: got %v", name, from, err)
		}
		return back
	}
	try("ada", "192.0.2.1", true)()
	try("ada", "192.0.2.1", true)
	try("ada", "::ffff:192.0.2.1", true) // the same address
	try("ada", "192.0.2.2", false)
	try("bob", "192.0.2.1", true)
	try("bob", "192.0.2.1", false) // the address
	now = now.Add(time.Second)
	try("bob", "192.0.2.1", true)
	now = now.Add(time.Minute)
	try("ada", "192.0.2.1", true)
	try("ada", "192.0.2.1", false)
	for _, name := range []string{"x", "y", "z"} { // more than are remembered
		try(name, "192.0.2.9", true)
	}
	if len(a.names.byKey) != 2 || a.names.recent.Len() != 2 {
		t.Errorf("%d names are remembered", len(a.names.byKey))
	}
}

func TestFlowsAreRead(t *testing.T) {
	t.Parallel()
	f := Flow{State: "s", Nonce: "n", Verifier: "v", Next: "/", Until: 7}
	if got, ok := ParseFlow(f.Text()); !ok || got != f {
		t.Errorf("got %+v, %v", got, ok)
	}
	for _, text := range []string{"", "x", "e30", "bnVsbA", strings.Repeat("A", 5000), Flow{State: "s"}.Text()} {
		if _, ok := ParseFlow(text); ok {
			t.Errorf("%.20q is a flow", text)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$c3Vtc3Vtc3Vtc3Vtc3Vt")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		c, salt, sum, err := decode(text)
		if err == nil && (c.memory > most().memory || c.time > most().time || len(salt) > 64 || len(sum) > 64) {
			t.Errorf("%q costs %+v", text, c)
		}
	})
}
