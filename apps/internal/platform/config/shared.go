package config

// This file owns the settings that several programs share, so that each has
// one name, one default and one help text.

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Log says how a program logs.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // auto, text or json
}

// ReadLog reads the settings of a program's log.
func ReadLog(r *Reader) Log {
	return Log{
		Level:  r.OneOf("ROLLCALL_LOG_LEVEL", "info", "least severe level to log: debug, info, warn, error", "debug", "info", "warn", "error"),
		Format: r.OneOf("ROLLCALL_LOG_FORMAT", "auto", "text, json, or auto: text at a terminal, else json", "auto", "text", "json"),
	}
}

// Server is what every long-running program has.
type Server struct {
	Admin           string        // host:port of /healthz, /readyz and /metrics
	ShutdownTimeout time.Duration // longest time from SIGTERM to exit
}

// ReadServer reads the settings of every long-running program.
func ReadServer(r *Reader, adminDefault string) Server {
	return Server{
		Admin:           r.Address("ROLLCALL_ADMIN_ADDRESS", adminDefault, "address of /healthz, /readyz and /metrics"),
		ShutdownTimeout: r.Duration("ROLLCALL_SHUTDOWN_TIMEOUT", 20*time.Second, time.Second, 10*time.Minute, "longest time from SIGTERM to exit"),
	}
}

// ReadLinger reads how long an HTTP server answers on after SIGTERM; the time is
// part of the whole time to stop.
func ReadLinger(r *Reader, server Server) time.Duration {
	const name = "ROLLCALL_LINGER"
	linger := r.Duration(name, 0, 0, 5*time.Minute, "how long after SIGTERM requests are still taken, each answer asking the client to close its connection")
	if linger >= server.ShutdownTimeout {
		r.Fail(name, "%s leaves nothing of ROLLCALL_SHUTDOWN_TIMEOUT, %s", linger, server.ShutdownTimeout)
	}
	return linger
}

// Database says where MySQL or MariaDB is.
type Database struct {
	Host, Name, User string
	Port             int
	Password         Secret
	MaxConnections   int
	// TLS is nil where the connection is not encrypted.
	TLS *tls.Config
}

// ReadDatabase reads the address and credentials of MySQL.
func ReadDatabase(r *Reader) Database {
	db := Database{
		Host: r.Required("MYSQL_CONNECTION", "host of the MySQL server"),
		Port: r.Int("MYSQL_PORT", 3306, 1, 65535, "port of the MySQL server"),
		Name: r.String("MYSQL_DBNAME", "kube", "name of the database"),
	}
	const name = "MYSQL_USERPASSWORD"
	login := r.Secret(name, "user:password for MySQL")
	user, password, ok := strings.Cut(login.Reveal(), ":")
	if login.Reveal() != "" && (!ok || user == "") {
		r.Fail(name, "is not user:password")
	}
	db.User, db.Password = user, newSecret(password)
	db.MaxConnections = r.Int("ROLLCALL_DB_CONNECTIONS", 16, 2, 1000, "most connections to MySQL that this process opens")
	db.TLS = readDatabaseTLS(r, db.Host)
	return db
}

// readDatabaseTLS has no way to encrypt without looking whom to: that would keep
// out those who only listen.
func readDatabaseTLS(r *Reader, host string) *tls.Config {
	mode := r.OneOf("ROLLCALL_DB_TLS", "off", "TLS to MySQL: off, or verify: its certificate must be good for MYSQL_CONNECTION", "off", "verify")
	const name = "ROLLCALL_DB_CA"
	file := r.String(name, "", "with verify: a PEM file of the authorities to trust; the system's where it is unset")
	if mode == "off" {
		return nil
	}
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if file == "" {
		return cfg
	}
	text, err := os.ReadFile(file)
	if err != nil {
		r.Fail(name, "%v", err)
		return cfg
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(text) {
		r.Fail(name, "%s holds no certificate", file)
	}
	return cfg
}

// ReadFolder reads the path of a folder and returns it absolute and cleaned.
func ReadFolder(r *Reader, name, def, help string) string {
	dir := r.String(name, def, help)
	if !filepath.IsAbs(dir) {
		abs, err := filepath.Abs(dir)
		if err != nil {
			r.Fail(name, "%v", err)
			return dir
		}
		dir = abs
	}
	return filepath.Clean(dir)
}

// ReadUnknownPeople reads the only folder that image paths may point into.
func ReadUnknownPeople(r *Reader) string {
	return ReadFolder(r, "UNKNOWN_PEOPLE", "/unknown_people", "folder of the pictures that are asked about; no path may leave it")
}

// ReadKnownPeople reads the folder of known people's pictures.
func ReadKnownPeople(r *Reader) string {
	return ReadFolder(r, "KNOWN_PEOPLE", "/known_people", "folder of the pictures of known people")
}

// Rule says when a face is somebody's; 0 is the model set's own value.
type Rule struct {
	Threshold float64 // Euclidean
	Margin    float64
}

// ReadRule reads what a deployment sets in place of the model set's rule.
func ReadRule(r *Reader) Rule {
	return Rule{
		Threshold: r.Float("ROLLCALL_THRESHOLD", "the model set's", 0.01, 2, "largest distance at which a face is somebody's; the far threshold of the set moves along"),
		Margin:    r.Float("ROLLCALL_MARGIN", "the model set's", 0, 1, "least distance between the best and the second person"),
	}
}

// ReadDatabaseIfSet reads the database of a program that can do without; ok is
// false where MYSQL_CONNECTION is not set.
func ReadDatabaseIfSet(r *Reader, without string) (db Database, ok bool) {
	if r.String("MYSQL_CONNECTION", "", "host of the MySQL server; where it is not set, "+without) != "" {
		return ReadDatabase(r), true
	}
	r.String("MYSQL_PORT", "3306", "port of the MySQL server")
	r.String("MYSQL_DBNAME", "kube", "name of the database")
	r.String("MYSQL_USERPASSWORD", "", "user:password for MySQL")
	r.String("MYSQL_USERPASSWORD_FILE", "", "a file that holds MYSQL_USERPASSWORD, in its place")
	return Database{}, false
}
