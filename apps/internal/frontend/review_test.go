package frontend_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
)

// visit asks for a page as somebody with a role, where nobody signs in.
func visit(t *testing.T, a *album, role access.Role, target string) (answered, string) {
	t.Helper()
	dashboard, err := frontend.New(a.Store, frontend.Options{Everybody: role, UnknownPeople: root})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	dashboard.Handler().ServeHTTP(rec, request(t, http.MethodGet, target))
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(rec.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return answered{Document: doc, Code: rec.Code, Header: rec.Header()}, rec.Header().Get("Location")
}

// The queue has uncertain faces before single ones. An address leads on when its question
// is answered, also after every other question.
func TestReviewQueue(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Ada", "Bea")
	a.check(a.UseModel(t.Context(), model))
	near := func(image string, d float64) faces.Neighbour { return faces.Neighbour{Image: image, Distance: d} }
	a.answer(root+"/stranger.jpg", faces.Sighting{Box: faces.Box{X: 10, Y: 10, Width: 90, Height: 90}, Neighbours: []faces.Neighbour{near("Ada.jpg", 1.1)}})
	a.answer(root+"/doubt.jpg", faces.Sighting{Box: faces.Box{X: 10, Y: 10, Width: 90, Height: 90}, Neighbours: []faces.Neighbour{near("Ada.jpg", 0.5), near("Bea.jpg", 0.51)}})
	_, first := visit(t, a, access.AdminRole, "/review")
	if !strings.HasPrefix(first, "/review/u") {
		t.Fatalf("the first question is at %q, want an uncertain face", first)
	}
	page, _ := visit(t, a, access.AdminRole, first)
	if got := page.words("h1"); page.Code != http.StatusOK || got != "Is this Ada?" {
		t.Errorf("%d, %q, want Is this Ada?", page.Code, got)
	}
	if got := page.words(".second"); !strings.Contains(got, "Bea") {
		t.Errorf("the runner-up is %q, want Bea", got)
	}
	next, _ := page.Find("[data-next]").Attr("href")
	page, _ = visit(t, a, access.AdminRole, next)
	if got := page.words("h1"); got != "Who is this?" {
		t.Errorf("the second question is %q, want Who is this?", got)
	}
	last, _ := page.Find("[data-next]").Attr("href")
	if last != first {
		t.Errorf("after the last question comes %q, want %q, which was only passed", last, first)
	}
	_, to := visit(t, a, access.AdminRole, "/review/u999-77-88")
	if want := first + "?said=gone"; to != want {
		t.Errorf("from a question that is gone to %q, want %q", to, want)
	}
	skip := "/review?skipped=" + url.QueryEscape(strings.TrimPrefix(first, "/review/"))
	if _, to := visit(t, a, access.AdminRole, skip); !strings.HasPrefix(to, "/review/s") {
		t.Errorf("after a question was skipped to %q, want the single face", to)
	}
}

// Addresses that nobody has made are refused, and change nothing.
func TestReviewHostileAddresses(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	for target, want := range map[string]int{
		"/review/": http.StatusMovedPermanently, "/review/x1-2": http.StatusNotFound, "/review/g1": http.StatusNotFound, "/review/g-1-2": http.StatusNotFound,
		"/review/u1-2-3-4": http.StatusNotFound, "/review/s99999999999999999999-1-1": http.StatusNotFound, "/review/g1-9": http.StatusSeeOther,
		"/review?skipped=%3Cscript%3E_g1_u1-2-3": http.StatusOK, "/review?only=%22": http.StatusOK, "/review?said=%3Cb%3E.1.2": http.StatusOK,
		"/review/followed": http.StatusBadRequest, "/review/followed?person=1&images=x": http.StatusOK,
	} {
		if page, _ := visit(t, a, access.AdminRole, target); page.Code != want {
			t.Errorf("%s: %d, want %d", target, page.Code, want)
		}
	}
	if page, _ := visit(t, a, access.Viewer, "/review"); page.Code != http.StatusForbidden {
		t.Errorf("for a viewer: %d, want %d", page.Code, http.StatusForbidden)
	}
}
