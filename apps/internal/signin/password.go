package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"     // the slow hash that OWASP recommends first
	"golang.org/x/text/unicode/norm" // keyboards write one letter in several ways

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	// MinPassword is the least number of characters in a password.
	MinPassword = 12
	// MaxPassword is the largest number of bytes in a password.
	MaxPassword = 1024
)

// PasswordProblem is what is wrong with a new password.
type PasswordProblem string

// The problems of a password.
const (
	PasswordNotText  PasswordProblem = "nottext"  // it is not UTF-8
	PasswordShort    PasswordProblem = "short"    // it has less than MinPassword characters
	PasswordLong     PasswordProblem = "long"     // it has more than MaxPassword bytes
	PasswordIsName   PasswordProblem = "isname"   // it is the user's name
	PasswordRepeated PasswordProblem = "repeated" // it is one character again and again
)

// PasswordError is the error of a password that cannot be set. It is a *faces.Error, too.
type PasswordError struct {
	Problem PasswordProblem
	err     *faces.Error
}

// Error implements error.
func (e *PasswordError) Error() string { return e.err.Error() }

// Unwrap returns the error in the words of the API.
func (e *PasswordError) Unwrap() error { return e.err }

// CheckPassword returns a *PasswordError that says what is wrong with a new password. A long
// one is better than one with many kinds of characters, so only the length counts.
func CheckPassword(name, password string) error {
	bad := func(problem PasswordProblem, format string, args ...any) error {
		return &PasswordError{problem, faces.Errorf(faces.CodeInvalid, format, args...)}
	}
	switch {
	case !utf8.ValidString(password):
		return bad(PasswordNotText, "the password has characters that are not UTF-8")
	case utf8.RuneCountInString(password) < MinPassword:
		return bad(PasswordShort, "the password needs at least %d characters; several words are easy to remember", MinPassword)
	case len(password) > MaxPassword:
		return bad(PasswordLong, "the password is longer than %d bytes", MaxPassword)
	case strings.EqualFold(password, name):
		return bad(PasswordIsName, "the password must not be the user name")
	case strings.Count(password, password[:1]) == len(password):
		return bad(PasswordRepeated, "the password must not be one character again and again")
	}
	return nil
}

// cost is how hard a hash is to compute.
type cost struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

// OWASP's values for argon2id: 19 MiB, twice, on one core.
func today() cost { return cost{memory: 19 << 10, time: 2, threads: 1} }

// most is what a stored hash may cost at most. It bounds what a wrong row can take.
func most() cost { return cost{memory: 128 << 10, time: 10, threads: 4} }

const (
	saltBytes = 16
	hashBytes = 32
	// atOnce is how many hashes are computed at the same time: 38 MiB together.
	atOnce = 2
	// waiting is how many more may wait for that, and waitFor how long.
	waiting = 32
	waitFor = 5 * time.Second
)

// passwords hashes passwords, few at a time, so that attempts to sign in cannot
// exhaust the memory. It is safe for concurrent use.
type passwords struct {
	line chan struct{} // who computes or waits
	work chan struct{} // who computes
	// nobody is the hash that stands for that of a user who does not exist or has no
	// password, so that both take the same time.
	nobody string
	spent  atomic.Uint64 // KiB times rounds of all hashes
}

func newPasswords() *passwords {
	p := &passwords{line: make(chan struct{}, atOnce+waiting), work: make(chan struct{}, atOnce)}
	p.nobody = encode(today(), random(saltBytes), random(hashBytes))
	return p
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) //nolint:errcheck // never fails
	return b
}

// compute returns the argon2id of a password, when it is its turn.
func (p *passwords) compute(ctx context.Context, password string, salt []byte, c cost, size uint32) ([]byte, error) {
	select {
	case p.line <- struct{}{}:
		defer func() { <-p.line }()
	default:
		return nil, ErrBusy
	}
	enough := time.NewTimer(waitFor)
	defer enough.Stop()
	select {
	case p.work <- struct{}{}:
		defer func() { <-p.work }()
	case <-enough.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.spent.Add(uint64(c.memory) * uint64(c.time))
	return argon2.IDKey([]byte(norm.NFKC.String(password)), salt, c.time, c.memory, c.threads, size), nil
}

// hash returns the text of a password's hash.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	salt := random(saltBytes)
	sum, err := p.compute(ctx, password, salt, today(), hashBytes)
	if err != nil {
		return "", err
	}
	return encode(today(), salt, sum), nil
}

// check reports whether a password has a hash, and whether the hash is weaker than
// those of today. An empty hash takes as long as any other, and never matches.
func (p *passwords) check(ctx context.Context, hash, password string) (ok, weak bool, err error) {
	known := hash != ""
	if !known {
		hash = p.nobody
	}
	c, salt, want, err := decode(hash)
	if err != nil {
		return false, false, err
	}
	if len(password) > MaxPassword {
		password, known = password[:MaxPassword], false
	}
	sum, err := p.compute(ctx, password, salt, c, uint32(len(want))) //nolint:gosec // decode limits it
	if err != nil {
		return false, false, err
	}
	same := subtle.ConstantTimeCompare(sum, want) == 1
	return same && known, c != today(), nil
}

// encode returns a hash with its parameters, as other programs write it, too.
func encode(c cost, salt, sum []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.time, c.threads, b64(salt), b64(sum))
}

func decode(text string) (c cost, salt, sum []byte, err error) {
	bad := faces.Errorf(faces.CodeInternal, "a stored password hash is not argon2id as this version writes it")
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, bad
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.time, &c.threads); err != nil {
		return c, nil, nil, bad
	}
	limit := most()
	if c.memory < 8 || c.memory > limit.memory || c.time < 1 || c.time > limit.time || c.threads < 1 || c.threads > limit.threads {
		return c, nil, nil, bad
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	sum, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(salt) > 64 || len(sum) < 16 || len(sum) > 64 {
		return c, nil, nil, bad
	}
	return c, salt, sum, nil
}
