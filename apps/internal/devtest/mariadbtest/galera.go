package mariadbtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// requireGaleraVariable makes a test of a cluster fail that would otherwise be skipped.
const requireGaleraVariable = "ROLLCALL_TEST_REQUIRE_GALERA"

// ErrNoGalera is returned if the machine cannot run a cluster.
var ErrNoGalera = errors.New("no cluster can be started here: run apps/setup/galera.sh, or install Galera 4, rsync and the whole MariaDB server package of your system")

// Nodes is how many nodes a cluster has: the fewest of which the others go on if one is
// lost.
const Nodes = 3

const (
	// lowestPort to highestPort are below the ports that Linux gives to connections, so
	// that a node that starts again finds its ports free.
	lowestPort, highestPort = 20_000, 32_000
	// portTries is how many ports are tried until one is free.
	portTries = 100

	clusterTimeout = 5 * time.Minute // one takes seconds, on a machine that is not busy
)

// Cluster is a Galera cluster of MariaDB servers, each of which can be paused, killed and
// restarted.
type Cluster struct {
	nodes []*Server
}

// galeraPorts are the ports of a node, beside that of SQL.
type galeraPorts struct{ group, increments, snapshot int }

// StartCluster starts a cluster below dir. When it returns, all nodes take part. log
// receives the logs of all nodes and may be nil.
func StartCluster(ctx context.Context, dir string, log io.Writer) (_ *Cluster, err error) {
	library, err := findGalera()
	if err != nil {
		return nil, err
	}
	program, err := find("mariadbd")
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = io.Discard
	}
	ports, err := findPorts(ctx, 4*Nodes)
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	at := make([]galeraPorts, Nodes)
	var members []string
	for i := range Nodes {
		own := ports[4*i:]
		at[i] = galeraPorts{own[1], own[2], own[3]}
		members = append(members, net.JoinHostPort(host, strconv.Itoa(own[1])))
		c.nodes = append(c.nodes, &Server{
			program: program, dir: filepath.Join(dir, "node-"+strconv.Itoa(i)), log: log, port: own[0],
		})
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	method, env, err := snapshotMethod(dir)
	if err != nil {
		return nil, err
	}
	for i, s := range c.nodes {
		s.env = env
		s.more = galeraArgs(library, method, s.dir, i, at[i], members)
		s.password = c.nodes[0].password // a node that joins gets the accounts of the first
		var first []string
		if i == 0 {
			s.password = newPassword()
			first = []string{"--wsrep-new-cluster"}
		}
		if err := s.startNode(ctx, first); err != nil {
			return nil, fmt.Errorf("start node %d of the cluster: %w", i, err)
		}
		if err := c.await(ctx, c.nodes[:i+1]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// galeraArgs returns the options that make a server a node of a cluster.
func galeraArgs(library, method, dir string, number int, own galeraPorts, members []string) []string {
	provider := []string{
		"gmcast.listen_addr=tcp://" + net.JoinHostPort(host, strconv.Itoa(own.group)), // all nodes are on one address
		"base_port=" + strconv.Itoa(own.group),
		"ist.recv_addr=" + net.JoinHostPort(host, strconv.Itoa(own.increments)),
		// A read that waits for what the others did gets no answer if the node is cut off
		// meanwhile. The default, 30 s, is as long as programs wait.
		"repl.causal_read_timeout=PT5S",
		"gcache.size=32M", // a node that was away gets what it missed from here; 128M for each is more than a test writes
	}
	return []string{
		"--wsrep-on=ON",
		"--wsrep-provider=" + library,
		"--wsrep-provider-options=" + strings.Join(provider, ";"),
		"--wsrep-cluster-name=" + filepath.Base(filepath.Dir(dir)) + "-" + members[0], // no other test's node joins
		"--wsrep-cluster-address=gcomm://" + strings.Join(members, ","),
		"--wsrep-node-name=node-" + strconv.Itoa(number),
		"--wsrep-node-address=" + host,
		"--wsrep-sst-method=" + method, // needs no account in the database, unlike mariabackup
		"--wsrep-sst-receive-address=" + net.JoinHostPort(host, strconv.Itoa(own.snapshot)),
		"--wsrep-slave-threads=4",            // as the overlay has it, so that rows are applied beside each other
		"--binlog-format=ROW",                // Galera sends rows
		"--innodb-autoinc-lock-mode=2",       // Galera needs it: a lock of a counter is one node's
		"--innodb-flush-log-at-trx-commit=2", // a process is killed, and not the machine
		"--innodb-buffer-pool-size=64M",      // three servers on the memory of a test
	}
}

// snapshotMethod returns how a node that joins gets the data: the name of the program is
// wsrep_sst_ and this. If this process is root, it is one that calls wsrep_sst_rsync with
// another rsync in its path, whose daemon writes as root: by default it does so as nobody,
// whom the nodes' folders do not let in. env is the environment of the nodes.
func snapshotMethod(dir string) (method string, env []string, err error) {
	env = os.Environ()
	if os.Geteuid() != 0 {
		return "rsync", env, nil
	}
	rsync, err := find("rsync")
	if err != nil {
		return "", nil, err
	}
	program, err := find("wsrep_sst_rsync")
	if err != nil {
		return "", nil, err
	}
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return "", nil, err
	}
	for name, script := range map[string]string{
		"rsync":             "if [ \"$1\" = --daemon ]; then set -- --dparam=uid=0 --dparam=gid=0 \"$@\"; fi\nexec " + rsync + " \"$@\"\n",
		"wsrep_sst_as_root": "PATH=" + bin + ":$PATH exec " + program + " \"$@\"\n",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script), 0o700); err != nil { //nolint:gosec // it is a program
			return "", nil, err
		}
	}
	return "as_root", append(env, "PATH="+bin+":"+os.Getenv("PATH")), nil
}

