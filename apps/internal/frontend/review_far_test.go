package frontend_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// asReviewer lets everybody review.
func asReviewer(o *frontend.Options) { o.Everybody = access.AdminRole }

// doubted adds an uncertain image, and strange one that shows a stranger; both return the
// id of the face.
func (a *album) doubted(name string, d, second float64) int64 {
	return a.oneFace(name, near("Ada.jpg", d), near("Bea.jpg", second))
}

func (a *album) strange(name string) int64 { return a.oneFace(name, near("Ada.jpg", 1.1)) }

func near(image string, d float64) faces.Neighbour { return faces.Neighbour{Image: image, Distance: d} }

func (a *album) oneFace(name string, n ...faces.Neighbour) int64 {
	a.t.Helper()
	id := a.answer(root+"/"+name, faces.Sighting{Box: faces.Box{X: 10, Y: 10, Width: 90, Height: 90}, Neighbours: n})
	img, err := a.Image(a.t.Context(), id)
	a.check(err)
	return img.Faces[0].ID
}

// farStore is a store with far more faces in groups than a page looks at.
type farStore struct {
	*store.Store
	grouped map[int64]bool // faces in a group
	pages   int64          // empty pages before the first loose face
}

func (f *farStore) GroupOf(_ context.Context, _ string, face int64) (int64, error) {
	if f.grouped[face] {
		return 4711, nil
	}
	return 0, nil
}

func (f *farStore) LooseFaces(ctx context.Context, reason faces.Reason, after *store.LooseFace, limit int) ([]store.LooseFace, *store.LooseFace, error) {
	if reason != faces.UnknownPerson {
		return f.Store.LooseFaces(ctx, reason, after, limit)
	}
	if after == nil {
		after = &store.LooseFace{PersonID: 10_000}
	}
	if n := after.PersonID - 10_000; n >= 0 && n < f.pages {
		return nil, &store.LooseFace{PersonID: after.PersonID + 1}, nil
	} else if n == f.pages {
		after = nil
	}
	return f.Store.LooseFaces(ctx, reason, after, limit)
}

// lookFurther follows "Look further" until there is a question, and returns its address and
// how often it looked.
func lookFurther(t *testing.T, h http.Handler, target string) (found string, looks int) {
	t.Helper()
	for range 20 {
		page := get(t, h, target)
		if page.Code == http.StatusSeeOther {
			return page.Header.Get("Location"), looks
		}
		further := page.Find(".empty a[rel=next]")
		if page.Code != http.StatusOK || further.Length() != 1 || page.words("h1") != "Nothing found so far" {
			t.Fatalf("%s: %d, %q, want a link to look further", target, page.Code, page.words("h1"))
		}
		target, looks = further.AttrOr("href", ""), looks+1
	}
	t.Fatal("there is no end")
	return "", 0
}

// What a page did not look at is not "nothing": a link leads on from there.
func TestReviewLooksFurther(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Ada", "Bea")
	a.check(a.UseModel(t.Context(), model))
	single := a.strange("stranger.jpg")
	last := a.doubted("last.jpg", 0.5, 0.501)
	far := &farStore{Store: a.Store, grouped: map[int64]bool{}, pages: 30}
	for i := range 150 {
		far.grouped[a.doubted(fmt.Sprintf("%d.jpg", i), 0.5, 0.51)] = true
	}
	h := serve(t, far, asReviewer)
	ends := func(address string, face int64) bool { return strings.HasSuffix(address, fmt.Sprintf("-%d", face)) }
	if got, looks := lookFurther(t, h, "/review?only=uncertain"); looks != 1 || !strings.HasPrefix(got, "/review/u") || !ends(strings.TrimSuffix(got, "?only=uncertain"), last) {
		t.Errorf("after %d looks the question is %s, want face %d", looks, got, last)
	}
	if got, looks := lookFurther(t, h, "/review?only=single"); looks != 2 || !ends(strings.TrimSuffix(got, "?only=single"), single) {
		t.Errorf("after %d looks the question is %s, want face %d", looks, got, single)
	}
	far.pages = 3 // each kind is looked for, also if the one before was given up
	if got, looks := lookFurther(t, h, "/review"); looks != 0 || !strings.HasPrefix(got, "/review/s") || !ends(got, single) {
		t.Errorf("after %d looks the question is %s, want face %d", looks, got, single)
	}
	if got, looks := lookFurther(t, h, "/review?only=single&from=g3-4"); looks != 0 || !strings.HasPrefix(got, "/review/s") {
		t.Errorf("from a place of another kind: after %d looks %s", looks, got)
	}
}

// After a change of the rule, places in the queue are those of the stored order: Next leads
// through every question once.
func TestReviewOrderOutlivesARule(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Ada", "Bea")
	a.check(a.UseModel(t.Context(), model))
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprintf("-%d", a.doubted(fmt.Sprintf("%d.jpg", i), 0.5, 0.541-0.01*float64(i))))
	}
	wider := model
	wider.Margin *= 3
	a.check(a.UseModel(t.Context(), wider))
	h := serve(t, a.Store, asReviewer)
	at := get(t, h, "/review?only=uncertain").Header.Get("Location")
	for _, face := range want {
		page := get(t, h, at)
		if page.Code != http.StatusOK || !strings.HasSuffix(strings.TrimSuffix(at, "?only=uncertain"), face) {
			t.Fatalf("%s: %d, want face %s", at, page.Code, face)
		}
		at = page.Find("[data-next]").AttrOr("href", "")
	}
}

// uncountable is a store that cannot count its images.
type uncountable struct{ *store.Store }

func (uncountable) CountImages(context.Context) ([]store.Count, error) {
	return nil, errors.New("out of time")
}

// A question is asked although nobody can say how many are left.
func TestReviewAsksWithoutCounts(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Ada", "Bea")
	a.check(a.UseModel(t.Context(), model))
	a.doubted("doubt.jpg", 0.5, 0.51)
	h := serve(t, uncountable{a.Store}, asReviewer)
	page := get(t, h, get(t, h, "/review").Header.Get("Location"))
	if page.Code != http.StatusOK || page.words("h1") != "Is this Ada?" || page.words(".review-left") != "" {
		t.Errorf("%d, %q, left: %q", page.Code, page.words("h1"), page.words(".review-left"))
	}
}
