package config

// The settings in this file are shared by several programs: each has one name,
// one default and one help text.
import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Log is the log settings of a program.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // auto, text or json
}

// ReadLog reads the log settings.
func ReadLog(r *Reader) Log {
	return Log{
		Level:  r.OneOf("ROLLCALL_LOG_LEVEL", "info", "minimum level to log: debug, info, warn, error", "debug", "info", "warn", "error"),
		Format: r.OneOf("ROLLCALL_LOG_FORMAT", "auto", "text, json, or auto: text at a terminal, else json", "auto", "text", "json"),
	}
}

// Server is the settings of every long-running program.
type Server struct {
	Admin           string        // host:port of /healthz, /readyz and /metrics
	ShutdownTimeout time.Duration // maximum time from SIGTERM to exit
}

// ReadServer reads Server. adminDefault is the default host:port of the admin
// port.
func ReadServer(r *Reader, adminDefault string) Server {
	return Server{
		Admin:           r.Address("ROLLCALL_ADMIN_ADDRESS", adminDefault, "address of /healthz, /readyz and /metrics"),
		ShutdownTimeout: r.Duration("ROLLCALL_SHUTDOWN_TIMEOUT", 20*time.Second, time.Second, 10*time.Minute, "maximum time from SIGTERM to exit"),
	}
}

// ReadLinger reads how long an HTTP server keeps answering after SIGTERM. It is
// part of the shutdown timeout and must be shorter.
func ReadLinger(r *Reader, server Server) time.Duration {
	const name = "ROLLCALL_LINGER"
	linger := r.Duration(name, 0, 0, 5*time.Minute, "how long to keep answering requests after SIGTERM, with Connection: close")
	if linger >= server.ShutdownTimeout {
		r.Fail(name, "%s must be shorter than ROLLCALL_SHUTDOWN_TIMEOUT, %s", linger, server.ShutdownTimeout)
	}
	return linger
}

// ReadMaxConnections reads the maximum number of open connections of a server.
func ReadMaxConnections(r *Reader, def int) int {
	return r.Int("ROLLCALL_MAX_CONNECTIONS", def, 4, 1_000_000, "maximum number of open connections; three quarters of them may come from one address")
}

// ReadAllowedHosts reads the names under which an HTTP server is reached, beyond
// those that no foreign web page can have.
func ReadAllowedHosts(r *Reader) []string {
	const name = "ROLLCALL_ALLOWED_HOSTS"
	text := r.String(name, "", "public host names of this server, separated by commas; * is any. Addresses and names inside a cluster are always allowed")
	var hosts []string
	for host := range strings.SplitSeq(text, ",") {
		host = strings.TrimSpace(host)
		if host == "" {
			continue
		}
		if strings.ContainsAny(host, "/ @?#") {
			r.Fail(name, "%q is not a host name; leave out the scheme and the path", host)
		}
		hosts = append(hosts, host)
	}
	return hosts
}

// Database is the address and credentials of MySQL or MariaDB.
type Database struct {
	Host, Name     string
	Port           int
	Login          Login
	MaxConnections int // maximum number of open connections
	// TLS is nil if the connection is not encrypted.
	TLS *tls.Config
}

// ReadDatabase reads Database. MYSQL_CONNECTION and a password are required.
func ReadDatabase(r *Reader) Database {
	db := Database{
		Host: r.Required("MYSQL_CONNECTION", "host of the MySQL server"),
		Port: r.Int("MYSQL_PORT", 3306, 1, 65535, "port of the MySQL server"),
		Name: r.String("MYSQL_DBNAME", "kube", "name of the database"),
	}
	db.Login = readLogin(r)
	db.MaxConnections = r.Int("ROLLCALL_DB_CONNECTIONS", 16, 2, 1000, "maximum number of MySQL connections of this process")
	db.TLS = readDatabaseTLS(r, db.Host)
	return db
}

// readDatabaseTLS reads the TLS settings. There is no mode that encrypts
// without verifying the server: it would stop passive listeners only.
func readDatabaseTLS(r *Reader, host string) *tls.Config {
	mode := r.OneOf("ROLLCALL_DB_TLS", "off", "TLS to MySQL: off, or verify (the certificate must be valid for MYSQL_CONNECTION)", "off", "verify")
	const name = "ROLLCALL_DB_CA"
	file := r.String(name, "", "with verify: PEM file of the trusted authorities; the system's if unset")
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
		r.Fail(name, "%s contains no PEM certificate", file)
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

// ReadUnknownPeople reads the folder of the images. It is the only folder that
// image paths may point into.
func ReadUnknownPeople(r *Reader) string {
	return ReadFolder(r, "UNKNOWN_PEOPLE", "/unknown_people", "folder of the images to recognize; image paths must stay inside it")
}

// ReadKnownPeople reads the folder of the known pictures.
func ReadKnownPeople(r *Reader) string {
	return ReadFolder(r, "KNOWN_PEOPLE", "/known_people", "folder of the known pictures")
}

// Rule is when a face matches a person. 0 means the model set's own value.
type Rule struct {
	Threshold float64 // maximum Euclidean distance between face and known picture
	Margin    float64 // minimum distance between the best and the second person
}

// ReadRule reads the values that override the model set's rule.
func ReadRule(r *Reader) Rule {
	return Rule{
		Threshold: r.Float("ROLLCALL_THRESHOLD", "the model set's", 0.01, 2, "maximum distance of a match; the far threshold of the model set moves by the same amount"),
		Margin:    r.Float("ROLLCALL_MARGIN", "the model set's", 0, 1, "minimum distance between the best and the second person"),
	}
}

// RetentionName is the name of the setting that ReadRetention reads.
const RetentionName = "ROLLCALL_RETENTION"

// ReadRetention reads the rules that say how long images are kept, as text.
func ReadRetention(r *Reader) string {
	return r.String(RetentionName, "", "how many days images are kept, by outcome, such as unknown_person=30,failed=7,identified=365+corrected; if unset, the rules that PUT /api/v1/retention has stored")
}

// ReadConsent reads whether people are matched only if their consent is recorded.
func ReadConsent(r *Reader) (required bool) {
	return r.OneOf("ROLLCALL_CONSENT", "optional", "whether somebody of whom no consent is recorded is recognized: optional (yes) or required (no)", "optional", "required") == "required"
}

// ReadDatabaseIfSet reads the database of a program that can work without one.
// ok is false if MYSQL_CONNECTION is not set. without tells the user what the
// program does then.
func ReadDatabaseIfSet(r *Reader, without string) (db Database, ok bool) {
	if r.String("MYSQL_CONNECTION", "", "host of the MySQL server; if unset, "+without) != "" {
		return ReadDatabase(r), true
	}
	r.String("MYSQL_PORT", "3306", "port of the MySQL server")
	r.String("MYSQL_DBNAME", "kube", "name of the database")
	r.String("MYSQL_USERPASSWORD", "", "user:password for MySQL")
	r.String("MYSQL_USERPASSWORD_FILE", "", loginFileHelp)
	return Database{}, false
}
