package config

import (
	"errors"
	"strings"
)

// Login is how a program logs in to the database: a user and a password, from a
// setting or a file. The file is read again for each new connection, so user and
// password change without a restart. One file has both, so that nobody reads the new
// user with the old password.
type Login struct {
	fixed Credentials
	file  string
}

// Credentials is a user and a password.
type Credentials struct {
	User     string
	Password Secret
}

// Same reports whether user and password are equal.
func (c Credentials) Same(other Credentials) bool {
	return c.User == other.User && c.Password.Reveal() == other.Password.Reveal()
}

// FixedLogin returns a Login that never changes.
func FixedLogin(user, password string) Login {
	return Login{fixed: Credentials{User: user, Password: newSecret(password)}}
}

const (
	loginName     = "MYSQL_USERPASSWORD"
	loginFileHelp = "file that contains " + loginName + ", instead of setting it; read again for each new connection"
)

func readLogin(r *Reader) Login {
	text, file := r.Secret(loginName, "user:password for MySQL", loginFileHelp)
	fixed, err := parseLogin(text.Reveal())
	if text.Reveal() != "" && err != nil {
		r.Fail(loginName, "%v", err)
	}
	return Login{fixed: fixed, file: file}
}

// Read returns the user and the password as they are now. It fails if the file cannot
// be read at this moment.
func (l Login) Read() (Credentials, error) {
	if l.file == "" {
		return l.fixed, nil
	}
	text, err := readSecretFile(l.file)
	if err != nil {
		return Credentials{}, err
	}
	c, err := parseLogin(text)
	if err != nil {
		return Credentials{}, errors.New(l.file + " " + err.Error())
	}
	return c, nil
}

func parseLogin(text string) (Credentials, error) {
	user, password, ok := strings.Cut(text, ":")
	if !ok || user == "" {
		return Credentials{}, errors.New("is not user:password")
	}
	return Credentials{User: user, Password: newSecret(password)}, nil
}
