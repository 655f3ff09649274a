package frontend_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
)

// receiverOf returns a dashboard of an album whose receiver is h.
func receiverOf(t *testing.T, a *album, h http.HandlerFunc, change ...func(*frontend.Options)) http.Handler {
	t.Helper()
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	api, err := frontend.NewAPI(web.URL, func() (string, error) { return "secret", nil })
	a.check(err)
	return serve(t, a, append([]func(*frontend.Options){func(o *frontend.Options) { o.API, o.Address, o.Everybody = api, "127.0.0.1:0", access.AdminRole }}, change...)...)
}

func nothing(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }

func local(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+target, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req
}

// The grid is within its size, escapes everything, and obeys the policy.
func TestGrid(t *testing.T) {
	t.Parallel()
	const name = `<script>alert(1)</script>"'`
	a := newAlbum(t, name, "Bela")
	for i := range 50 {
		a.answer(fmt.Sprintf(`%s/"><img src=x onerror=alert(1)>%d.jpg`, root, i),
			sight(10, name, 0.2), sight(200, "Bela", 0.3), sight(400), sight(600, "Bela", 0.9))
	}
	page := do(t, receiverOf(t, a, nothing), local(t, http.MethodGet, "/", ""))
	if n := page.Find(".card img").Length(); n != 50 || page.Code != http.StatusOK {
		t.Fatalf("%d pictures, code %d", n, page.Code)
	}
	if n := page.Find("[onerror], [style], [onclick], style, script:not([src])").Length(); n > 0 {
		t.Errorf("%d elements that the policy refuses, or that were text", n)
	}
	if got := page.Find("#image-1 .who").Text(); !strings.Contains(got, name) {
		t.Errorf("got %q, want the name", got)
	}
	if n := page.Find("#image-1 rect.box").Length(); n != 4 {
		t.Errorf("%d boxes, want 4", n)
	}
	if got := page.Find("#image-1 img").AttrOr("src", ""); got != "/images/1/thumbnail" {
		t.Errorf("got picture %q", got)
	}
	if len(page.Text) > 100_000 {
		t.Errorf("the page has %d bytes, want at most 100,000", len(page.Text))
	}
}

// Pictures come from the receiver as it sends them, and stay with whoever has them.
func TestPicturesAreHandedOn(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	a.answer(root+"/a.jpg", sight(10, "Anna", 0.2))
	var asked []string
	h := receiverOf(t, a, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		w.Header().Set("ETag", `"tag"`)
		w.Header().Set("Cache-Control", "private, max-age=300")
		switch {
		case r.Header.Get("Authorization") != "Bearer secret":
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasPrefix(r.URL.Path, "/api/v1/images/2/"):
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.Header.Get("If-None-Match") == `"tag"`:
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("Content-Type", "text/html") // as if it were somebody else's page
			fmt.Fprint(w, "JPEG")
		}
	})
	for name, c := range map[string]struct {
		target, asks string
		tag          string
		code         int
	}{
		"thumbnail":       {"/images/1/thumbnail", "/api/v1/images/1/thumbnail?size=480", "", 200},
		"of another size": {"/images/1/thumbnail?size=96", "/api/v1/images/1/thumbnail?size=96", "", 200},
		"too large":       {"/images/1/picture?size=99999", "/api/v1/images/1/picture?size=2048", "", 200},
		"no size":         {"/images/1/picture?size=x", "/api/v1/images/1/picture?size=1600", "", 200},
		"known already":   {"/images/1/picture", "/api/v1/images/1/picture?size=1600", `"tag"`, 304},
		"crop":            {"/faces/1/crop", "/api/v1/faces/1/crop?size=240", "", 200},
		"known picture":   {"/people/1/known?name=Anna.jpg", "/api/v1/people/1/known-pictures/1/picture?size=240", "", 200},
		"not known":       {"/people/1/known?name=" + url.QueryEscape("../secret"), "", "", 404},
		"no id":           {"/images/x/thumbnail", "", "", 404},
		"receiver away":   {"/images/2/thumbnail", "/api/v1/images/2/thumbnail?size=480", "", 503},
	} {
		asked = nil
		req := local(t, http.MethodGet, c.target, "")
		if c.tag != "" {
			req.Header.Set("If-None-Match", c.tag)
		}
		got := do(t, h, req)
		if got.Code != c.code || strings.Join(asked, " ") != c.asks {
			t.Errorf("%s: code %d after %v, want %d after %s", name, got.Code, asked, c.code, c.asks)
		}
		if c.code == http.StatusOK && (got.Header.Get("Content-Type") != "image/jpeg" || got.Header.Get("ETag") != `"tag"` || !strings.Contains(got.Text, "JPEG")) {
			t.Errorf("%s: got %v %q", name, got.Header, got.Text)
		}
	}
}

