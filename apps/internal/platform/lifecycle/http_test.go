package lifecycle_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
)

// slowServer answers a request once the test releases it.
type slowServer struct {
	lifecycle.HTTP
	begun, answer chan struct{}
}

func newSlowServer(t *testing.T) *slowServer {
	t.Helper()
	s := &slowServer{begun: make(chan struct{}), answer: make(chan struct{})}
	s.HTTP = lifecycle.HTTP{Name: "slow", Address: "127.0.0.1:0", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(s.begun)
		select {
		case <-s.answer:
			io.WriteString(w, "done") //nolint:errcheck // the test reads it
		case <-r.Context().Done():
		}
	})}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	return s
}

// get asks in the background; the channel gets the body, or why there is none.
func get(t *testing.T, address string) <-chan string {
	t.Helper()
	answer := make(chan string, 1)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			answer <- "error"
			return
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		answer <- string(text)
	}()
	return answer
}

// A request in flight is answered, and no new one is taken.
func TestHTTPDrains(t *testing.T) {
	t.Parallel()
	s := newSlowServer(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- newProgram(time.Minute, s.Part()).Run(ctx) }()
	answer := get(t, s.Addr())
	<-s.begun
	stop()
	for refused := false; !refused; { // the listener closes a moment after
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr())
		if refused = err != nil; !refused {
			conn.Close()
		}
	}
	close(s.answer)
	if got := <-answer; got != "done" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-done; err != nil {
		t.Errorf("a clean stop ends with %v", err)
	}
}

// A request that takes longer than the shutdown timeout is cut off.
func TestHTTPStopIsBounded(t *testing.T) {
	t.Parallel()
	s := newSlowServer(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- newProgram(20*time.Millisecond, s.Part()).Run(ctx) }()
	answer := get(t, s.Addr())
	<-s.begun
	stop()
	if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the time was up", err)
	}
	if got := <-answer; got == "done" {
		t.Error("nobody answered, but an answer came")
	}
}

func TestHTTPAddressInUse(t *testing.T) {
	t.Parallel()
	taken := newSlowServer(t)
	other := &lifecycle.HTTP{Name: "REST API", Address: taken.Addr()}
	if err := other.Listen(); err == nil || !strings.HasPrefix(err.Error(), "listen for REST API: ") {
		t.Errorf("got %v", err)
	}
	err := newProgram(time.Minute, other.Part()).Run(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "start REST API: listen for REST API: ") {
		t.Errorf("got %v", err)
	}
}

// A server listens at Start if Listen was not called before.
func TestHTTPListensOnStart(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	h := &lifecycle.HTTP{Name: "x", Address: "127.0.0.1:0", Handler: http.NotFoundHandler()}
	check := lifecycle.Part{Name: "check", Start: func(context.Context, func(error)) error {
		defer stop()
		if got := <-get(t, h.Addr()); !strings.HasPrefix(got, "404") {
			t.Errorf("got %q", got)
		}
		return nil
	}}
	if err := newProgram(time.Minute, h.Part(), check).Run(ctx); err != nil {
		t.Error(err)
	}
}

// A client that never completes its request must lose its connection.
func TestHTTPSlowClient(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for a time-out of ten seconds")
	}
	s := newSlowServer(t)
	part := s.Part()
	if err := part.Start(t.Context(), func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := part.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil { // nil: the server closed it
		t.Errorf("the connection is still open: %v", err)
	}
}

// While the server lingers, every answer asks the client to close its
// connection, and every request is answered.
func TestHTTPLingers(t *testing.T) {
	t.Parallel()
	// Long enough for the next request to fall into it, on any machine.
	h := &lifecycle.HTTP{Name: "x", Address: "127.0.0.1:0", Handler: http.NotFoundHandler(), Linger: 5 * time.Second}
	if err := h.Listen(); err != nil {
		t.Fatal(err)
	}
	part := h.Part()
	if err := part.Start(t.Context(), func(err error) { t.Errorf("failed: %v", err) }); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	told := func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+h.Addr(), strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.Close
	}
	if told() {
		t.Error("told to close the connection before the stop")
	}
	stopped := make(chan error, 1)
	go func() { stopped <- part.Stop(t.Context()) }()
	for !told() { // the stop begins a moment later
	}
	if err := <-stopped; err != nil {
		t.Errorf("nothing was in flight, but: %v", err)
	}
}

// An answer may take longer than the patience as a whole; a client that stops
// reading does not hold the server longer than that.
func TestHTTPLongAnswers(t *testing.T) {
	t.Parallel()
	const patience = 300 * time.Millisecond
	wrote := make(chan error, 1)
	server := &lifecycle.HTTP{Name: "long", Address: "127.0.0.1:0", WritePatience: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stalled" {
			_, err := w.Write(make([]byte, 256<<20)) // more than the buffers of a connection
			wrote <- err
			return
		}
		flush := http.NewResponseController(w).Flush
		for begin := time.Now(); time.Since(begin) < 2*patience; time.Sleep(patience / 10) {
			if _, err := io.WriteString(w, "."); err != nil || flush() != nil {
				return
			}
		}
		io.WriteString(w, "end") //nolint:errcheck // the test reads it
	})}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	part := server.Part()
	if err := part.Start(t.Context(), func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	if text := <-get(t, server.Addr()); !strings.HasSuffix(text, "..end") {
		t.Errorf("a long stream was cut: %q", text)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /stalled HTTP/1.1\r\nHost: localhost\r\n\r\n") //nolint:errcheck // a failure shows below
	select {
	case err := <-wrote:
		if err == nil {
			t.Error("everything was written to a client that does not read")
		}
	case <-time.After(20 * patience):
		t.Error("a client that does not read holds the server")
	}
	if err := part.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
