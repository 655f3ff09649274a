package httpapi_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

func zipped(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = io.WriteString(w, text) // a bytes.Buffer does not fail
	_ = w.Close()
	return out.String()
}

// echo answers with the field "name" of the body.
func echo() gin.HandlerFunc {
	return httpapi.Handle(quiet, func(c *gin.Context) error {
		var body struct {
			Name string `json:"name"`
		}
		if err := httpapi.ReadJSON(c, &body); err != nil {
			return err
		}
		c.String(http.StatusOK, "%s", body.Name)
		return nil
	})
}

func TestBodies(t *testing.T) {
	t.Parallel()
	const ada = `{"name":"Ada"}`
	bom := "\xef\xbb\xbf"
	for _, tt := range []struct {
		name, encoding, sent string
		status               int
		want                 string // in the answer
	}{
		{"plain", "", ada, 200, "Ada"},
		{"gzip", "gzip", zipped(ada), 200, "Ada"},
		{"gzip in capitals", "GZIP", zipped(ada), 200, "Ada"},
		{"identity", "identity", ada, 200, "Ada"},
		{"two gzip members", "gzip", zipped(`{"name":`) + zipped(`"Ada"}`), 200, "Ada"},
		{"gzip bomb", "gzip", zipped(`{"name":"` + strings.Repeat("a", 1<<20) + `"}`), 413, "larger than 4096 bytes"},
		{"gzip bomb of spaces", "gzip", zipped(strings.Repeat(" ", 1<<20)), 413, "larger than 4096 bytes"},
		{"not gzip", "gzip", ada, 400, "not gzip"},
		{"half a gzip", "gzip", zipped(ada)[:20], 400, "did not arrive whole"},
		{"damaged gzip", "gzip", zipped(ada)[:len(zipped(ada))-8] + "12345678", 400, "damaged"},
		{"brotli", "br", ada, 415, "or as gzip"},
		{"byte order mark", "", bom + ada, 200, "Ada"},
		{"byte order mark in gzip", "gzip", zipped(bom + ada), 200, "Ada"},
		{"only a byte order mark", "", bom, 400, "empty"},
		{"UTF-16 with a mark", "", "\xff\xfe{\x00}\x00", 400, "UTF-16"},
		{"UTF-16 without a mark", "", "{\x00}\x00", 400, "UTF-16"},
		{"UTF-16, big endian", "", "\x00{\x00}", 400, "UTF-16"},
		{"Latin-1", "", "{\"name\":\"Andr\xe9\"}", 400, "not UTF-8"},
		{"half a surrogate pair", "", `{"name":"\ud83d"}`, 400, "surrogate"},
		{"the second half alone", "", `{"name":"\uDE00x"}`, 400, "surrogate"},
		{"two first halves", "", `{"name":"\ud83d\ud83d"}`, 400, "surrogate"},
		{"a surrogate pair", "", `{"name":"\ud83d\ude00"}`, 200, "😀"},
		{"an escaped backslash before ud83d", "", `{"name":"\\ud83d"}`, 200, `\ud83d`},
		{"at the limit", "", `{"name":"` + strings.Repeat("a", 4096-11) + `"}`, 200, "aaa"},
		{"one over the limit", "", `{"name":"` + strings.Repeat("a", 4096-10) + `"}`, 413, "larger than 4096 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := serve(t, httpapi.Options{MaxBody: 4096, Bodies: httpapi.NewBudget(1 << 20)}, echo())
			for _, chunked := range []bool{false, true} {
				var sent io.Reader = strings.NewReader(tt.sent)
				if chunked {
					sent = struct{ io.Reader }{sent} // of unknown length
				}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, sent)
				if err != nil {
					t.Fatal(err)
				}
				if tt.encoding != "" {
					req.Header.Set("Content-Encoding", tt.encoding)
				}
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != tt.status || !strings.Contains(string(text), tt.want) {
					t.Errorf("chunked %v: got %d %s, %v, want %d with %q", chunked, res.StatusCode, text, err, tt.status, tt.want)
				}
			}
		})
	}
}