// Missing pictures make one warning a minute: a page has dozens of them.
func TestMissingPicturesAreLoggedSeldom(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	now, log := noon, &syncBuffer{}
	limited := func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/images/4/") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusTooManyRequests)
	}
	h := receiverOf(t, a, limited, func(o *frontend.Options) {
		o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o.Now = func() time.Time { return now }
	})
	load := func(id string, code int) {
		t.Helper()
		if got := do(t, h, local(t, http.MethodGet, "/images/"+id+"/thumbnail", "")).Code; got != code {
			t.Errorf("got %d, want %d", got, code)
		}
	}
	said := func(level string) int {
		return strings.Count(log.String(), "level="+level+` msg="a picture could not be had"`)
	}
	load("4", http.StatusNotFound)
	if said("WARN")+said("DEBUG") != 0 {
		t.Error("a picture that is not there is logged")
	}
	for _, id := range []string{"1", "2", "3"} {
		load(id, http.StatusTooManyRequests)
	}
	if said("WARN") != 1 || said("DEBUG") != 2 {
		t.Errorf("3 pictures: %d warnings and %d debug lines", said("WARN"), said("DEBUG"))
	}
	now = now.Add(time.Minute)
	load("1", http.StatusTooManyRequests)
	if said("WARN") != 2 {
		t.Errorf("a minute later there are %d warnings", said("WARN"))
	}
}

// What the receiver refuses is said in words; nothing else of its answer is shown.
func TestCorrectionsThatFail(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	a.answer(root+"/a.jpg", sight(10, "Anna", 0.2))
	answer := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			fmt.Fprint(w, text)
		}
	}
	for name, c := range map[string]struct {
		receiver http.HandlerFunc
		target   string
		form     string
		code     int
		says     string
	}{
		"stale":     {answer(412, `{"error":{"code":"stale","message":"x"}}`), "/faces/1/person", "name=Bela", 412, "Somebody has changed this picture meanwhile"},
		"gone":      {answer(404, `{"error":{"code":"not_found","message":"x"}}`), "/faces/9/ignore", "", 404, "This face is not there any more"},
		"conflict":  {answer(409, `{"error":{"code":"conflict","message":"the name <b>Bela</b> is taken"}}`), "/faces/1/person", "name=bela", 409, "The name <b>Bela</b> is taken."},
		"no name":   {nothing, "/faces/1/person", "name=+", 400, "Who is it? Write a name."},
		"no number": {nothing, "/images/1/faces", "x=a", 400, "must be a whole number"},
		"no key":    {answer(401, `{"error":{"code":"unauthorized","message":"secret"}}`), "/images/1/retry", "", 502, "The receiver does not let the dashboard in"},
		"proxy":     {answer(500, `<h1>stack trace</h1>`), "/corrections/1/undo", "", 502, "The receiver does not answer"},
		"no id":     {nothing, "/faces/x/person", "name=Bela", 404, "Page not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := do(t, receiverOf(t, a, c.receiver), local(t, http.MethodPost, c.target, c.form))
			if got := page.words("main"); page.Code != c.code || !strings.Contains(got, c.says) || page.Find("main b").Length() > 0 {
				t.Errorf("got %d %q, want %d %q", page.Code, got, c.code, c.says)
			}
		})
	}
}

// Nobody changes anything where everybody can look, and no foreign page does.
func TestWhoMayCorrect(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	a.answer(root+"/a.jpg", sight(10, "Anna", 0.2))
	asked := false
	receiver := func(w http.ResponseWriter, _ *http.Request) { asked = true; w.WriteHeader(http.StatusNotFound) }
	open := receiverOf(t, a, receiver, func(o *frontend.Options) { o.Address, o.Everybody = "0.0.0.0:8081", access.Viewer })
	if page := do(t, open, local(t, http.MethodPost, "/faces/1/person", "name=Bela")); page.Code != http.StatusForbidden || asked {
		t.Errorf("open to other machines: code %d, and the receiver was asked: %v", page.Code, asked)
	} else if got := page.words("h1"); got != "Nothing can be changed here" {
		t.Errorf("where nobody can sign in, it says %q", got)
	}
	if n := do(t, open, local(t, http.MethodGet, "/images/1", "")).Find("main form").Length(); n > 0 {
		t.Errorf("a page on which nothing can be changed has %d forms", n)
	}
	foreign := local(t, http.MethodPost, "/faces/1/person", "name=Bela")
	foreign.Header.Set("Origin", "https://evil.example")
	if page := do(t, receiverOf(t, a, receiver), foreign); page.Code != http.StatusForbidden || asked {
		t.Errorf("from a foreign page: code %d, and the receiver was asked: %v", page.Code, asked)
	}
}

