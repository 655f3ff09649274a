package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const lease = time.Minute

// claimed adds images and leases all of them.
func claimed(t *testing.T, s *store.Store, n int) []store.Lease {
	t.Helper()
	var leases []store.Lease
	for _, c := range claim(t, s, added(t, s, n)).Claimed {
		leases = append(leases, c.Lease)
	}
	return leases
}

func added(t *testing.T, s *store.Store, n int) []int64 {
	t.Helper()
	images, err := s.AddImages(t.Context(), manyPaths(n))
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, n)
	for i, img := range images {
		ids[i] = img.ID
	}
	return ids
}

func manyPaths(n int) []string {
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprintf("/unknown_people/%d.jpg", i)
	}
	return paths
}

func claim(t *testing.T, s *store.Store, ids []int64) store.Claim {
	t.Helper()
	c, err := s.Claim(t.Context(), "processor", ids, lease)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func noFaces(leases []store.Lease) []store.Result {
	var results []store.Result
	for _, l := range leases {
		results = append(results, store.Result{Lease: l, Outcome: faces.Outcome{Reason: faces.NoFace}})
	}
	return results
}

// finishing runs Finish in the background.
func finishing(t *testing.T, s *store.Store, leases []store.Lease) <-chan error {
	done := make(chan error, 1)
	go func() {
		stale, err := s.Finish(t.Context(), noFaces(leases))
		if err == nil && len(stale) > 0 {
			err = fmt.Errorf("stale: %v", stale)
		}
		done <- err
	}()
	return done
}

func wantReasons(t *testing.T, s *store.Store, leases []store.Lease, want faces.Reason) {
	t.Helper()
	for _, l := range leases {
		img, err := s.Image(t.Context(), l.ImageID)
		if err != nil {
			t.Fatal(err)
		}
		if img.Reason != want {
			t.Errorf("image %d has the reason %q, want %q", l.ImageID, img.Reason, want)
		}
	}
}

// awaitFinish waits until a Finish is at work on the rows, one of which
// somebody has locked, and returns its connection's id.
func awaitFinish(t *testing.T, raw *sql.DB) int64 {
	t.Helper()
	return awaitStatement(t, raw, "SELECT%FOR UPDATE")
}

// awaitStatement waits until a connection is at a statement, and returns its id.
func awaitStatement(t *testing.T, raw *sql.DB, like string) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var id int64
		err := raw.QueryRowContext(ctx, "select id from information_schema.processlist where db = database() and info like ?", like).Scan(&id)
		switch {
		case err == nil:
			return id
		case !errors.Is(err, sql.ErrNoRows):
			t.Fatalf("wait for a statement like %s: %v", like, err)
		}
		<-tick.C
	}
}

func begin(t *testing.T, raw *sql.DB) *sql.Tx {
	t.Helper()
	tx, err := raw.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() }) // where the test has not ended it
	return tx
}

func execTx(t *testing.T, tx *sql.Tx, query string, args ...any) {
	t.Helper()
	if _, err := tx.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func TestDeadlockIsRetried(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Database(t)
	s, raw := openMariaDB(t, db), rawMariaDB(t, db)
	migrate(t, s)
	leases := claimed(t, s, 2)
	added(t, s, 300)

	// The server gives up the transaction that has changed less: ours.
	other := begin(t, raw)
	execTx(t, other, "update images set detail = 'theirs' where id > ?", leases[1].ImageID)
	execTx(t, other, "update images set width = width + 1 where id = ?", leases[1].ImageID)
	done := finishing(t, s, leases)
	awaitFinish(t, raw) // the store has the first, and waits for the second
	execTx(t, other, "update images set width = width + 1 where id = ?", leases[0].ImageID)
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Finish: %v", err)
	}
	wantReasons(t, s, leases, faces.NoFace)
}

func TestKilledConnectionIsRetried(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Database(t)
	s, raw := openMariaDB(t, db), rawMariaDB(t, db)
	migrate(t, s)
	leases := claimed(t, s, 3)
	other := begin(t, raw)
	execTx(t, other, "update images set width = 1 where id = ?", leases[2].ImageID)
	done := finishing(t, s, leases)
	execRaw(t, raw, fmt.Sprintf("kill %d", awaitFinish(t, raw)))
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Finish: %v", err)
	}
	wantReasons(t, s, leases, faces.NoFace)
}

func TestKilledIdleConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Database(t)
	s, raw := openMariaDB(t, db), rawMariaDB(t, db)
	migrate(t, s)
	leases := claimed(t, s, 1)
	for _, id := range textsOf(t, raw, "select id from information_schema.processlist where db = database() and id <> connection_id() and command = 'Sleep'") {
		execRaw(t, raw, "kill "+id)
	}
	if err := <-finishing(t, s, leases); err != nil {
		t.Errorf("Finish: %v", err)
	}
}

func TestLockThatIsNeverGivenBack(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Database(t)
	s, raw := openMariaDB(t, db), rawMariaDB(t, db)
	migrate(t, s)
	leases := claimed(t, s, 1)
	other := begin(t, raw)
	execTx(t, other, "update images set width = 1 where id = ?", leases[0].ImageID)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := s.Finish(ctx, noFaces(leases))
	wantUnavailable(t, err)
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-finishing(t, s, leases); err != nil {
		t.Errorf("Finish: %v", err)
	}
}

func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	if got := faces.ErrorCode(err); got != faces.CodeUnavailable {
		t.Errorf("code %q, want %q (%v)", got, faces.CodeUnavailable, err)
	}
	if got, want := faces.ErrorMessage(err), "the database cannot be reached; try again later"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
}

// TestConnectionThatBreaksBeforeTheAnswer lets the server do what it was asked
// for, and breaks the connection in place of the answer: the store cannot know
// whether it was done, and must neither do it twice nor report it undone.
func TestConnectionThatBreaksBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		after string // of a statement that begins like this
		run   func(t *testing.T, s *store.Store, breakOnce func())
	}{
		{"AddImages, one", "INSERT", addBroken(1)},
		{"AddImages, many", "INSERT", addBroken(700)},
		{"AddImages, commit", "COMMIT", addBroken(700)},
		{"Claim", "UPDATE", claimBroken},
		{"Claim, reading", "SELECT", claimBroken},
		{"Renew", "UPDATE", renewBroken},
		{"Release", "UPDATE", releaseBroken},
		{"Finish", "UPDATE", finishBroken},
		{"Finish, reading", "SELECT", finishBroken},
		{"Finish, faces", "DELETE", finishBroken},
		{"Finish, begin", "START TRANSACTION", finishBroken},
		{"Finish, commit", "COMMIT", finishCommitBroken},
		{"Retry", "UPDATE", retryBroken},
		{"Retry, reading", "SELECT", retryBroken},
		{"Retry, commit", "COMMIT", retryCommitBroken},
		{"SyncKnownImages, commit", "COMMIT", syncBroken},
		{"SyncKnownImages, person", "INSERT", syncBroken},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := mariadbtest.Database(t)
			p := newProxy(t, net.JoinHostPort(db.Host, strconv.Itoa(db.Port)))
			db.Port = p.port()
			s := openMariaDB(t, db)
			migrate(t, s)
			c.run(t, s, func() { p.breakAfter(c.after) })
			if !p.broke() {
				t.Errorf("no %s was sent", c.after)
			}
		})
	}
}

