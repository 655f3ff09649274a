package config

import (
	"net"
	"strings"
	"sync"
	"time"
)

// tokenFresh is how long the content of a token's file is used before the file is
// read again.
const tokenFresh = 2 * time.Second

// Token is a shared text that a program proves itself with, from a setting or a
// file. The file is read again while the program runs, so a token changes without a
// restart: a line per token, the first one is sent, all are accepted. It is safe for
// concurrent use. The zero value and nil have no token.
type Token struct {
	direct Secret
	file   string

	mu     sync.Mutex // guards the fields below
	lines  []string
	readAt time.Time
}

// FixedToken returns a Token with one text.
func FixedToken(text string) *Token { return &Token{direct: newSecret(text)} }

// ReadToken reads the token of calls to the recognizer.
func ReadToken(r *Reader) *Token {
	const name = "ROLLCALL_GRPC_TOKEN"
	direct, ok := r.get(name, "", "shared token of the calls to the recognizer: at least 16 characters, better 32 random bytes in base64")
	file, fromFile := r.get(name+"_FILE", "", "file that contains "+name+", a token per line; the first is sent, all are accepted; read again when it changes")
	t := &Token{file: file}
	switch {
	case ok && fromFile:
		r.Fail(name, "is set, and %s_FILE too; set only one of them", name)
	case ok:
		t.direct = newSecret(direct)
		if len(direct) < minToken {
			r.Fail(name, "is shorter than %d characters", minToken)
		}
	case fromFile:
		lines, err := t.All()
		if err != nil {
			r.Fail(name+"_FILE", "%v", err)
		}
		for _, line := range lines {
			if len(line) < minToken {
				r.Fail(name+"_FILE", "has a token shorter than %d characters", minToken)
			}
		}
	}
	return t
}

const minToken = 16 // characters

// ReadTokenFile reads the name of a file that contains a token that somebody else made.
// The file may come later.
func ReadTokenFile(r *Reader, name, help string) *Token {
	file, _ := r.get(name, "", help)
	return &Token{file: file}
}

// IsSet reports whether there is a token.
func (t *Token) IsSet() bool { return t != nil && (t.file != "" || t.direct.Reveal() != "") }

// All returns the tokens to accept, the one to send first. It fails if the file
// cannot be read and was never read before.
func (t *Token) All() ([]string, error) {
	if !t.IsSet() {
		return nil, nil
	}
	if t.file == "" {
		return []string{t.direct.Reveal()}, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.readAt) < tokenFresh {
		return t.lines, nil
	}
	text, err := readSecretFile(t.file)
	if err != nil && t.lines == nil {
		return nil, err
	}
	t.readAt = time.Now()
	if err == nil { // else: the last tokens, while the file is being replaced
		t.lines = strings.Fields(text)
	}
	return t.lines, nil
}

// IsLoopback reports whether a server that listens on a host:port can be reached
// from this machine only.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && IsLoopbackHost(host)
}

// IsLoopbackHost reports whether a host is this machine: localhost or a loopback
// address, in brackets or not.
func IsLoopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// ReadSecretFile reads the name of a file that contains a secret of somebody else's, and
// returns a function that reads the secret as it is then. It returns nil if none is named.
func ReadSecretFile(r *Reader, name, help string) func() (string, error) {
	file, ok := r.get(name, "", help)
	if !ok {
		return nil
	}
	return func() (string, error) { return readSecretFile(file) }
}
