// Package mariadbtest runs a real MariaDB server from the operating system's
// packages, with its own port and folder. Tests get a database from Database.
// The benchmarks and the chaos program start a whole server with Start, which
// they can pause, kill and restart.
package mariadbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/childproc"
)

// ErrNotInstalled is returned if the machine has no MariaDB server.
var ErrNotInstalled = errors.New("mariadbd is not installed; run apps/setup/debian.sh test, or install the MariaDB server package of your system")

// errPortTaken means that the server ended because another program has its
// port.
var errPortTaken = errors.New("the port is taken")

const (
	host = "127.0.0.1"
	user = "rollcall"
)

// Server is a running MariaDB server. It is safe for concurrent use.
type Server struct {
	program  string // path of mariadbd
	dir      string // holds data/ and init.sql
	log      io.Writer
	port     int
	password string
	more     []string // additional arguments
	env      []string // nil for that of this process

	mu      sync.Mutex // guards process
	process *process   // the last one started; it may have ended
}

// Start starts the database server in dir, which it installs there first if
// missing. When it returns, the server answers. log receives the server's log
// and may be nil. more holds additional arguments. The server is killed when
// this process ends.
func Start(ctx context.Context, dir string, log io.Writer, more ...string) (*Server, error) {
	program, err := find("mariadbd")
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = io.Discard
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("start mariadbd: %w", err)
	}
	s := &Server{program: program, dir: dir, log: log, more: more}
	if err := install(ctx, dataFolder(dir)); err != nil {
		return nil, fmt.Errorf("install a database server in %s: %w", dir, err)
	}
	s.password = newPassword()
	if err := s.writeInit(); err != nil {
		return nil, fmt.Errorf("start mariadbd: %w", err)
	}
	if err := s.startAnywhere(ctx); err != nil {
		return nil, fmt.Errorf("start mariadbd: %w", err)
	}
	return s, nil
}

// Port returns the TCP port on 127.0.0.1. Restart keeps it.
func (s *Server) Port() int { return s.port }

// Addr returns the server's host:port.
func (s *Server) Addr() string { return net.JoinHostPort(host, strconv.Itoa(s.port)) }

// User returns the name of a user with all privileges.
func (s *Server) User() string { return user }

// Password returns the user's password.
func (s *Server) Password() string { return s.password }

// CreateDatabase creates an empty database.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	return s.login().exec(ctx, "CREATE DATABASE "+quote(name))
}

// Pause stops the server process with SIGSTOP. Connections stay open, and
// nothing is answered until Resume.
func (s *Server) Pause() error { return s.signal("pause", syscall.SIGSTOP) }

// Resume undoes Pause.
func (s *Server) Resume() error { return s.signal("resume", syscall.SIGCONT) }

// Kill kills the server, as a crash would, and waits for its end. It does
// nothing if the server is not running.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kill()
}

// Close kills the server. Its folder stays.
func (s *Server) Close() error { return s.Kill() }

// Restart kills the server if it runs and starts it on the same port and data.
// When it returns, the server answers.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.kill(); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("restart mariadbd: %w", err)
	}
	return nil
}

func (s *Server) signal(what string, sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.process.Signal(sig); err != nil {
		return fmt.Errorf("%s mariadbd: %w", what, err)
	}
	return nil
}

// kill kills the process. The caller holds mu.
func (s *Server) kill() error {
	if err := s.process.Kill(); err != nil {
		return fmt.Errorf("kill mariadbd: %w", err)
	}
	return nil
}

// startAnywhere starts the server on a free port. Another program may take the
// port before the server does; then it tries the next one.
func (s *Server) startAnywhere(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		port, err := freePort(ctx)
		if err != nil {
			return err
		}
		s.port = port
		if err := s.start(ctx); !errors.Is(err, errPortTaken) {
			return err
		}
	}
}

