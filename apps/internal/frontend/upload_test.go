package frontend_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/smallsystem"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
)

// formOf returns a form with files, and its Content-Type.
func formOf(t *testing.T, files map[string][]byte) (body io.Reader, kind string) {
	t.Helper()
	var text bytes.Buffer
	form := multipart.NewWriter(&text)
	for name, content := range files {
		part, err := form.CreateFormFile("files", name)
		if err == nil {
			_, err = part.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return &text, form.FormDataContentType()
}

// formAnswer is the answer to a form.
type formAnswer struct {
	Code int
	To   string // of a redirect
}

// sendForm posts a form to /upload. It follows no redirect.
func sendForm(t *testing.T, site string, body io.Reader, headers ...string) (formAnswer, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, site+"/upload", body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	web := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := web.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return formAnswer{res.StatusCode, res.Header.Get("Location")}, string(text)
}

// The form of the page: pictures lead to their answers; what is refused is named, with the
// name of its file escaped.
func TestUploadByForm(t *testing.T) {
	t.Parallel()
	s := newEmptySite(t, asAdmin, unwrapped)
	body, kind := formOf(t, map[string][]byte{"ada.png": smallsystem.Portrait(smallsystem.Ada)})
	res, text := sendForm(t, s.url, body, "Content-Type", kind)
	if to := res.To; res.Code != http.StatusSeeOther || to != "/upload?images=1" {
		t.Errorf("a picture: got %d to %q, %s", res.Code, to, text)
	}
	body, kind = formOf(t, map[string][]byte{"<b>poem.png": []byte("no picture")})
	res, text = sendForm(t, s.url, body, "Content-Type", kind)
	if res.Code != http.StatusUnprocessableEntity || !strings.Contains(text, "&lt;b&gt;poem.png") || !strings.Contains(text, "not a picture") {
		t.Errorf("no picture: got %d, %s", res.Code, text)
	}
	body, kind = formOf(t, map[string][]byte{"ada.png": smallsystem.Portrait(smallsystem.Ada), "poem.png": []byte("no picture")})
	res, text = sendForm(t, s.url, body, "Content-Type", kind, "Accept", "application/json")
	if res.Code != http.StatusOK || !strings.Contains(text, `{"id":1}`) || !strings.Contains(text, `"why":"This is not a picture`) {
		t.Errorf("both, to the script: got %d, %s", res.Code, text)
	}
	if n := s.images(); n != 1 {
		t.Errorf("%d images are stored, want 1", n)
	}
	for _, kind := range []string{"", "multipart/form-data", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x"} {
		if res, text := sendForm(t, s.url, strings.NewReader("a=b"), "Content-Type", kind); res.Code != http.StatusBadRequest {
			t.Errorf("Content-Type %q: got %d, %s", kind, res.Code, text)
		}
	}
}

// Ids in the address that are wrong, gone or too many do no harm.
func TestUploadPageByAddress(t *testing.T) {
	t.Parallel()
	s := newSite(t, asAdmin, unwrapped)
	many := strings.Repeat("9,", 5000)
	for address, want := range map[string]int{
		"/upload": 0, "/upload?images=" + fmt.Sprint(s.ids["ada.png"]): 1, "/upload?images=1,2,3,3,2": 3, "/upload?images=x,-1,99999999999999999999,2": 1,
		"/upload?images=77": 0, "/upload?images=" + many + "1": 1, "/upload/answers?images=1,2": 2, "/upload/answers": 0,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+address, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := goquery.NewDocumentFromReader(res.Body)
		res.Body.Close()
		if n := doc.Find("[data-image]").Length(); err != nil || res.StatusCode != http.StatusOK || n != want {
			t.Errorf("%.40s: got %d, %d rows, want %d, %v", address, res.StatusCode, n, want, err)
		}
	}
}

// fakeReceiver is a dashboard whose receiver is a handler.
func fakeReceiver(t *testing.T, role access.Role, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	rest := httptest.NewServer(h)
	t.Cleanup(rest.Close)
	api, err := frontend.NewAPI(rest.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := frontend.New(newAlbum(t).Store, frontend.Options{API: api, Address: "127.0.0.1:0", Everybody: role})
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(srv.Handler())
	t.Cleanup(site.Close)
	return site
}

// What the receiver refuses is said in words, with its status, and whether the same file may
// be sent again.
func TestUploadRefusals(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		code   string
		want   int
		words  string
		again  bool
	}{
		"the disk is full":  {507, "insufficient_storage", 507, "disk of the pictures is full", true},
		"too many":          {503, "unavailable", 503, "Retry in a minute", true},
		"too large":         {413, "body_too_large", 413, "larger than this server takes", false},
		"too slow":          {408, "request_timeout", 408, "too slowly", true},
		"a role":            {403, "forbidden", 403, "No.", false},
		"the key is wrong":  {401, "unauthorized", 502, "API key", true},
		"it fails":          {500, "internal", 502, "No.", true},
		"a proxy's message": {502, "", 502, "cannot take files", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := fakeReceiver(t, access.AdminRole, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(tt.status)
				if tt.code != "" {
					fmt.Fprintf(w, `{"error":{"code":%q,"message":"no"}}`, tt.code)
				}
			})
			body, kind := formOf(t, map[string][]byte{"a.png": []byte("x")})
			res, text := sendForm(t, site.URL, body, "Content-Type", kind, "Accept", "application/json")
			if res.Code != tt.want || !strings.Contains(text, tt.words) || strings.Contains(text, `"again":true`) != tt.again {
				t.Errorf("got %d %s, want %d with %q, again: %v", res.Code, text, tt.want, tt.words, tt.again)
			}
			body, kind = formOf(t, map[string][]byte{"a.png": []byte("x")})
			res, text = sendForm(t, site.URL, body, "Content-Type", kind)
			if res.Code != tt.want || !strings.Contains(text, "Nothing was uploaded") {
				t.Errorf("the page: got %d %s, want %d", res.Code, text, tt.want)
			}
		})
	}
}

