package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
)

const (
	host         = "127.0.0.1"
	module       = "github.com/rollcall-faces/rollcall"
	startTimeout = 2 * time.Minute // of the system, without the build
	lease        = 3 * time.Second
)

// system is all processes of a run. They reach each other through links, which
// can be cut.
type system struct {
	dir      string
	report   *Report
	ports    map[string]int
	database *database
	links    []*link
	programs []*program
	// consumers are programs of others, which listen to events. They have faults of
	// their own.
	consumers []consumer
	redeemer  *redeemer
	queue     *imagequeue.Monitor
}

// startSystem builds the programs and starts everything. On error, the returned
// system holds what was started, and must be closed.
func startSystem(ctx context.Context, opts Options, report *Report) (*system, error) {
	dir, self := opts.Dir, opts.Self
	s := &system{dir: dir, report: report}
	if err := os.MkdirAll(s.root(), 0o700); err != nil {
		return s, err
	}
	// The build has no time limit: it takes minutes with an empty build cache.
	bin, err := build(ctx, dir)
	if err != nil {
		return s, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if s.ports, err = pickPorts(); err != nil {
		return s, err
	}
	if s.database, err = startDatabase(ctx, dir, opts.Galera, report); err != nil {
		return s, err
	}
	if err := s.openLinks(); err != nil {
		return s, err
	}
	env := s.environment()
	migrate := command{name: "migrate", path: filepath.Join(bin, "receiver"), args: []string{"-migrate"}, env: env, dir: dir}
	if err := migrate.run(ctx); err != nil {
		return s, err
	}
	if err := s.database.prepare(ctx); err != nil {
		return s, err
	}
	if err := s.declareHook(); err != nil {
		return s, err
	}
	if err := s.startPrograms(self, bin, env); err != nil {
		return s, err
	}
	s.queue = imagequeue.NewMonitor([]string{address(s.ports["nsqlookupd http"])})
	return s, errors.Join(s.awaitReady(ctx), s.database.awaitHook(ctx))
}

// build compiles the programs into a folder.
func build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return "", err
	}
	args := []string{"build", "-trimpath", "-o", bin + "/"}
	for _, name := range []string{"receiver", "processor", "redeemer"} {
		args = append(args, module+"/apps/"+name)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs: %w: %s", err, out)
	}
	return bin, nil
}

// run runs a command and waits for its end.
func (c command) run(ctx context.Context) error {
	child, err := c.start()
	if err != nil {
		return err
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		return errors.Join(ctx.Err(), child.Kill())
	}
	if err := child.Err(); err != nil {
		return fmt.Errorf("%s: %w: %s", c.name, err, c.logTail())
	}
	return nil
}

// linkOf returns the name of the link of a part. Ports are named after parts
// and links.
func linkOf(part string) string { return "link to " + part }

// linked returns the parts that are called through links.
func linked() []string {
	return []string{"mariadb", "nsqd tcp", "nsqd http", "nsqlookupd tcp", "nsqlookupd http", "recognizer", "receiver", "consumer", "hook"}
}

// pickPorts finds a free port for each part and link. They are below the range
// of outgoing connections, so that a killed part finds its port free when it
// starts again.
func pickPorts() (map[string]int, error) {
	names := []string{"receiver admin", "processor-1 admin", "processor-2 admin"}
	for _, part := range linked() {
		names = append(names, part, linkOf(part))
	}
	const low, high = 15_000, 32_000
	ports := map[string]int{}
	taken := map[int]bool{}
	for _, name := range names {
		for tries := 0; ports[name] == 0; tries++ {
			port := low + rand.N(high-low)
			l, err := net.Listen("tcp", address(port))
			if err == nil {
				err = l.Close()
			}
			switch {
			case err == nil && !taken[port]:
				ports[name], taken[port] = port, true
			case tries > 100:
				return nil, fmt.Errorf("find a free port: %w", err)
			}
		}
	}
	return ports, nil
}

// root is the folder of the image paths. Only uploaded files are in it.
func (s *system) root() string { return filepath.Join(s.dir, "unknown") }