func addBroken(n int) func(*testing.T, *store.Store, func()) {
	return func(t *testing.T, s *store.Store, breakOnce func()) {
		breakOnce()
		ids := added(t, s, n)
		list, err := s.ListImages(t.Context(), store.Filter{Oldest: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != n {
			t.Errorf("%d rows, want %d", len(list), n)
		}
		for i, img := range list {
			if want := manyPaths(n)[i]; img.ID != ids[i] || img.Path != want {
				t.Fatalf("row %d is %d %s, and the answer was %d %s", i, img.ID, img.Path, ids[i], want)
			}
		}
	}
}

func claimBroken(t *testing.T, s *store.Store, breakOnce func()) {
	ids := added(t, s, 3)
	breakOnce()
	got := claim(t, s, ids)
	if len(got.Claimed) != len(ids) {
		t.Fatalf("claimed %+v", got)
	}
	for _, c := range got.Claimed {
		if c.Attempts != 1 {
			t.Errorf("image %d was counted %d attempts", c.ImageID, c.Attempts)
		}
	}
}

func renewBroken(t *testing.T, s *store.Store, breakOnce func()) {
	leases := claimed(t, s, 3)
	breakOnce()
	held, err := s.Renew(t.Context(), leases, lease)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(leases, held); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
}

func releaseBroken(t *testing.T, s *store.Store, breakOnce func()) {
	leases := claimed(t, s, 1)
	ids := []int64{leases[0].ImageID}
	if err := s.Release(t.Context(), leases, false); err != nil { // one attempt is kept
		t.Fatal(err)
	}
	second := claim(t, s, ids)
	breakOnce()
	if err := s.Release(t.Context(), []store.Lease{second.Claimed[0].Lease}, true); err != nil {
		t.Fatal(err)
	}
	if got := claim(t, s, ids).Claimed[0].Attempts; got != 2 {
		t.Errorf("after a refund the next attempt is number %d, want 2", got)
	}
}

func finishBroken(t *testing.T, s *store.Store, breakOnce func()) {
	leases := claimed(t, s, 3)
	breakOnce()
	if err := <-finishing(t, s, leases); err != nil {
		t.Error(err)
	}
	wantReasons(t, s, leases, faces.NoFace)
}

func finishCommitBroken(t *testing.T, s *store.Store, breakOnce func()) {
	leases := claimed(t, s, 3)
	breakOnce()
	if _, err := s.Finish(t.Context(), noFaces(leases)); err != nil { // what is stale is left open here
		t.Error(err)
	}
	wantReasons(t, s, leases, faces.NoFace)
}

// failedImages returns ids of images whose failure is due for a round.
func failedImages(t *testing.T, s *store.Store) []int64 {
	t.Helper()
	var results []store.Result
	var ids []int64
	for _, l := range claimed(t, s, 3) {
		results = append(results, store.Result{Lease: l, Outcome: faces.Outcome{Reason: faces.Timeout}, RetryAt: time.Now().Add(-time.Hour)})
		ids = append(ids, l.ImageID)
	}
	if _, err := s.Finish(t.Context(), results); err != nil {
		t.Fatal(err)
	}
	return ids
}

func retryBroken(t *testing.T, s *store.Store, breakOnce func()) {
	ids := failedImages(t, s)
	breakOnce()
	got, err := s.Retry(t.Context(), store.RetryFilter{Due: true, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("retried (-want +got):\n%s", diff)
	}
	wantOneRound(t, s, ids)
}

func retryCommitBroken(t *testing.T, s *store.Store, breakOnce func()) {
	ids := failedImages(t, s)
	breakOnce()
	if _, err := s.Retry(t.Context(), store.RetryFilter{Due: true, Limit: 10}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Unpublished(t.Context(), 0, time.Now().Add(time.Hour), 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("to be published (-want +got):\n%s", diff)
	}
	wantOneRound(t, s, ids)
}

func wantOneRound(t *testing.T, s *store.Store, ids []int64) {
	t.Helper()
	for _, c := range claim(t, s, ids).Claimed {
		if c.Rounds != 1 {
			t.Errorf("image %d got %d rounds", c.ImageID, c.Rounds)
		}
	}
}

func syncBroken(t *testing.T, s *store.Store, breakOnce func()) {
	breakOnce()
	all := func(string) bool { return true }
	if _, err := s.SyncKnownImages(t.Context(), map[string]string{"a.jpg": "Anna", "b.jpg": "Bob"}, all); err != nil {
		t.Fatal(err)
	}
	people, err := s.People(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(people) != 2 {
		t.Errorf("people %v, want two", people)
	}
}

// proxy passes connections on to a server, counts what goes through, and can
// break one.
type proxy struct {
	listener net.Listener
	target   string

	mu         sync.Mutex // guards the fields below
	prefix     string     // of the next statement whose answer is kept back
	done       bool       // one was
	conns      []net.Conn
	statements int
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		all.Wait()
	})
	return p
}

func (p *proxy) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// breakAfter breaks the connection that next sends such a statement, when the
// server has answered it.
func (p *proxy) breakAfter(prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.prefix = prefix
}

func (p *proxy) broke() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// counts returns how many connections were made, and statements sent.
func (p *proxy) counts() (connections, statements int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) / 2, p.statements // a connection has two ends
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	p.conns = append(p.conns, client, server)
	p.mu.Unlock()

	var cut atomic.Bool
	go func() {
		defer server.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := client.Read(buf)
			if p.isNext(buf[:n]) {
				cut.Store(true)
			}
			if _, werr := server.Write(buf[:n]); err != nil || werr != nil {
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if cut.Load() {
			return // the server has answered; nobody will hear it
		}
		if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// isNext is true, once, for a packet with the statement that is waited for: 3
// bytes of length, a number, the command "query", the statement.
func (p *proxy) isNext(packet []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	const head = 5
	if len(packet) < head || packet[head-1] != 3 {
		return false
	}
	p.statements++
	if p.prefix == "" || !bytes.HasPrefix(packet[head:], []byte(p.prefix)) {
		return false
	}
	p.prefix, p.done = "", true
	return true
}

// TestServerOutage kills the server, pauses it and brings it back.
func TestServerOutage(t *testing.T) {
	t.Parallel()
	mariadbtest.Database(t) // skips where there is no server to start
	server, err := mariadbtest.Start(t.Context(), t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, server.Close)
	const name = "outage"
	if err := server.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	db := mariadbtest.DB{Host: "127.0.0.1", Port: server.Port(), Name: name, User: server.User(), Password: server.Password()}
	s := openMariaDB(t, db)
	migrate(t, s)
	leases := claimed(t, s, 1)

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	everything := func(ctx context.Context) map[string]error {
		_, add := s.AddImages(ctx, []string{"/unknown_people/new.jpg"})
		_, finish := s.Finish(ctx, noFaces(leases))
		_, list := s.ListImages(ctx, store.Filter{})
		_, migrate := s.Migrate(ctx, unknownRoot)
		return map[string]error{"AddImages": add, "Finish": finish, "ListImages": list, "Migrate": migrate, "Ping": s.Ping(ctx), "CheckSchema": s.CheckSchema(ctx)}
	}
	start := time.Now()
	for name, err := range everything(t.Context()) {
		t.Log(name, err)
		wantUnavailable(t, err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("with the server down, six calls took %s", took)
	}

	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantReasons(t, s, leases, faces.NoReason) // still leased
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping after the restart: %v", err)
	}

	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for name, err := range everything(ctx) {
		t.Log(name, err)
		wantUnavailable(t, err)
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("with a deadline of a second, six calls took %s", took)
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-finishing(t, s, leases); err != nil {
		t.Errorf("Finish after the pause: %v", err)
	}
	wantReasons(t, s, leases, faces.NoFace)
}

// TestWrongSettings is about a server that answers, but does not let us in.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	right := mariadbtest.Database(t)
	for name, change := range map[string]func(db *mariadbtest.DB){
		"password": func(db *mariadbtest.DB) { db.Password = "hunter2" },
		"user":     func(db *mariadbtest.DB) { db.User = "nobody" },
		"database": func(db *mariadbtest.DB) { db.Name = "rollcall_test_missing" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := right
			change(&db)
			s := openMariaDB(t, db)
			_, list := s.ListImages(t.Context(), store.Filter{})
			_, migrate := s.Migrate(t.Context(), unknownRoot)
			for what, err := range map[string]error{"Ping": s.Ping(t.Context()), "ListImages": list, "Migrate": migrate} {
				t.Log(what, err)
				wantUnavailable(t, err)
				if strings.Contains(err.Error(), db.Password) {
					t.Errorf("%s: the error shows the password", what)
				}
			}
		})
	}
}

// TestMissingSchema is about what users see of the database's own errors.
func TestMissingSchema(t *testing.T) {
	t.Parallel()
	s := openMariaDB(t, mariadbtest.Database(t))
	_, err := s.AddImages(t.Context(), []string{"/unknown_people/secret.jpg"})
	if got, want := faces.ErrorMessage(err), "internal error"; got != want {
		t.Errorf("message %q, want %q (%v)", got, want, err)
	}
}

// TestServerGoneAfterItsGreeting is about a connection that breaks before we
// have said who we are.
func TestServerGoneAfterItsGreeting(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Database(t)
	greeting := greetingOf(t, db)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, l.Close)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := conn.Write(greeting); err != nil {
				t.Error(err)
			}
			if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // so that our answer meets a reset
				t.Error(err)
			}
			conn.Close()
		}
	}()
	db.Port = l.Addr().(*net.TCPAddr).Port
	_, err = openMariaDB(t, db).AddImages(t.Context(), manyPaths(1))
	wantUnavailable(t, err)
}

// greetingOf returns the first packet that the server sends: 3 bytes of length,
// a number, the content.
func greetingOf(t *testing.T, db mariadbtest.DB) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort(db.Host, strconv.Itoa(db.Port)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head := make([]byte, 4)
	if _, err := io.ReadFull(conn, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	if _, err := io.ReadFull(conn, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}
