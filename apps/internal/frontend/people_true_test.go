package frontend_test

import (
	"bytes"
	"context"
	"fmt"
	"image/color"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/smallsystem"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// A made-up address says nothing that is not true, and offers no undo of what was not done.
func TestPeopleNoticesAreTrue(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna", "Bela")
	a.setClock(noon.Add(-time.Hour))
	a.known("Anna", 2)
	a.setClock(noon)
	anna, bela, hide := a.people["Anna.jpg"].ID, a.people["Bela.jpg"].ID, true
	_, _, err := a.AddKnownPicture(t.Context(), faces.Enrolled{KnownImage: faces.KnownImage{Name: "now.png", PersonID: anna}, Source: faces.SourceUpload})
	a.check(err)
	_, err = a.ChangePerson(t.Context(), bela, faces.AnyVersion, faces.ProfileChange{Hidden: &hide})
	a.check(err)
	known, err := a.KnownPictures(t.Context(), anna, 0, 10)
	a.check(err)
	if len(known) != 4 {
		t.Fatalf("known pictures %+v", known)
	}
	of := func(i int) string { return strconv.FormatInt(known[i].ID, 10) }
	h := serve(t, a.Store, withReceiver(t))
	for name, c := range map[string]struct {
		person     int64
		said, want string
		undo       bool
	}{
		"nobody hid her":                {anna, "hidden", "", false},
		"she is hidden":                 {bela, "hidden", "Bela is hidden from lists.", true},
		"she is not in lists":           {bela, "shown", "", false},
		"no cover was chosen":           {anna, "cover&was=" + of(1), "", false},
		"another cover":                 {anna, "cover&cover=" + of(1) + "&was=" + of(2), "", false},
		"a cover was chosen":            {anna, "cover&cover=" + of(0) + "&was=" + of(1), "The cover was changed.", true},
		"the one of before is gone":     {anna, "cover&cover=" + of(0) + "&was=4711", "The cover was changed.", false},
		"a picture of long ago":         {anna, "known-added&picture=" + of(1), "", false},
		"a file that was there":         {anna, "known-added&picture=" + of(0), "", false},
		"a picture of now":              {anna, "known-added&picture=" + of(3), "The known picture was added.", true},
		"a picture of somebody else":    {bela, "known-added&picture=" + of(3), "", false},
		"a picture that is still there": {anna, "known-deleted&picture=" + of(1), "", false},
		"no consent":                    {anna, "consent", "", false},
		"nothing was withdrawn":         {anna, "withdrawn", "", false},
		"a person with pictures":        {anna, "added", "", false},
	} {
		page := get(t, h, personURL(c.person)+"?said="+c.said)
		if got, undo := page.words(".notice p"), page.Find(".notice form").Length() > 0; got != c.want || undo != c.undo {
			t.Errorf("%s: the page says %q, undo %v; want %q, %v", name, got, undo, c.want, c.undo)
		}
	}
}

// send sends a form to the dashboard of a site.
func (s *openSite) send(target string, form url.Values) answered {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	s.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.answer(req)
}

// look reads a page of a site.
func (s *openSite) look(target string) answered {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, target, nil)
	s.must(err)
	return s.answer(req)
}

// fieldsOf returns the hidden fields of a form.
func (a answered) fieldsOf(form string) url.Values {
	values := url.Values{}
	for _, n := range a.Find(form + " input[type=hidden]").EachIter() {
		values.Add(n.AttrOr("name", ""), n.AttrOr("value", ""))
	}
	return values
}

// A tab that has not seen that a consent was withdrawn does not bring it back.
func TestConsentOfAnOldTab(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	page, ada := s.personPage("Ada"), s.personNamed("Ada").ID
	_, err := s.api.SetConsent(t.Context(), ada, api.NewConsent{Basis: api.BasisConsent})
	s.must(err)
	const form = `form[action$="/consent"]`
	old := s.look(page).fieldsOf(form)
	_, err = s.api.WithdrawConsent(t.Context(), ada)
	s.must(err)
	old.Set("basis", "consent")
	got := s.send(page+"/consent", old)
	if now := s.look(page).words("#consent .badge"); got.Code != http.StatusPreconditionFailed || now != "Consent withdrawn" {
		t.Errorf("an old tab gets %d, and the consent is %q", got.Code, now)
	}
	fields := s.look(page).fieldsOf(form)
	fields.Set("basis", "consent")
	if got := s.send(page+"/consent", fields); got.Code != http.StatusOK || got.words("#consent .badge") != "Given" {
		t.Errorf("who has seen it gets %d, %q", got.Code, got.words("#consent .badge"))
	}
}