// start starts the process on s.port. The caller holds mu.
func (s *Server) start(ctx context.Context) error {
	tmp := filepath.Join(s.dir, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return err
	}
	args := append(commonArgs(),
		"--datadir="+dataFolder(s.dir),
		// A starting server removes the temporary tables in this folder. In a
		// shared folder those would be other servers' tables.
		"--tmpdir="+tmp,
		// Relative to the data folder: the path of a socket is limited to 107
		// bytes.
		"--socket=mariadbd.sock",
		"--pid-file=mariadbd.pid",
		"--bind-address="+host,
		"--port="+strconv.Itoa(s.port),
		"--skip-name-resolve",
		"--character-set-server=utf8mb4",
		"--innodb-flush-log-at-trx-commit=1",
		"--innodb-buffer-pool-size=128M",
		"--max-connections=500",
		"--innodb-buffer-pool-load-at-startup=OFF",
	)
	if _, err := os.Stat(s.initFile()); err == nil { // a node that joins a cluster gets its accounts from there
		args = append(args, "--init-file="+s.initFile())
	}
	cmd := exec.Command(s.program, append(args, s.more...)...)
	cmd.Env = s.env
	p, err := startProcess(cmd, s.log)
	if err != nil {
		return err
	}
	s.process = p
	if err := s.awaitAnswer(ctx); err != nil {
		return errors.Join(err, s.kill())
	}
	return nil
}

// awaitAnswer pings the server until it answers or ends, or ctx is cancelled.
func (s *Server) awaitAnswer(ctx context.Context) error {
	db, err := s.login().open("")
	if err != nil {
		return err
	}
	defer db.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.process.Done():
			return s.process.endError()
		case <-ctx.Done():
			return fmt.Errorf("wait for the server's answer: %w (%w)", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// newPassword returns a password with the characters that break careless parsers of
// user:password@host or key=value.
func newPassword() string { return "a:b=c@d:" + rand.Text() }

func (s *Server) initFile() string { return filepath.Join(s.dir, "init.sql") }

// writeInit writes the statements that the server runs before it listens. They
// create the user. The only other account is that of the system tables' owner,
// on the socket.
func (s *Server) writeInit() error {
	account := fmt.Sprintf("'%s'@'%s'", user, host)
	statements := fmt.Sprintf("CREATE OR REPLACE USER %s IDENTIFIED BY '%s';\nGRANT ALL PRIVILEGES ON *.* TO %s WITH GRANT OPTION;\n",
		account, s.password, account)
	return os.WriteFile(s.initFile(), []byte(statements), 0o600)
}

// dataFolder returns the data folder inside a server's folder.
func dataFolder(dir string) string { return filepath.Join(dir, "data") }

// install creates a data folder with the system tables, if missing. It works in
// a folder beside it and renames it at the end, so that an interrupted
// installation is never taken for a database. It has its own temporary folder
// for the reason given in start.
func install(ctx context.Context, data string) error {
	if _, err := os.Stat(data); err == nil {
		return nil
	}
	program, err := find("mariadb-install-db")
	if err != nil {
		return err
	}
	work := data + ".new"
	fresh, tmp := dataFolder(work), filepath.Join(work, "tmp")
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(tmp, 0o700)); err != nil {
		return err
	}
	args := append(commonArgs(),
		"--datadir="+fresh,
		"--tmpdir="+tmp,
		"--skip-test-db",
		"--skip-name-resolve",
		// The packages' own scripts set this too: without it, and as root, the
		// program changes the owner of a system-wide plugin.
		"--rpm",
	)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = childproc.DieWithParent()
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, out)
	}
	return errors.Join(os.Rename(fresh, data), os.RemoveAll(work))
}

// commonArgs returns the options of both programs. --no-defaults must be first.
func commonArgs() []string {
	args := []string{
		"--no-defaults",
		// Writing the log file is most of the cost of a small database. Both
		// programs must agree on its size, or the server rewrites it.
		"--innodb-log-file-size=32M",
	}
	if os.Geteuid() == 0 {
		args = append(args, "--user=root") // mariadbd refuses to run as root without it
	}
	return args
}

// find returns the path of a MariaDB program. Some systems install it outside
// the PATH of ordinary users.
func find(program string) (string, error) {
	for _, p := range []string{program, "/usr/sbin/" + program, "/usr/libexec/" + program} {
		if path, err := exec.LookPath(p); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w (%s was not found)", ErrNotInstalled, program)
}

func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

func (s *Server) login() login {
	return login{host: host, port: s.port, user: user, password: s.password}
}

// login is the address and credentials of a server.
type login struct {
	host           string
	port           int
	user, password string
	params         map[string]string // variables of the session
}

func (l login) open(database string) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(l.host, strconv.Itoa(l.port))
	cfg.User, cfg.Passwd, cfg.DBName = l.user, l.password, database
	cfg.Timeout, cfg.Params = 5*time.Second, l.params
	cfg.Logger = &mysql.NopLogger{} // the errors are returned
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.Addr, err)
	}
	return sql.OpenDB(connector), nil
}

func (l login) exec(ctx context.Context, statement string) error {
	db, err := l.open("")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
