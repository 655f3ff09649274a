package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Key is an API key without its secret.
type Key struct {
	Number     int64  // its place in lists; 0 if it is declared in a file
	ID         string // the public part of its text
	Name       string // what it is for, for people
	Hash       Hash
	Scopes     Scopes
	Limits     Limits
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	RevokedAt  time.Time // zero: it is not revoked
	LastUsedAt time.Time // to the minute; zero: never
}

// Hash is the SHA-256 of a key's secret. A slow hash is for passwords, which can be
// guessed; 256 random bits cannot.
type Hash [sha256.Size]byte

// Limits are the limits of one key.
type Limits struct {
	Rate    *float64 // requests per second; 0: any number; nil: the server's default
	Burst   int      // requests at once; 0: a second's
	MaxBody int64    // bytes of a body; 0: the server's limit
}

// UsableAt reports whether the key is accepted at a time.
func (k Key) UsableAt(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

const (
	prefix      = "rollcall_"
	secretBytes = 32
	// MaxName is the largest number of characters in a key's name.
	MaxName = 100
	// MaxID is the largest number of characters in a key's id.
	MaxID = 32
)

// NewKey makes a key and returns it with its text, which is stored nowhere.
func NewKey(name string, scopes Scopes, limits Limits, now, expires time.Time) (Key, string, error) {
	k := Key{Name: strings.TrimSpace(name), Scopes: scopes, Limits: limits, CreatedAt: now, ExpiresAt: expires}
	if err := k.check(); err != nil {
		return Key{}, "", err
	}
	if !expires.IsZero() && !expires.After(now) {
		return Key{}, "", faces.Errorf(faces.CodeInvalid, "the key would expire at %s, which is past", expires.UTC().Format(time.RFC3339))
	}
	id, secret := make([]byte, 5), make([]byte, secretBytes)
	rand.Read(id)     //nolint:errcheck // never fails
	rand.Read(secret) //nolint:errcheck // never fails
	k.ID = strings.ToLower(base32.StdEncoding.EncodeToString(id))
	text := base64.RawURLEncoding.EncodeToString(secret)
	k.Hash = sha256.Sum256([]byte(text))
	return k, prefix + k.ID + "_" + text, nil
}

// check checks what somebody chose of a key.
func (k Key) check() error {
	switch {
	case k.Name == "" || utf8.RuneCountInString(k.Name) > MaxName || !utf8.ValidString(k.Name) || strings.ContainsFunc(k.Name, unicode.IsControl):
		return faces.Errorf(faces.CodeInvalid, "a key needs a name of 1 to %d characters that says what it is for", MaxName)
	case k.Scopes == 0:
		return faces.Errorf(faces.CodeInvalid, "a key needs at least one scope; the scopes are %s", everything)
	case k.Limits.Rate != nil && !(*k.Limits.Rate >= 0 && *k.Limits.Rate <= 1e6): // NaN fails both
		return faces.Errorf(faces.CodeInvalid, "the requests per second of a key are a number between 0 (any number) and 1000000")
	case k.Limits.Burst < 0 || k.Limits.Burst > 1e6:
		return faces.Errorf(faces.CodeInvalid, "the burst of a key is a number between 0 (a second's requests) and 1000000")
	case k.Limits.MaxBody < 0:
		return faces.Errorf(faces.CodeInvalid, "the largest body of a key is a number of bytes from 0 (the server's limit) on")
	}
	return nil
}

// ParseKey splits the text of a key. It is not ok if the text cannot be a key's.
func ParseKey(text string) (id, secret string, ok bool) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return "", "", false
	}
	id, secret, ok = strings.Cut(rest, "_")
	if !ok || !IsID(id) {
		return "", "", false
	}
	// Strict: each secret has one spelling.
	raw, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	return id, secret, err == nil && len(raw) == secretBytes
}

// IsID reports whether a text can be the id of a key.
func IsID(id string) bool {
	outside := func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') }
	return id != "" && len(id) <= MaxID && !strings.ContainsFunc(id, outside)
}

// matches compares the hash with that of a secret, in a time that does not depend
// on either.
func (h Hash) matches(secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(sum[:], h[:]) == 1
}

// User is somebody on whose behalf a program may send requests.
type User struct {
	ID        int64
	Name      string
	Role      Role
	CreatedAt time.Time
	UpdatedAt time.Time
}

// MaxUserName is the largest number of characters in a user's name.
const MaxUserName = 128

// CheckUserName returns an error if a text cannot be a user's name. A name is sent
// in a header and in a path, so it has only characters that are safe in both.
func CheckUserName(name string) error {
	const marks = "._@+:|=~-"
	outside := func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune(marks, r)
	}
	if name == "" || len(name) > MaxUserName || strings.ContainsFunc(name, outside) {
		return faces.Errorf(faces.CodeInvalid, "%.150q is not a user's name: want 1 to %d letters, digits and %s", name, MaxUserName, marks)
	}
	return nil
}