// After a correction the browser is back at the picture, in the list where it was
// looked at, and nowhere else.
func TestCorrectionLeadsBack(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	a.answer(root+"/a.jpg", sight(10, "Anna", 0.2))
	h := receiverOf(t, a, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("If-Match"); got != `"v1"` {
			t.Errorf("got If-Match %s", got)
		}
		fmt.Fprint(w, `{"correction":{"id":7},"image":{"id":1}}`)
	}, func(o *frontend.Options) { o.BasePath = "/faces-of" })
	for filter, want := range map[string]string{
		"":                           "/faces-of/images/1?said=7",
		"reason=identified&q=a b":    "/faces-of/images/1?q=a+b&reason=identified&said=7",
		"//evil.example/?x=":         "/faces-of/images/1?said=7",
		"q=\r\nLocation: evil&after": "/faces-of/images/1?q=Location%3A+evil&said=7",
	} {
		form := url.Values{"name": {"Bela"}, "version": {"v1"}, "filter": {filter}}
		page := do(t, h, local(t, http.MethodPost, "/faces/1/person", form.Encode()))
		if got := page.Header.Get("Location"); page.Code != http.StatusSeeOther || got != want {
			t.Errorf("filter %q: got %d to %q, want %q", filter, page.Code, got, want)
		}
	}
}

// The neighbours of a picture are those of the list that it is looked at in.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	h := serve(t, outcomes(t))
	for target, want := range map[string][2]string{
		"/images/2":                     {"/images/3", "/images/1"},
		"/images/2?reason=identified":   {"", "/images/1?reason=identified"},
		"/images/6?status=failed":       {"/images/7?status=failed", ""},
		"/images/4?q=jpg&view=table":    {"/images/5?q=jpg", "/images/3?q=jpg"},
		"/images/4?order=uncertain":     {"", ""},
		"/images/9?colour=<script>&q=n": {"", "/images/8?q=n"},
	} {
		page := get(t, h, strings.ReplaceAll(target, "<", "%3C"))
		got := [2]string{page.Find("a[rel=prev]").AttrOr("href", ""), page.Find("a[rel=next]").AttrOr("href", "")}
		if page.Code != http.StatusOK || got != want {
			t.Errorf("%s: got %v, want %v", target, got, want)
		}
	}
}

func TestFiltersOfTimeAndOrder(t *testing.T) {
	t.Parallel()
	a := outcomes(t) // all of 4 May 2026
	a.setClock(noon.AddDate(0, 0, 2))
	a.post(root + "/later.jpg")
	h := serve(t, a)
	for target, want := range map[string]string{
		"/?from=2026-05-06":                  "10",
		"/?to=2026-05-04&q=anna":             "1",
		"/?from=2026-05-05&to=2026-05-05":    "",
		"/?from=2026-05-04&reason=no_face":   "5",
		"/?order=uncertain&status=pending":   "4 10 8 5 3",
		"/?order=uncertain&reason=no_face":   "5",
		"/?order=newest&reason=uncertain":    "4",
		"/?order=uncertain&reason=uncertain": "4",
	} {
		page := get(t, h, target)
		if got := strings.Join(page.each("tbody td.id"), " "); page.Code != http.StatusOK || got != want {
			t.Errorf("%s: code %d, images %q, want %q", target, page.Code, got, want)
		}
	}
	for target, says := range map[string]string{
		"/?from=yesterday": "“from” is not a day such as 2026-11-29", "/?order=random": "“order” must be newest or uncertain",
		"/?view=film": "“view” must be grid or table", "/?order=uncertain&newer=3": "cannot be used with order=uncertain",
	} {
		if page := get(t, h, target); page.Code != http.StatusBadRequest || !strings.Contains(page.words("[role=alert]"), says) {
			t.Errorf("%s: code %d, %q, want %q", target, page.Code, page.words("[role=alert]"), says)
		}
	}
}