// startNode installs a node's folder and starts it. first holds arguments that only
// this start has.
func (s *Server) startNode(ctx context.Context, first []string) error {
	parent := filepath.Dir(s.dir)
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	// One is installed, the others are copies.
	template := filepath.Join(parent, "template")
	if err := install(ctx, template); err != nil {
		return fmt.Errorf("install a database server in %s: %w", template, err)
	}
	if err := os.CopyFS(dataFolder(s.dir), os.DirFS(template)); err != nil {
		return fmt.Errorf("copy %s: %w", template, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	always := s.more
	s.more = append(always[:len(always):len(always)], first...)
	if len(first) > 0 {
		if err := s.writeInit(); err != nil {
			return err
		}
	}
	err := s.start(ctx)
	s.more = always
	if len(first) > 0 { // the accounts are in the cluster from now on
		err = errors.Join(err, os.Remove(s.initFile()))
	}
	return err
}

// Node returns a node, to pause, kill or restart it. Restart makes a node that was killed
// join the others.
func (c *Cluster) Node(i int) *Server { return c.nodes[i] }

// Isolate cuts a node off from the others: it neither sends nor receives, as if the network
// between them were broken. Programs still reach it. Rejoin undoes it.
func (c *Cluster) Isolate(ctx context.Context, i int) error { return c.isolate(ctx, i, "1") }

// Rejoin undoes Isolate.
func (c *Cluster) Rejoin(ctx context.Context, i int) error { return c.isolate(ctx, i, "0") }

func (c *Cluster) isolate(ctx context.Context, i int, value string) error {
	if err := c.nodes[i].login().exec(ctx, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate="+value+"'"); err != nil {
		return fmt.Errorf("isolate node %d of the cluster: %w", i, err)
	}
	return nil
}

// CreateDatabase creates an empty database, and returns when all nodes have it.
func (c *Cluster) CreateDatabase(ctx context.Context, name string) error {
	for i, s := range c.nodes {
		at := s.login()
		if i > 0 {
			at.params = map[string]string{"wsrep_sync_wait": "7"}
		}
		if err := at.exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quote(name)); err != nil {
			return err
		}
	}
	return nil
}

// Database returns the address of a database on a node.
func (c *Cluster) Database(i int, name string) DB {
	s := c.nodes[i]
	return DB{Host: host, Port: s.port, Name: name, User: user, Password: s.password}
}

// AwaitWhole waits until all nodes see each other and answer queries.
func (c *Cluster) AwaitWhole(ctx context.Context) error {
	return c.await(ctx, c.nodes)
}

// AwaitRest waits until the other nodes go on without a node that was killed or paused.
func (c *Cluster) AwaitRest(ctx context.Context, without int) error {
	return c.await(ctx, slices.Delete(slices.Clone(c.nodes), without, without+1))
}

// await waits until some nodes are a cluster of their own: an equal number of the same view
// says so. A node that was away for long says for a while what was true before.
func (c *Cluster) await(ctx context.Context, nodes []*Server) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := agree(ctx, nodes)
		if err == nil {
			return nil
		}
		for _, s := range nodes {
			select {
			case <-s.process.Done():
				return s.process.endError()
			default:
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %d nodes are a cluster: %w (%w)", len(nodes), ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// agree returns an error if the nodes are not a cluster of their own.
func agree(ctx context.Context, nodes []*Server) error {
	var first string
	for i, s := range nodes {
		has, err := s.galeraStatus(ctx)
		if err != nil {
			return err
		}
		if i == 0 {
			first = has["wsrep_cluster_conf_id"]
		}
		if has["wsrep_ready"] != "ON" || has["wsrep_local_state_comment"] != "Synced" ||
			has["wsrep_cluster_size"] != strconv.Itoa(len(nodes)) || has["wsrep_cluster_conf_id"] != first {
			return fmt.Errorf("node %d of %d says %v", i, len(nodes), has)
		}
	}
	return nil
}

// galeraStatus returns what a node says about the cluster.
func (s *Server) galeraStatus(ctx context.Context) (map[string]string, error) {
	db, err := s.login().open("")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second) // a paused node never answers
	defer cancel()
	rows, err := db.QueryContext(ctx, "SHOW STATUS WHERE Variable_name IN "+
		"('wsrep_ready', 'wsrep_local_state_comment', 'wsrep_cluster_size', 'wsrep_cluster_conf_id')")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	has := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		has[name] = value
	}
	return has, rows.Err()
}

// Close kills all nodes. Their folders stay.
func (c *Cluster) Close() error {
	var errs []error
	for _, s := range c.nodes {
		if s.process != nil { // else it was not started
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// GaleraCluster starts a cluster for one test that takes long, which is closed when the test
// ends. The test is skipped unless ROLLCALL_TEST_REQUIRE_GALERA is set.
func GaleraCluster(tb testing.TB) *Cluster {
	tb.Helper()
	if os.Getenv(requireGaleraVariable) == "" {
		tb.Skipf("takes long: it runs if %s is set, as make test-galera does", requireGaleraVariable)
	}
	return BriefGaleraCluster(tb)
}

// BriefGaleraCluster is GaleraCluster for a test that is fast enough to run wherever Galera
// is installed. It is skipped where it is not, unless ROLLCALL_TEST_REQUIRE_GALERA is set.
func BriefGaleraCluster(tb testing.TB) *Cluster {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), clusterTimeout)
	defer cancel()
	c, err := StartCluster(ctx, tb.TempDir(), nil)
	switch {
	case (errors.Is(err, ErrNoGalera) || errors.Is(err, ErrNotInstalled)) && os.Getenv(requireGaleraVariable) == "":
		tb.Skipf("needs a cluster of databases: %v", err)
	case err != nil:
		tb.Fatalf("cluster of databases for tests: %v", err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Errorf("stop the cluster: %v", err)
		}
	})
	return c
}

// findGalera returns the path of Galera's library, if what a cluster needs beside it is
// there, too.
func findGalera() (string, error) {
	for _, script := range []string{"wsrep_sst_rsync", "rsync"} {
		if _, err := find(script); err != nil {
			return "", fmt.Errorf("%w (%s was not found)", ErrNoGalera, script)
		}
	}
	for _, path := range []string{"/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so", "/usr/lib/libgalera_smm.so"} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w (libgalera_smm.so was not found)", ErrNoGalera)
}

// findPorts returns free ports.
func findPorts(ctx context.Context, n int) (ports []int, err error) {
	var lc net.ListenConfig
	for range n {
		var l net.Listener
		for range portTries {
			port := lowestPort + rand.IntN(highestPort-lowestPort) //nolint:gosec // it need not be secret
			if l, err = lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port))); err == nil {
				break
			}
		}
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close() // when all are found, so that they differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