// A question about a known picture that was not the last one does not delete the last one.
func TestKnownPictureOfAnOldTab(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	page, bruno := s.personPage("Bruno"), s.personNamed("Bruno")
	added, err := s.api.AddKnownPictureFrom(t.Context(), bruno.ID, bytes.NewReader(smallsystem.Portrait(color.RGBA{R: 60, G: 60, B: 240, A: 255})), api.AddKnownPictureParams{})
	s.must(err)
	target := fmt.Sprintf("%s/known/%d/delete", page, *bruno.Cover)
	old := s.look(target).fieldsOf("form.ask-actions")
	s.must(s.api.DeleteKnownPicture(t.Context(), bruno.ID, added.KnownPicture.ID))
	if got := s.send(target, old); got.Code != http.StatusPreconditionFailed || s.personNamed("Bruno").KnownPictures != 1 {
		t.Errorf("an old tab gets %d, and there are %d known pictures", got.Code, s.personNamed("Bruno").KnownPictures)
	}
	if got := s.send(target, s.look(target).fieldsOf("form.ask-actions")); got.Code != http.StatusOK || s.personNamed("Bruno").KnownPictures != 0 {
		t.Errorf("who has seen it gets %d, and there are %d known pictures", got.Code, s.personNamed("Bruno").KnownPictures)
	}
}

// A merge that was undone, or is of somebody else, is not undone by an old tab.
func TestMergeOfAnOldTab(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	page, ada, bruno := s.personPage("Ada"), s.personNamed("Ada"), s.personNamed("Bruno")
	done, err := s.api.MergePeople(t.Context(), ada.ID, ada.Version, api.MergeRequest{PersonID: bruno.ID, Version: bruno.Version})
	s.must(err)
	form := url.Values{"merge": {strconv.FormatInt(done.Merge.ID, 10)}}
	other, err := s.api.CreatePerson(t.Context(), "Zoe")
	s.must(err)
	if got := s.send(fmt.Sprintf("%s/people/%d/unmerge", s.url, other.ID), form); got.Code != http.StatusPreconditionFailed {
		t.Errorf("a merge of somebody else: got %d", got.Code)
	}
	_, err = s.api.UndoMerge(t.Context(), done.Merge.ID)
	s.must(err)
	if got := s.send(page+"/unmerge", form); got.Code != http.StatusPreconditionFailed || got.words("h1") != "Somebody has changed this person meanwhile" {
		t.Errorf("a merge that was undone: got %d, %q", got.Code, got.words("h1"))
	}
}

// What somebody asked for is done to the end when they close the tab.
func TestPeopleChangesOutliveTheirTab(t *testing.T) {
	t.Parallel()
	for path, form := range map[string]string{
		"/people/1/merge": "version=1&other=2&other_version=1", "/people/1/delete": "version=1", "/people/1/erase": "version=1", "/people": "name=Zoe",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			a := newAlbum(t, "Anna", "Bela")
			ctx, leave := context.WithCancel(t.Context())
			h := receiverOf(t, a, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // only then a broken connection is noticed
				leave()
				select {
				case <-r.Context().Done():
				case <-time.After(200 * time.Millisecond):
					fmt.Fprint(w, `{"id":1,"erasure":{"id":"e1"}}`)
				}
			})
			page := do(t, h, local(t, http.MethodPost, path, form).WithContext(ctx))
			if page.Code != http.StatusSeeOther {
				t.Errorf("got %d, want 303", page.Code)
			}
		})
	}
}

// An erasure whose answer is lost leads to its receipt, if it is in the ledger.
func TestErasureWithoutAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ledger, to string
		code       int
	}{
		"in the ledger": {`{"erasures":[{"id":"other","person_id":7},{"id":"ours","person_id":1}]}`, "/erasures/ours", http.StatusSeeOther},
		"not in it":     {`{"erasures":[{"id":"other","person_id":7}]}`, "", http.StatusGatewayTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := receiverOf(t, newAlbum(t, "Anna"), func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					fmt.Fprint(w, c.ledger)
					return
				}
				w.WriteHeader(http.StatusInternalServerError)
				fmt.Fprint(w, `{"error":{"code":"internal","message":"it broke"}}`)
			})
			page := do(t, h, local(t, http.MethodPost, "/people/1/erase", "version=1"))
			if got := page.Header.Get("Location"); page.Code != c.code || got != c.to {
				t.Errorf("got %d to %q, want %d to %q", page.Code, got, c.code, c.to)
			}
		})
	}
}