// streamOf connects to a dashboard's stream of changes and returns its messages.
func streamOf(t *testing.T, server *httptest.Server, view string) <-chan string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/live?view="+view, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || !strings.HasPrefix(got, "text/event-stream") {
		t.Fatalf("code %d, %s", res.StatusCode, got)
	}
	messages := make(chan string, 100)
	go func() {
		defer close(messages)
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				messages <- data
			}
		}
	}()
	if first := next(t, messages); first != "{}" {
		t.Fatalf("the stream begins with %q", first)
	}
	return messages
}

func next(t *testing.T, messages <-chan string) string {
	t.Helper()
	select {
	case m, ok := <-messages:
		if !ok {
			t.Fatal("the stream has ended")
		}
		return m
	case <-time.After(time.Minute):
		t.Fatal("no message in a minute")
		return ""
	}
}

// countingEvents counts how often images are read.
type countingEvents struct {
	frontend.Store
	images atomic.Int64
}

func (s *countingEvents) SomeImages(ctx context.Context, ids []int64) ([]faces.Image, error) {
	s.images.Add(int64(len(ids)))
	return s.Store.SomeImages(ctx, ids)
}

// All viewers get what has changed, read once; the streams end with the server.
func TestViewersShareTheChanges(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	_, err := a.SequenceEvents(t.Context(), 100) // those of the people
	a.check(err)
	s := &countingEvents{Store: a}
	dashboard, err := frontend.New(s, frontend.Options{CountsFor: -1, UnknownPeople: root, LivePoll: 20 * time.Millisecond})
	a.check(err)
	server := httptest.NewServer(dashboard.Handler())
	t.Cleanup(server.Close)
	var streams []<-chan string
	for range 20 {
		streams = append(streams, streamOf(t, server, "table"))
	}
	grid, ids := streamOf(t, server, "grid"), streamOf(t, server, "")
	a.answer(root+"/<b>.jpg", sight(10, "Anna", 0.2))
	for sequenced := 0; sequenced < 2; {
		n, err := a.SequenceEvents(t.Context(), 100)
		a.check(err)
		sequenced += n
	}
	for i, stream := range append(streams, grid, ids) {
		got := next(t, stream)
		if !strings.Contains(got, `"changed":[1]`) || !strings.Contains(got, `"identified":1`) || strings.Contains(got, "<b>") {
			t.Errorf("viewer %d got %s", i, got)
		}
		if isTable, isGrid := strings.Contains(got, "td role"), strings.Contains(got, "class=\\\"card"); isTable != (i < 20) || isGrid != (i == 20) {
			t.Errorf("viewer %d got the wrong kind: %s", i, got)
		}
	}
	if n := s.images.Load(); n != 1 {
		t.Errorf("the image was read %d times for 22 viewers, want once", n)
	}
	dashboard.EndStreams()
	for i, stream := range append(streams, grid, ids) {
		for range stream {
			t.Logf("viewer %d got one more message", i)
		}
	}
	if res := get(t, dashboard.Handler(), "/live"); res.Code != http.StatusServiceUnavailable {
		t.Errorf("a server that stops: code %d, want 503", res.Code)
	}
}

// The words for distances go from near to far.
func TestImageSaysHowNear(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	a.check(a.UseModel(t.Context(), model)) // its threshold is 0.6
	h := serve(t, a)
	for d, want := range map[float64]string{0.2: "very near", 0.5: "near", 0.58: "just near enough", 0.65: "just too far", 0.9: "far"} {
		id := a.answer(fmt.Sprintf("%s/%v.jpg", root, d), sight(10, "Anna", d))
		if got := get(t, h, fmt.Sprintf("/images/%d", id)).words(".near"); got != want {
			t.Errorf("distance %v: %q, want %q", d, got, want)
		}
	}
}

// html/template takes data-onX for a handler of events, and writes its value as a string of
// JavaScript, in quotes.
func TestNoAttributeLooksLikeAHandler(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d templates, %v", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`\s(data-)?on[a-z-]*=`).FindAllString(string(text), -1) {
			t.Errorf("%s has%s", name, found)
		}
	}
}

// Help begins with the keys of the page, and has no other page's.
func TestHelpBeginsWithThePage(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	a.answer(root+"/anna.jpg", sight(10, "Anna", 0.3))
	h := serve(t, a)
	for target, want := range map[string][]string{
		"/": {"Images", "Anywhere"}, "/images/1": {"A picture", "Anywhere"}, "/unknown": {"Unknown groups", "Anywhere"}, "/operations": {"Anywhere"},
	} {
		if diff := cmp.Diff(want, get(t, h, target).each("#help h3")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", target, diff)
		}
	}
}
