package webhooks

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// Secret signs messages. It is whsec_ and the base64 of 24 to 64 bytes.
type Secret struct{ key []byte }

const (
	secretPrefix = "whsec_"
	newSecret    = 32 // bytes
	minSecret    = 24
	maxSecret    = 64
)

// NewSecret returns a random secret and its text.
func NewSecret() (Secret, string) {
	key := make([]byte, newSecret)
	_, _ = rand.Read(key) // never fails
	return Secret{key}, secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// ParseSecret reads a secret. Its errors do not quote it.
func ParseSecret(text string) (Secret, error) {
	rest, ok := strings.CutPrefix(text, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(rest)
	if !ok || err != nil || len(key) < minSecret || len(key) > maxSecret {
		return Secret{}, fmt.Errorf("the secret is not %s and the base64 of %d to %d bytes", secretPrefix, minSecret, maxSecret)
	}
	return Secret{key}, nil
}

// String hides the secret from logs.
func (Secret) String() string { return "whsec_…" }

// GoString hides the secret from logs.
func (s Secret) GoString() string { return s.String() }

// sign returns a signature of a message, of version 1 of the specification.
func (s Secret) sign(id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, s.key)
	fmt.Fprintf(mac, "%s.%s.", id, strconv.FormatInt(at.Unix(), 10))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Sealer encrypts secrets for the database, so that a copy of the database signs
// nothing.
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns a Sealer with a key of 32 bytes in base64.
func NewSealer(text string) (*Sealer, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != newSecret {
		return nil, fmt.Errorf("the key is not the base64 of %d bytes; make one with: openssl rand -base64 %d", newSecret, newSecret)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &Sealer{aead}, err
}

// ReadSealer returns a Sealer with the key in a file.
func ReadSealer(name string) (*Sealer, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, 1<<10))
	if err != nil {
		return nil, err
	}
	s, err := NewSealer(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// OwnSealer returns a Sealer with the key in a file that only this user can read, and
// makes the file where it is missing.
func OwnSealer(name string) (*Sealer, error) {
	key := make([]byte, newSecret)
	_, _ = rand.Read(key) // never fails
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return ReadSealer(name)
	}
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintln(out, base64.StdEncoding.EncodeToString(key))
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(name))
	}
	return ReadSealer(name)
}

// Seal encrypts a secret.
func (s *Sealer) Seal(secret Secret) string {
	nonce := make([]byte, s.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return base64.StdEncoding.EncodeToString(s.aead.Seal(nonce, nonce, secret.key, nil))
}

// Open decrypts what Seal has encrypted.
func (s *Sealer) Open(sealed string) (Secret, error) {
	errWrong := errors.New("the secret cannot be decrypted; is ROLLCALL_WEBHOOK_KEY_FILE the key it was stored with?")
	text, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(text) < s.aead.NonceSize() {
		return Secret{}, errWrong
	}
	n := s.aead.NonceSize()
	key, err := s.aead.Open(nil, text[:n], text[n:], nil)
	if err != nil {
		return Secret{}, errWrong
	}
	return Secret{key}, nil
}