// Known pictures that were added before a failure are told of.
func TestKnownPicturesBeforeAFailure(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	var sent atomic.Int64
	h := receiverOf(t, a, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if sent.Add(1) > 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"error":{"code":"unavailable","message":"the database is away"}}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"known_picture":{"id":7}}`)
	})
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := range 4 {
		part, err := form.CreateFormFile("file", fmt.Sprintf("%d.png", i))
		a.check(err)
		_, err = part.Write([]byte("a picture"))
		a.check(err)
	}
	a.check(form.Close())
	req := local(t, http.MethodPost, personURL(a.people["Anna.jpg"].ID)+"/known", body.String())
	req.Header.Set("Content-Type", form.FormDataContentType())
	page := do(t, h, req)
	if got := page.words(".ask > p"); page.Code != http.StatusBadGateway || !strings.Contains(got, "2 pictures were added. The rest was not") || page.Find(".known-log .good").Length() != 2 {
		t.Errorf("got %d, %q", page.Code, page.words("main"))
	}
}

// The name of somebody who was erased is not found in the list that is kept, nor counted.
func TestErasedNameIsNotFound(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna", "Bela")
	h := serve(t, a.Store, func(o *frontend.Options) { o.CountsFor = time.Hour })
	if got := get(t, h, "/people?q=anna"); len(got.each(".tile-name")) != 1 {
		t.Fatalf("before: %q", got.words("main"))
	}
	_, err := a.DeletePerson(t.Context(), a.people["Anna.jpg"].ID, faces.AnyVersion)
	a.check(err)
	for _, target := range []string{"/people?q=anna", "/people?q=anna&show=hidden", "/people?q=anna&need=consent"} {
		page := get(t, h, target)
		if got := page.words(".chips"); len(page.each(".tile-name")) != 0 || strings.Contains(got, "1") {
			t.Errorf("%s: %q, chips %q", target, page.each(".tile-name"), got)
		}
	}
	if got := get(t, h, "/people").words(".chips"); !strings.HasPrefix(got, "All 1 ") {
		t.Errorf("the chips say %q", got)
	}
}

// manyPeople is a store whose list of people takes a while.
type manyPeople struct {
	*store.Store
	reads atomic.Int64
}

func (m *manyPeople) PeopleNeeds(ctx context.Context) ([]store.PersonNeeds, error) {
	m.reads.Add(1)
	<-time.After(400 * time.Millisecond) // so the list is kept for 8 s
	return m.Store.PeopleNeeds(ctx)
}

// A large list of people is not read anew for each look while others change people, nor
// after a refusal; after a change of one's own it is.
func TestPeopleListWhileOthersChange(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			w.WriteHeader(http.StatusPreconditionFailed)
			fmt.Fprint(w, `{"error":{"code":"stale","message":"it has changed"}}`)
			return
		}
		fmt.Fprint(w, `{"id":1}`)
	}))
	t.Cleanup(away.Close)
	to, err := frontend.NewAPI(away.URL, nil)
	a.check(err)
	many := &manyPeople{Store: a.Store}
	dashboard, err := frontend.New(many, frontend.Options{API: to, Address: "127.0.0.1:0", UnknownPeople: root, Everybody: access.AdminRole})
	a.check(err)
	h := dashboard.Handler()
	web := httptest.NewServer(h)
	t.Cleanup(func() { dashboard.EndStreams(); web.Close() })
	_, err = a.SequenceEvents(t.Context(), 100) // those of before
	a.check(err)
	messages := streamOf(t, web, "")
	look := func() answered { return do(t, h, local(t, http.MethodGet, "/people", "")) }
	begin := time.Now()
	look()
	for i := range 4 {
		_, err := a.AddPerson(t.Context(), "Person "+strconv.Itoa(i))
		a.check(err)
		_, err = a.SequenceEvents(t.Context(), 100)
		a.check(err)
		next(t, messages)
		look()
	}
	do(t, h, local(t, http.MethodPost, "/people/1/rename", "version=1&name=Zoe"))
	look()
	if n, most := many.reads.Load(), 1+int64(time.Since(begin)/(8*time.Second)); n == 0 || n > most {
		t.Errorf("the list was read %d times, want at most %d", n, most)
	}
	do(t, h, local(t, http.MethodPost, "/people", "name=Zoe"))
	if got := len(look().each(".tile-name")); got != 5 {
		t.Errorf("after a change of one's own, the list has %d people, want 5", got)
	}
}