// A body that finds no room waits; one that waits too long is told to come back.
// Small bodies have room of their own.
func TestBodyBudget(t *testing.T) {
	t.Parallel()
	const large = 1 << 20
	body := `{"name":"` + strings.Repeat("a", large) + `"}`
	var mu sync.Mutex
	atWork, most := 0, 0
	hold := make(chan struct{})
	address := serve(t, httpapi.Options{MaxBody: 2 * large, Bodies: httpapi.NewBudget(20 * large)}, httpapi.Handle(quiet, func(c *gin.Context) error {
		var sent struct{ Name string }
		if err := httpapi.ReadJSON(c, &sent); err != nil {
			return err
		}
		if len(sent.Name) < large {
			c.Status(http.StatusNoContent)
			return nil
		}
		mu.Lock()
		atWork++
		most = max(most, atWork)
		mu.Unlock()
		<-hold
		mu.Lock()
		atWork--
		mu.Unlock()
		c.Status(http.StatusNoContent)
		return nil
	}))
	var posts sync.WaitGroup
	for i := range 6 {
		posts.Go(func() {
			if status, text, err := send(t, http.MethodPost, address, body); err != nil || status != http.StatusNoContent {
				t.Errorf("large body %d: got %d %s, %v", i, status, text, err)
			}
		})
	}
	wait.Until(t, "the budget is full", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return atWork == 2
	})
	if status, text, err := send(t, http.MethodPost, address, `{"name":"Ada"}`); err != nil || status != http.StatusNoContent {
		t.Errorf("a small body: got %d %s, %v", status, text, err)
	}
	close(hold)
	posts.Wait()
	if most != 2 {
		t.Errorf("%d large bodies were in memory at once, want 2", most)
	}
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	e := httpapi.New(httpapi.Options{Log: quiet, Registry: registry, MinBodyRate: 1 << 30, BodyGrace: 50 * time.Millisecond, Bodies: httpapi.NewBudget(1 << 20)})
	e.POST("/", echo())
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
	answer, err := io.ReadAll(conn) // until the server closes the connection
	if err != nil {
		t.Fatal(err)
	}
	if text := string(answer); !strings.HasPrefix(text, "HTTP/1.1 408") || !strings.Contains(text, string(api.CodeRequestTimeout)) {
		t.Errorf("got %s", text)
	}
	const metric = "rollcall_http_bodies_refused_total"
	if err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP rollcall_http_bodies_refused_total Request bodies refused: too_large, too_slow, no_memory, encoding.