// A viewer may not upload, and a form of another page may not, either.
func TestWhoMayUpload(t *testing.T) {
	t.Parallel()
	asked := func(http.ResponseWriter, *http.Request) { t.Error("the receiver was asked") }
	body, kind := formOf(t, map[string][]byte{"a.png": []byte("x")})
	if res, text := sendForm(t, fakeReceiver(t, access.Viewer, asked).URL, body, "Content-Type", kind); res.Code != http.StatusForbidden {
		t.Errorf("a viewer: got %d, %s", res.Code, text)
	}
	body, kind = formOf(t, map[string][]byte{"a.png": []byte("x")})
	res, text := sendForm(t, fakeReceiver(t, access.AdminRole, asked).URL, body, "Content-Type", kind, "Origin", "http://evil.example")
	if res.Code != http.StatusForbidden {
		t.Errorf("a foreign page: got %d, %s", res.Code, text)
	}
}

// slowly is a body that never ends by itself.
type slowly struct{ more chan []byte }

func (s slowly) Read(p []byte) (int, error) {
	chunk, open := <-s.more
	if !open {
		return 0, io.EOF
	}
	return copy(p, chunk), nil
}

// The receiver gets the first bytes while the last ones are still to come, and a large
// upload takes no memory. It measures the memory of the process, so no other test runs
// beside it.
func TestUploadStreams(t *testing.T) {
	const chunks, size = 256, 256 << 10
	began := make(chan struct{})
	var most uint64
	site := fakeReceiver(t, access.AdminRole, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadFull(r.Body, make([]byte, size)); err != nil {
			t.Error(err)
		}
		close(began)
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || n != (chunks-1)*size {
			t.Errorf("the receiver got %d more bytes, %v", n, err)
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		most = m.HeapAlloc
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"images":[{"id":4,"path":"/u/a.png","queued":true}]}`)
	})
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	body := slowly{make(chan []byte)}
	go func() {
		chunk := make([]byte, 32<<10)
		for i := range chunks * size / len(chunk) {
			if i == size/len(chunk) {
				<-began // the rest is sent only now
			}
			body.more <- chunk
		}
		close(body.more)
	}()
	res, text := sendForm(t, site.URL, body, "Content-Type", "multipart/form-data; boundary=x")
	if to := res.To; res.Code != http.StatusSeeOther || to != "/upload?images=4" {
		t.Errorf("got %d to %q, %s", res.Code, to, text)
	}
	// The upload has 64 MiB.
	if grown := int64(most) - int64(before.HeapAlloc); grown > chunks*size/2 {
		t.Errorf("the memory has grown by %d MiB", grown>>20)
	}
}

// If the receiver answers before it has read everything, a client that sends slowly hears
// of it at once, and its request is over.
func TestUploadIsRefusedEarly(t *testing.T) {
	t.Parallel()
	site := fakeReceiver(t, access.AdminRole, func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // as the receiver does, after a moment
		w.WriteHeader(http.StatusInsufficientStorage)
		fmt.Fprint(w, `{"error":{"code":"insufficient_storage","message":"full"}}`)
	})
	body := slowly{make(chan []byte, 1)}
	body.more <- []byte("--x\r\n")
	t.Cleanup(func() { close(body.more) })
	res, text := sendForm(t, site.URL, body, "Content-Type", "multipart/form-data; boundary=x", "Accept", "application/json")
	if res.Code != http.StatusInsufficientStorage || !strings.Contains(text, "full") {
		t.Errorf("got %d, %s", res.Code, text)
	}
}
