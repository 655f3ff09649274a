package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"
)

// Way is how a user proved who they are.
type Way string

// The ways to sign in.
const (
	ByPassword Way = "password"
	ByProvider Way = "provider" // of OpenID Connect
)

// Session is a user who is signed in with one browser.
type Session struct {
	ID        int64
	Token     Hash // of the cookie's secret
	UserID    int64
	Role      Role // of the user when the token was made
	Way       Way
	Address   string // where the user signed in
	Browser   string // what the browser called itself
	CreatedAt time.Time
	SeenAt    time.Time // to about a minute
	ExpiresAt time.Time // if it is not used, and at the latest EndsAt
	EndsAt    time.Time
}

// SessionOf is a session with its user.
type SessionOf struct {
	Session
	User User
}

// Account is a user with what the user can sign in with.
type Account struct {
	User
	Password bool
	Provider bool // an identity of an OpenID provider is linked
	Invited  bool // there is a code that was not used yet
}

// CodeKind is what a one-time code is for.
type CodeKind string

// The kinds of one-time codes.
const (
	FirstAdmin CodeKind = "first_admin" // to become the first admin
	Invite     CodeKind = "invite"      // to choose a password
)

// Code is a one-time code without its text.
type Code struct {
	Hash      Hash
	Kind      CodeKind
	UserID    int64 // whose; 0 for FirstAdmin
	ExpiresAt time.Time
}

// HashOf returns the hash of a secret of random bytes.
func HashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

const (
	// codeBytes is the length of a one-time code: 160 bits cannot be guessed.
	codeBytes = 20
	codeGroup = 4 // characters between two hyphens
	// How long one-time codes can be used.
	firstAdminFor = 24 * time.Hour
	inviteFor     = 72 * time.Hour
)

// NewCode makes a one-time code and returns it with its text, which is stored nowhere.
func NewCode(kind CodeKind, userID int64, now time.Time) (Code, string) {
	secret := make([]byte, codeBytes)
	rand.Read(secret) //nolint:errcheck // never fails
	plain := base32.StdEncoding.EncodeToString(secret)
	var groups []string
	for i := 0; i < len(plain); i += codeGroup {
		groups = append(groups, plain[i:i+codeGroup])
	}
	c := Code{Hash: HashOf(plain), Kind: kind, UserID: userID, ExpiresAt: now.Add(inviteFor)}
	if kind == FirstAdmin {
		c.ExpiresAt = now.Add(firstAdminFor)
	}
	return c, strings.Join(groups, "-")
}

// CodeHash returns the hash of a one-time code as somebody typed it: in capital or small
// letters, with hyphens and spaces or without.
func CodeHash(typed string) Hash {
	return HashOf(strings.ToUpper(strings.Map(func(r rune) rune {
		if strings.ContainsRune("- \t\r\n", r) {
			return -1
		}
		return r
	}, typed)))
}