func address(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

func (s *system) openLinks() error {
	s.ports["mariadb"] = s.database.Database(databaseName).Port
	s.ports["consumer"] = s.ports["receiver"] // which the consumer calls through a link of its own
	for _, part := range linked() {
		l, err := newLink(linkOf(part), s.ports[linkOf(part)], address(s.ports[part]))
		if err != nil {
			return err
		}
		s.links = append(s.links, l)
	}
	return nil
}

// environment returns the settings of the real programs. Times are short, so
// that a run takes minutes.
func (s *system) environment() []string {
	link := func(part string) string { return address(s.ports[linkOf(part)]) }
	login := s.database.Database(databaseName)
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.dir,
		"MYSQL_CONNECTION=" + host,
		"MYSQL_PORT=" + strconv.Itoa(s.ports[linkOf("mariadb")]),
		"MYSQL_DBNAME=" + databaseName,
		"MYSQL_USERPASSWORD=" + login.User + ":" + login.Password,
		"NSQ_LOOKUP_ADDRESS=" + link("nsqlookupd http"),
		"PRODUCER_ADDRESS=" + link("nsqd tcp"),
		"GRPC_ADDRESS=" + link("recognizer"),
		"UNKNOWN_PEOPLE=" + s.root(),
		"ROLLCALL_MIN_FREE=0", // the machine's volume may be nearly full
		"ROLLCALL_ATTEMPTS=3",
		"ROLLCALL_CALLS=4",
		"ROLLCALL_LEASE=" + lease.String(),
		"ROLLCALL_RECOGNIZER_TIMEOUT=1s",
		"ROLLCALL_BREAKER_PAUSE=200ms",
		"ROLLCALL_BREAKER_PAUSE_MAX=1s",
		"ROLLCALL_REMATCH_DELAY=1s",
		"ROLLCALL_REDEEM_AFTER=2s",
		"ROLLCALL_REDEEM_STALE=1m",
	}
}

func (s *system) startPrograms(self, bin string, env []string) error {
	role := func(name string, args ...string) command {
		return command{name: name, path: self, args: append([]string{roleMark, name}, args...), env: env, dir: s.dir}
	}
	real := func(name, program string, more ...string) command {
		own := append([]string{"ROLLCALL_ADMIN_ADDRESS=" + address(s.ports[name+" admin"])}, more...)
		return command{name: name, path: filepath.Join(bin, program), env: append(own, env...), dir: s.dir}
	}
	data := filepath.Join(s.dir, "nsqd")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	for _, c := range []command{
		role("nsqlookupd", "-tcp", address(s.ports["nsqlookupd tcp"]), "-http", address(s.ports["nsqlookupd http"])),
		role("nsqd", "-tcp", address(s.ports["nsqd tcp"]), "-http", address(s.ports["nsqd http"]), "-data", data,
			"-lookupd", address(s.ports[linkOf("nsqlookupd tcp")]),
			"-broadcast-tcp", strconv.Itoa(s.ports[linkOf("nsqd tcp")]),
			"-broadcast-http", strconv.Itoa(s.ports[linkOf("nsqd http")])),
		role("recognizer", "-tcp", address(s.ports["recognizer"])),
		real("receiver", "receiver", "ROLLCALL_LISTEN_ADDRESS="+address(s.ports["receiver"]),
			"ROLLCALL_WEBHOOKS_FILE="+s.hookFile(), "ROLLCALL_WEBHOOK_ALLOW=127.0.0.0/8", "ROLLCALL_WEBHOOK_HTTP=true"),
		real("processor-1", "processor"),
		real("processor-2", "processor"),
	} {
		p := &program{command: c, report: s.report}
		if err := p.start(); err != nil {
			return err
		}
		s.programs = append(s.programs, p)
	}
	for _, c := range []command{
		role("consumer", "-url", "http://"+address(s.ports[linkOf("consumer")]), "-data", s.consumed()),
		role("hook", "-tcp", address(s.ports["hook"]), "-data", s.hooked()),
	} {
		p := &program{command: c, report: s.report}
		if err := p.start(); err != nil {
			return err
		}
		link := s.links[slices.IndexFunc(s.links, func(l *link) bool { return l.name == linkOf(c.name) })]
		s.consumers = append(s.consumers, consumer{p, link})
	}
	s.redeemer = startRedeemer(command{name: "redeemer", path: filepath.Join(bin, "redeemer"), env: env, dir: s.dir}, s.report)
	return nil
}