# TYPE rollcall_http_bodies_refused_total counter
rollcall_http_bodies_refused_total{why="encoding"} 0
rollcall_http_bodies_refused_total{why="no_memory"} 0
rollcall_http_bodies_refused_total{why="too_large"} 0
rollcall_http_bodies_refused_total{why="too_slow"} 1
`), metric); err != nil {
		t.Error(err)
	}
}

// A request whose client has gone away is neither an error of ours nor a success.
// A client whose body is refused, or that nobody wants, gets its answer though it
// sends no more, and its connection ends.
func TestRefusedBodyThatStops(t *testing.T) {
	t.Parallel()
	e := httpapi.New(httpapi.Options{Log: quiet, Registry: prometheus.NewRegistry(), MaxBody: 4096})
	e.POST("/", echo())
	e.POST("/ignored", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	for name, test := range map[string]struct {
		head string
		want int
	}{
		"too large":               {"POST / HTTP/1.1\r\nContent-Length: 5000\r\n", http.StatusRequestEntityTooLarge},
		"encoded":                 {"POST / HTTP/1.1\r\nContent-Length: 500\r\nContent-Encoding: br\r\n", http.StatusUnsupportedMediaType},
		"no such route":           {"POST /nothing HTTP/1.1\r\nContent-Length: 500\r\n", http.StatusNotFound},
		"of a foreign page":       {"POST / HTTP/1.1\r\nOrigin: http://evil.example\r\nContent-Length: 500\r\n", http.StatusForbidden},
		"a body that nobody asks": {"POST /ignored HTTP/1.1\r\nContent-Length: 500\r\n", http.StatusNoContent},
		"in chunks":               {"POST /nothing HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, test.head+"Host: localhost\r\n\r\n4\r\n{\"na"); err != nil {
				t.Fatal(err)
			}
			reader := bufio.NewReader(conn)
			res, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			res.Body.Close()
			if res.StatusCode != test.want {
				t.Errorf("got %d, want %d", res.StatusCode, test.want)
			}
			if _, err := io.Copy(io.Discard, reader); err != nil {
				t.Errorf("the connection stays open: %v", err)
			}
		})
	}
}

// A client whose body nobody reads can go on with its connection, if the body comes.
func TestUnreadBodyKeepsTheConnection(t *testing.T) {
	t.Parallel()
	e := httpapi.New(httpapi.Options{Log: quiet, Registry: prometheus.NewRegistry(), MaxBody: 4096})
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	connections := map[string]bool{}
	for range 3 {
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { connections[info.Conn.LocalAddr().String()] = true }}
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, server.URL+"/nothing", strings.NewReader(`{"name":"Ada"}`))
		if err != nil {
			t.Fatal(err)
		}
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	if len(connections) != 1 {
		t.Errorf("three requests took %d connections", len(connections))
	}
}

func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	begun := make(chan struct{})
	e := httpapi.New(httpapi.Options{Log: quiet, Registry: registry})
	e.GET("/", httpapi.Handle(quiet, func(c *gin.Context) error {
		close(begun)
		<-c.Request.Context().Done()
		return fmt.Errorf("read the images: %w", context.Cause(c.Request.Context()))
	}))
	server := httptest.NewServer(e)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := http.DefaultClient.Do(req); err == nil {
		res.Body.Close()
		t.Error("the cancelled request was answered")
	}
	server.Close() // waits for the handler
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(families); !strings.Contains(text, `value:"499"`) || strings.Contains(text, `value:"500"`) {
		t.Errorf("metrics: %s", text)
	}
}

// A service that has just started is no failure in the log.
func TestLevelOfErrors(t *testing.T) {
	t.Parallel()
	away := faces.Errorf(faces.CodeUnavailable, "the index is being filled")
	cases := map[string]struct {
		err  error
		want string
	}{
		"a service is away":                    {away, "ERROR"},
		"a service has just started":           {fmt.Errorf("%w: %w", faces.ErrStarting, away), "INFO"},
		"has just started, with what was done": {fmt.Errorf("search: %w", fmt.Errorf("%w: %w", faces.ErrStarting, away)), "INFO"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var logs bytes.Buffer
			log := slog.New(slog.NewJSONHandler(&logs, nil))
			address := serve(t, httpapi.Options{}, func(g *gin.Context) { httpapi.Error(g, log, c.err) })
			status, text, err := send(t, http.MethodGet, address, "")
			if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(text, "is being filled") {
				t.Errorf("answered %d %s, %v", status, text, err)
			}
			if !strings.Contains(logs.String(), `"level":"`+c.want+`"`) {
				t.Errorf("want level %s in %s", c.want, &logs)
			}
		})
	}
}

// An error in the middle of an answer cuts the answer; it does not follow it.
func TestErrorAfterTheStart(t *testing.T) {
	t.Parallel()
	address := serve(t, httpapi.Options{}, httpapi.Handle(quiet, func(c *gin.Context) error {
		c.String(http.StatusOK, "half")
		c.Writer.Flush()
		return api.Errorf(api.CodeUnavailable, "the database is away")
	}))
	status, text, err := send(t, http.MethodGet, address, "")
	if err == nil || strings.Contains(text, "database") {
		t.Errorf("the client takes %d %q for a whole answer", status, text)
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		loopback bool
		allowed  []string
		headers  map[string]string
		want     int
	}{
		{"a Service", false, nil, map[string]string{"Host": "receiver:8000"}, 200},
		{"a Service in full", false, nil, map[string]string{"Host": "receiver.rollcall.svc.cluster.local."}, 200},
		{"an address", false, nil, map[string]string{"Host": "10.1.2.3:8000"}, 200},
		{"an IPv6 address", false, nil, map[string]string{"Host": "[fd00::1]:8000"}, 200},
		{"DNS rebinding", false, nil, map[string]string{"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}, 403},
		{"DNS rebinding without Origin", false, nil, map[string]string{"Host": "evil.example"}, 403},
		{"a name that looks like a Service", false, nil, map[string]string{"Host": "receiver.svc.evil.example"}, 403},
		{"an allowed host", false, []string{"rollcall.example.com"}, map[string]string{"Host": "rollcall.example.com", "Origin": "https://rollcall.example.com"}, 200},
		{"another one", false, []string{"rollcall.example.com"}, map[string]string{"Host": "evil.example"}, 403},
		{"any host", false, []string{"*"}, map[string]string{"Host": "evil.example"}, 200},
		{"any host, foreign origin", false, []string{"*"}, map[string]string{"Host": "rollcall.example.com", "Origin": "https://evil.example"}, 403},
		{"loopback", true, nil, map[string]string{"Host": "localhost:8000"}, 200},
		{"loopback, a Service", true, nil, map[string]string{"Host": "receiver:8000"}, 403},
		{"loopback behind a proxy", true, []string{"rollcall.example.com"}, map[string]string{"Host": "rollcall.example.com"}, 200},
		{"an image of another site", false, nil, map[string]string{"Host": "10.1.2.3", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403},
		{"a link of another site", false, nil, map[string]string{"Host": "10.1.2.3", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200},
		{"our own page", false, nil, map[string]string{"Host": "10.1.2.3", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := serve(t, httpapi.Options{Loopback: tt.loopback, AllowedHosts: tt.allowed}, func(c *gin.Context) { c.Status(http.StatusOK) })
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range tt.headers {
				req.Header.Set(name, value)
			}
			req.Host = tt.headers["Host"]
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var body api.ErrorResponse
			if res.StatusCode != http.StatusOK {
				if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
					t.Error(err)
				}
			}
			if res.StatusCode != tt.want {
				t.Errorf("got %d %s", res.StatusCode, body.Error.Message)
			}
		})
	}
}

func TestLenient(t *testing.T) {
	t.Parallel()
	e := httpapi.New(httpapi.Options{Log: quiet, Registry: prometheus.NewRegistry()})
	e.GET("/things/:id", func(c *gin.Context) { c.String(http.StatusOK, "thing %s", c.Param("id")) })
	e.POST("/things", func(c *gin.Context) { c.String(http.StatusCreated, "made") })
	server := httptest.NewServer(httpapi.Lenient{Engine: e})
	t.Cleanup(server.Close)
	for _, tt := range []struct {
		method, path string
		status       int
		want         string
	}{
		{http.MethodGet, "/things/7", 200, "thing 7"},
		{http.MethodGet, "/things/7/", 200, "thing 7"},
		{http.MethodHead, "/things/7", 200, ""},
		{http.MethodHead, "/things/7/", 200, ""},
		{http.MethodHead, "/nothing", 404, ""},
		{http.MethodPost, "/things/", 201, "made"},
		{http.MethodHead, "/things", 405, ""},
		{http.MethodGet, "/things//", 404, "nothing at"},
	} {
		status, text, err := send(t, tt.method, server.URL+tt.path, "")
		if err != nil || status != tt.status || !strings.Contains(text, tt.want) || tt.want == "" && text != "" {
			t.Errorf("%s %s: got %d %q, %v", tt.method, tt.path, status, text, err)
		}
	}
}

// A stream may be longer than a body and than the budget, but not slow and not silent.
func TestStream(t *testing.T) {
	t.Parallel()
	const grace = time.Second
	reg := prometheus.NewRegistry()
	e := httpapi.New(httpapi.Options{Log: quiet, Registry: reg, MaxBody: 1000, MinBodyRate: 100_000, BodyGrace: grace, Bodies: httpapi.NewBudget(10_000)})
	e.POST("/", httpapi.Handle(quiet, func(c *gin.Context) error {
		if err := httpapi.Stream(c); err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, c.Request.Body)
		if err != nil {
			return err
		}
		c.String(http.StatusOK, "%d", n)
		return nil
	}))
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	send := func(body io.Reader, encoding string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Encoding", encoding)
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	large := strings.Repeat("x", 5<<20)
	if code, text := send(strings.NewReader(large), ""); code != http.StatusOK || text != fmt.Sprint(len(large)) {
		t.Errorf("a long stream: %d %s", code, text)
	}
	if code, text := send(strings.NewReader("x"), "gzip"); code != http.StatusUnsupportedMediaType {
		t.Errorf("a packed stream: %d %s", code, text)
	}
	if code, text := send(http.NoBody, ""); code != http.StatusBadRequest {
		t.Errorf("no body: %d %s", code, text)
	}
	// Fast at first, and then silent: its bytes have earned a minute at the least rate.
	body, to := io.Pipe()
	t.Cleanup(func() { body.Close() })
	go func() { _, _ = io.WriteString(to, large) }() // ends with the pipe
	begin := time.Now()
	if code, text := send(body, ""); code != http.StatusRequestTimeout || time.Since(begin) > 30*time.Second {
		t.Errorf("a silent stream: %d %s after %s", code, text, time.Since(begin))
	}
}