// awaitReady waits until the receiver and both processors are ready.
func (s *system) awaitReady(ctx context.Context) error {
	for _, name := range []string{"receiver", "processor-1", "processor-2"} {
		url := "http://" + address(s.ports[name+" admin"]) + "/readyz"
		for !isOK(ctx, url) {
			if !pause(ctx, 50*time.Millisecond) {
				return fmt.Errorf("%s is not ready: %w", name, ctx.Err())
			}
		}
	}
	return nil
}

func isOK(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func (s *system) receiverURL() string { return "http://" + address(s.ports[linkOf("receiver")]) }

// consumed is the file into which the consumer of events writes.
func (s *system) consumed() string { return filepath.Join(s.dir, "consumed.json") }

// faults returns all faults of all targets.
func (s *system) faults() []fault {
	list := append(s.database.faults(),
		fault{kindKill, "redeemer", s.redeemer.kill, time.Second, often},
		fault{kindPause, "redeemer", s.redeemer.freeze, longestPause, seldom})
	for _, p := range s.programs {
		cards := often
		if p.name == "nsqd" || p.name == "nsqlookupd" {
			cards = seldom
		}
		list = append(list,
			fault{kindKill, p.name, p.kill, longestDown, cards},
			fault{kindPause, p.name, p.freeze, longestPause, cards},
			fault{kindStop, p.name, p.stop, longestDown, seldom})
	}
	for _, l := range s.links {
		if slices.ContainsFunc(s.consumers, func(c consumer) bool { return c.link == l }) {
			continue
		}
		cards := seldom
		if l.name == linkOf("mariadb") || l.name == linkOf("receiver") {
			cards = often
		}
		list = append(list,
			fault{kindCut, l.name, l.cut, time.Millisecond, cards},
			fault{kindRefuse, l.name, l.refuse, longestLink, seldom},
			fault{kindHold, l.name, l.hold, longestLink, seldom})
	}
	return list
}

// awaitQuiet waits until the queue is empty and every image has an outcome that
// no service caused. It prints the remaining work from time to time. The error
// says what is left.
func (s *system) awaitQuiet(ctx context.Context, out io.Writer) error {
	const printEvery = 10 * time.Second
	printed := time.Now()
	for {
		left, err := s.left(ctx)
		if err == nil && left == "" {
			return nil
		}
		if time.Since(printed) > printEvery {
			printed = time.Now()
			progress(out, "left: %s", cmp.Or(left, fmt.Sprint(err)))
		}
		if !pause(ctx, 250*time.Millisecond) {
			return errors.Join(errors.New(left), err)
		}
	}
}

// left describes the remaining work, or returns "".
func (s *system) left(ctx context.Context) (string, error) {
	images, err := s.database.left(ctx)
	if err != nil || images != "" {
		return images, err
	}
	depth, err := s.queue.Depth(ctx)
	if err != nil {
		return "", err
	}
	if !depth.Empty() {
		return fmt.Sprintf("in the queue: %d waiting, %d in flight, %d deferred", depth.Waiting, depth.InFlight, depth.Deferred), nil
	}
	return "", nil
}

// findPanics reports the panics in the logs of the programs.
func (s *system) findPanics() error {
	commands := []command{s.redeemer.pass}
	for _, p := range s.allPrograms() {
		commands = append(commands, p.command)
	}
	for _, c := range commands {
		lines, err := c.panics()
		if err != nil {
			return fmt.Errorf("read the log of %s: %w", c.name, err)
		}
		for _, line := range lines {
			s.report.violate("%s: %s", c.name, line)
		}
	}
	return nil
}

func (s *system) allPrograms() []*program {
	all := slices.Clone(s.programs)
	for _, c := range s.consumers {
		all = append(all, c.program)
	}
	return all
}

// close stops everything.
func (s *system) close() error {
	var errs []error
	if s.redeemer != nil {
		errs = append(errs, s.redeemer.close())
	}
	for _, p := range s.allPrograms() {
		errs = append(errs, p.end())
	}
	if s.database != nil {
		errs = append(errs, s.database.close())
	}
	for _, l := range s.links {
		l.close()
	}
	return errors.Join(errs...)
}
