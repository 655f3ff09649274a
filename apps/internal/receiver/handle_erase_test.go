package receiver_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/erasedsearch"
	"github.com/rollcall-faces/rollcall/apps/internal/eraser"
	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// eraseRig is a receiver with a database file, both volumes and a recognizer, which can
// be started again on what another moment left.
type eraseRig struct {
	*client
	t                    *testing.T
	dir                  string
	file, known, unknown string
	seer                 *recognizerclient.Client
	store                *store.Store
	before               func(step string) error
}

func newEraseRig(t *testing.T) *eraseRig {
	t.Helper()
	dir := t.TempDir()
	r := &eraseRig{t: t, dir: dir, file: filepath.Join(dir, "db", "rollcall.db"), known: filepath.Join(dir, "known"), unknown: filepath.Join(dir, "unknown")}
	r.write(filepath.Join(r.known, "Bob/1.png"), fakeengine.Portrait(blue))
	r.write(filepath.Join(r.known, "Ann Quux/1.png"), fakeengine.Portrait(red))
	r.write(filepath.Join(r.unknown, "theirs.png"), fakeengine.Group(blue, red))
	r.seer = dial(t, startRecognizer(t, r.known, r.unknown))
	r.start()
	r.enrolFolders()
	return r
}

func (r *eraseRig) write(name string, content []byte) {
	r.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, content, 0o644)); err != nil {
		r.t.Fatal(err)
	}
}

// start starts a receiver on the files as they are.
func (r *eraseRig) start() {
	r.t.Helper()
	if r.store != nil {
		r.must(r.store.Close())
	}
	r.must(os.MkdirAll(filepath.Dir(r.file), 0o755))
	var err error
	r.store, err = store.OpenSQLite(r.file)
	r.must(err)
	r.t.Cleanup(func() { r.store.Close() })
	_, err = r.store.Migrate(r.t.Context(), r.unknown)
	r.must(err)
	opts := uploadOptions(r.unknown)
	opts.KnownPeople, opts.MaxBody = r.known, 1<<20
	opts.Erasures.Before = func(step string) error {
		if r.before != nil {
			return r.before(step)
		}
		return nil
	}
	reg := prometheus.NewRegistry()
	server := receiver.New(r.store, nowhere{}, r.seer, opts, quiet, reg)
	r.t.Cleanup(server.Close)
	web := httptest.NewServer(server.Handler(reg, func(context.Context) error { return nil }))
	r.t.Cleanup(web.Close)
	r.client = &client{t: r.t, http: web.Client(), url: web.URL, server: server, metrics: reg}
}

func (r *eraseRig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// enrolFolders does what standalone does every ten seconds.
func (r *eraseRig) enrolFolders() store.Enrolment {
	r.t.Helper()
	wanted := map[string]string{}
	for _, name := range []string{"Bob/1.png", "Ann Quux/1.png"} {
		wanted[name], _, _ = strings.Cut(name, "/")
	}
	e, err := r.store.SyncKnownImages(r.t.Context(), wanted, func(name string) bool { return !strings.HasPrefix(name, "_") })
	r.must(err)
	return e
}

// look has an image processed as a processor does.
func (r *eraseRig) look(id int64) {
	r.t.Helper()
	ctx := r.t.Context()
	claims, err := r.store.Claim(ctx, "test", []int64{id}, time.Minute)
	r.must(err)
	if len(claims.Claimed) != 1 {
		r.t.Fatalf("image %d is not to be processed: %+v", id, claims)
	}
	rec, err := r.seer.Recognize(ctx, claims.Claimed[0].Path, faces.File{})
	r.must(err)
	r.must(r.store.UseModel(ctx, rec.Model))
	deciding, err := faces.PrepareDeciding(ctx, r.store, rec)
	r.must(err)
	said, err := r.store.Corrections(ctx, []int64{id})
	r.must(err)
	stale, err := r.store.Finish(ctx, []store.Result{{Lease: claims.Claimed[0].Lease, Outcome: deciding.Decide(rec, said...), File: rec.File}})
	r.must(err)
	if len(stale) > 0 {
		r.t.Fatalf("image %d: the lease was lost", id)
	}
}

// everything has Ann Quux in every table and on both volumes, by using the API. It
// returns her id, an uploaded image of hers and one that somebody else's program wrote.
func (r *eraseRig) everything() (ann, uploaded, theirs int64) {
	r.t.Helper()
	people := read[api.PersonList](r.get("/api/v1/people?name=Ann%20Quux").expect(http.StatusOK))
	ann = people.People[0].ID
	at := fmt.Sprintf("/api/v1/people/%d", ann)
	r.do(http.MethodPost, at+"/known-pictures?accept=too_small,looks_like_other,blurred", string(fakeengine.Portrait(green)), "Content-Type", "image/png", "Idempotency-Key", "known").expect(http.StatusCreated)
	other := read[api.PersonDetail](r.do(http.MethodPost, "/api/v1/people", `{"name":"Quux Alias"}`, "Idempotency-Key", "add").expect(http.StatusCreated))
	r.do(http.MethodPost, at+"/merge", fmt.Sprintf(`{"person_id":%d,"version":-1}`, other.ID), "If-Match", "*", "Idempotency-Key", "merge").expect(http.StatusOK)
	kind, form := pictureForm(r.t, "file", fakeengine.Group(red, blue, green))
	form = bytes.ReplaceAll(form, []byte("../../etc/passwd"), []byte("ann QUUX.png"))
	posted := r.do(http.MethodPost, "/api/v1/images", string(form), "Content-Type", kind, "Idempotency-Key", "upload").expect(http.StatusAccepted)
	uploaded = read[api.PostedImages](posted).Images[0].ID
	theirs = r.postOne("theirs.png").ID
	r.look(uploaded)
	r.look(theirs)
	img := read[api.ImageDetail](r.get(fmt.Sprintf("/api/v1/images/%d", uploaded)).expect(http.StatusOK))
	if len(img.Faces) != 3 {
		r.t.Fatalf("%d faces, want 3", len(img.Faces))
	}
	r.do(http.MethodPost, fmt.Sprintf("/api/v1/faces/%d/person", img.Faces[2].ID), `{"name":"Ann Quux"}`, "Idempotency-Key", "say").expect(http.StatusOK)
	r.do(http.MethodPost, fmt.Sprintf("/api/v1/faces/%d/not-person", img.Faces[1].ID), fmt.Sprintf(`{"person_id":%d}`, ann)).expect(http.StatusOK)
	r.crop(img.Faces[0].ID)
	r.do(http.MethodPatch, at, `{"name":"Ann Quux Senior"}`, "If-Match", "*", "Idempotency-Key", "rename").expect(http.StatusOK)
	return ann, uploaded, theirs
}

// crop has a crop rendered and kept.
func (r *eraseRig) crop(face int64) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, fmt.Sprintf("%s/api/v1/faces/%d/crop", r.url, face), nil)
	r.must(err)
	res, err := r.http.Do(req)
	r.must(err)
	res.Body.Close()
	if res.StatusCode != http.StatusOK || r.cached() == 0 {
		r.t.Fatalf("crop: %d, %v bytes are kept", res.StatusCode, r.cached())
	}
}

// cached returns how many bytes of renderings are kept.
func (r *eraseRig) cached() float64 {
	r.t.Helper()
	families, err := r.metrics.Gather()
	r.must(err)
	for _, f := range families {
		if f.GetName() == "rollcall_render_cache_bytes" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	r.t.Fatal("there is no metric of the cache")
	return 0
}

// erase asks for an erasure.
func (r *eraseRig) erase(person int64, body string) api.StartedErasure {
	r.t.Helper()
	return read[api.StartedErasure](r.do(http.MethodPost, fmt.Sprintf("/api/v1/people/%d/erase", person), body, "If-Match", "*").expect(http.StatusAccepted))
}

func (r *eraseRig) work() {
	r.t.Helper()
	r.must(r.server.Erasures().Work(r.t.Context()))
}

// verify searches as redeemer -verify-erased does, and returns what it printed.
func (r *eraseRig) verify(want error) string {
	r.t.Helper()
	var out bytes.Buffer
	err := erasedsearch.Verify(r.t.Context(), r.store, erasedsearch.Options{KnownPeople: r.known, UnknownPeople: r.unknown}, &out)
	if !errors.Is(err, want) {
		r.t.Errorf("verify: %v, want %v\n%s", err, want, out.String())
	}
	if strings.Contains(strings.ToLower(out.String()), "quux") {
		r.t.Errorf("the search tells the name:\n%s", out.String())
	}
	return out.String()
}

func (r *eraseRig) receipt(id string) api.Erasure {
	r.t.Helper()
	return read[api.Erasure](r.get("/api/v1/erasures/" + id).expect(http.StatusOK))
}

// traces returns the files below the folder that hold one of the texts, without those
// that others wrote. The recognizer of this rig does not look at its folder again; see
// TestErasedFilesLeaveTheGallery for its cache.
func (r *eraseRig) traces(texts ...[]byte) (files []string) {
	r.t.Helper()
	r.must(filepath.WalkDir(r.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(name, filepath.Join(r.known, "Ann Quux")) || strings.HasPrefix(name, filepath.Join(r.known, ".rollcall/")) || strings.Contains(name, "yesterday") {
			return err
		}
		content, err := os.ReadFile(name)
		for _, text := range texts {
			if bytes.Contains(bytes.ToLower(append([]byte(name), content...)), bytes.ToLower(text)) {
				files = append(files, fmt.Sprintf("%s has %.20q", strings.TrimPrefix(name, r.dir), text))
			}
		}
		return err
	}))
	return files
}

// secrets are what must be nowhere after an erasure with images=keep: the name, and the
// descriptors of the two faces.
func secrets() [][]byte {
	return [][]byte{[]byte("Quux"), fakeengine.Describe(red).Bytes(), fakeengine.Describe(green).Bytes()}
}

func TestEraseEverywhere(t *testing.T) {
	t.Parallel()
	r := newEraseRig(t)
	ann, uploaded, theirs := r.everything()
	if before := r.traces(secrets()...); len(before) < 3 {
		t.Fatalf("before: %v; this test would prove nothing", before)
	}
	plan := read[api.ErasurePlan](r.do(http.MethodPost, fmt.Sprintf("/api/v1/people/%d/erase", ann), `{"dry_run":true}`, "If-Match", "*").expect(http.StatusOK))
	if len(plan.KeptImages) != 2 || len(plan.LeftFiles) != 1 || plan.LeftFiles[0] != "Ann Quux/1.png" || plan.Counts["known_files"] != 1 {
		t.Errorf("plan: %+v", plan)
	}
	started := r.erase(ann, `{}`)
	if len(started.LeftFiles) != 1 || len(started.Erasure.KeptImages) != 2 {
		t.Errorf("started: %+v", started)
	}
	// She is shown nowhere from the first transaction on.
	r.get(fmt.Sprintf("/api/v1/people/%d", ann)).refused(http.StatusNotFound, "not_found")
	for _, id := range []int64{uploaded, theirs} {
		if text := string(r.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(http.StatusOK).body); strings.Contains(strings.ToLower(text), "quux") && id == theirs {
			t.Errorf("image %d: %s", id, text)
		}
	}
	if n := r.cached(); n != 0 {
		t.Errorf("%v bytes of renderings are kept", n)
	}
	r.work()
	if left := r.traces(secrets()...); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	r.verify(nil)
	if got := r.receipt(started.Erasure.ID); got.State != api.ErasureVerified || got.VerifiedAt == nil || got.LeftFiles != 1 || got.Counts["known_files"] != 1 {
		t.Errorf("receipt: %+v", got)
	}
	// Files of others are untouched, and nobody is enrolled by them.
	if _, err := os.Stat(filepath.Join(r.known, "Ann Quux/1.png")); err != nil {
		t.Error(err)
	}
	if e := r.enrolFolders(); len(e.PeopleAdded)+len(e.ImagesAdded) > 0 {
		t.Errorf("enrolled again: %+v", e)
	}
	// A repeated request is told that its answer is gone, and is not carried out again.
	r.do(http.MethodPost, "/api/v1/people", `{"name":"Quux Alias"}`, "Idempotency-Key", "add").refused(http.StatusConflict, "answer_not_kept")
	if again := r.erase(ann, `{"images":"delete"}`); again.Erasure.ID != started.Erasure.ID {
		t.Errorf("erased again: %+v", again)
	}
	// A later look describes no face of hers.
	for _, id := range []int64{uploaded, theirs} {
		if _, err := r.store.RequestRescans(t.Context(), []int64{id}, false); err != nil {
			t.Fatal(err)
		}
		r.look(id)
		img := read[api.ImageDetail](r.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(http.StatusOK))
		if len(img.Faces) != 1 || img.Faces[0].Person == nil || img.Faces[0].Person.Name != "Bob" {
			t.Errorf("image %d after a rescan: %+v", id, img.Faces)
		}
	}
	r.must(r.store.Compact(t.Context()))
	if left := r.traces(secrets()...); len(left) > 0 {
		t.Errorf("left after a rescan: %v", left)
	}
	r.verify(nil)
}

// TestEraseKilledAtEveryStep ends the job before each step in turn, as a kill does, and
// starts a new receiver on what is there.
func TestEraseKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, images := range []string{"keep", "delete"} {
		t.Run(images, func(t *testing.T) {
			t.Parallel()
			r := newEraseRig(t)
			ann, uploaded, theirs := r.everything()
			killed := errors.New("killed")
			started := r.erase(ann, `{"images":"`+images+`"}`)
			for _, step := range eraser.Steps() {
				r.before = func(next string) error {
					if next == step {
						return killed
					}
					return nil
				}
				r.start()
				r.must(r.endLeases())
				if err := r.server.Erasures().Work(t.Context()); !errors.Is(err, killed) {
					t.Fatalf("killed before %s: %v", step, err)
				}
				if state := r.receipt(started.Erasure.ID).State; state != api.ErasureErasing {
					t.Errorf("killed before %s: state %s", step, state)
				}
			}
			r.before = nil
			r.start()
			r.must(r.endLeases())
			r.work()
			r.verify(nil)
			if left := r.traces(secrets()...); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			gone := http.StatusOK
			if images == "delete" {
				gone = http.StatusNotFound
				if files, err := filepath.Glob(filepath.Join(r.unknown, "uploads/[0-9a-f][0-9a-f]/*")); err != nil || len(files) > 0 {
					t.Errorf("uploads left: %v, %v", files, err)
				}
			}
			for _, id := range []int64{uploaded, theirs} {
				r.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(gone)
			}
			if _, err := os.Stat(filepath.Join(r.unknown, "theirs.png")); err != nil {
				t.Errorf("a file of others: %v", err)
			}
		})
	}
}

// endLeases does what half a minute does.
func (r *eraseRig) endLeases() error {
	db, err := sql.Open("sqlite", r.file)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(r.t.Context(), "UPDATE erasures SET lease_until = NULL")
	return errors.Join(err, db.Close())
}

// copyTree keeps a folder as it is now.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// TestEraseAfterARestore restores what a backup of before the erasure has.
func TestEraseAfterARestore(t *testing.T) {
	t.Parallel()
	for name, volumes := range map[string]bool{"of the database": false, "of the database and both volumes": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newEraseRig(t)
			ann, _, _ := r.everything()
			r.must(r.store.Close())
			yesterday := filepath.Join(r.dir, "yesterday")
			for _, folder := range []string{"db", "known", "unknown"} {
				copyTree(t, filepath.Join(r.dir, folder), filepath.Join(yesterday, folder))
			}
			r.store = nil
			r.start()
			r.erase(ann, `{}`)
			r.work()
			r.verify(nil)
			ledger := string(r.get("/api/v1/erasure-ledger").expect(http.StatusOK).body)
			if strings.Contains(strings.ToLower(ledger), "quux") {
				t.Error("the ledger has the name")
			}
			r.must(r.store.Close())
			r.store = nil
			copyTree(t, filepath.Join(yesterday, "db"), filepath.Dir(r.file))
			if volumes {
				copyTree(t, filepath.Join(yesterday, "known"), r.known)
				copyTree(t, filepath.Join(yesterday, "unknown"), r.unknown)
			}
			r.start()
			r.get(fmt.Sprintf("/api/v1/people/%d", ann)).expect(http.StatusOK) // she is back
			if volumes {
				done := read[api.ReplayedErasures](r.do(http.MethodPost, "/api/v1/erasure-ledger", ledger).expect(http.StatusOK))
				if done.Replayed != 1 {
					t.Errorf("replayed: %+v", done)
				}
			} else {
				if out := r.verify(erasedsearch.ErrFound); !strings.Contains(out, "does not know it") {
					t.Errorf("before the replay: %s", out)
				}
				if n, err := r.server.Erasures().Replay(t.Context()); n != 1 || err != nil {
					t.Errorf("replayed %d: %v", n, err)
				}
			}
			r.get(fmt.Sprintf("/api/v1/people/%d", ann)).refused(http.StatusNotFound, "not_found")
			r.work()
			r.verify(nil)
			if left := r.traces(secrets()...); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if e := r.enrolFolders(); len(e.PeopleAdded)+len(e.ImagesAdded) > 0 {
				t.Errorf("enrolled again: %+v", e)
			}
			done := read[api.ReplayedErasures](r.do(http.MethodPost, "/api/v1/erasure-ledger", ledger).expect(http.StatusOK))
			if done.Replayed != 0 || done.Known != 1 {
				t.Errorf("replayed again: %+v", done)
			}
		})
	}
}

func TestEraseRefuses(t *testing.T) {
	t.Parallel()
	r := newEraseRig(t)
	bob := read[api.PersonList](r.get("/api/v1/people?name=Bob").expect(http.StatusOK)).People[0].ID
	at := fmt.Sprintf("/api/v1/people/%d/erase", bob)
	r.do(http.MethodPost, at, `{}`).refused(http.StatusPreconditionRequired, "precondition_required")
	r.do(http.MethodPost, at, `{}`, "If-Match", `"77"`).refused(http.StatusPreconditionFailed, "stale")
	r.do(http.MethodPost, at, `{"dryrun":true}`, "If-Match", "*").refused(http.StatusBadRequest, "invalid_request") // a real one would follow
	r.do(http.MethodPost, at, ``, "If-Match", "*").refused(http.StatusBadRequest, "invalid_request")
	r.do(http.MethodPost, at, `{"images":"all"}`, "If-Match", "*").refused(http.StatusBadRequest, "invalid_request")
	r.get("/api/v1/erasures/7").refused(http.StatusBadRequest, "invalid_request")
	r.get("/api/v1/erasures/"+strings.Repeat("a", 26)).refused(http.StatusNotFound, "not_found")
	for _, entry := range []string{`{}`, `{"id":"../../x"}`, `{"id":"` + strings.Repeat("a", 26) + `","person_id":1,"images":"keep","names":[],"salt":"` + strings.Repeat("00", 32) + `"}`} {
		r.do(http.MethodPost, "/api/v1/erasure-ledger", `{"entries":[`+entry+`]}`).refused(http.StatusBadRequest, "invalid_request")
	}
	if files, err := os.ReadDir(filepath.Join(r.known, erasure.LedgerFolder)); err == nil {
		t.Errorf("the ledger has %d entries of refused requests", len(files))
	}
	// The volume of the ledger is read-only: nothing happens.
	r.must(os.WriteFile(filepath.Join(r.known, erasure.LedgerFolder), nil, 0o400))
	r.do(http.MethodPost, at, `{}`, "If-Match", "*").refused(http.StatusServiceUnavailable, "unavailable")
	r.get(fmt.Sprintf("/api/v1/people/%d", bob)).expect(http.StatusOK)
	var list api.ErasureList
	r.must(json.Unmarshal(r.get("/api/v1/erasures?limit=1").expect(http.StatusOK).body, &list))
	if len(list.Erasures) != 0 {
		t.Errorf("erasures: %+v", list)
	}
}

// TestSearchPassesOverPicturesPostedAgain posts the same picture again, which has the
// same path, by its content.
func TestSearchPassesOverPicturesPostedAgain(t *testing.T) {
	t.Parallel()
	r := newEraseRig(t)
	ann, _, theirs := r.everything()
	id := r.erase(ann, `{"images":"delete"}`).Erasure.ID
	r.work()
	r.verify(nil)
	kind, form := pictureForm(t, "file", fakeengine.Group(red, blue, green))
	posted := read[api.PostedImages](r.do(http.MethodPost, "/api/v1/images", string(form), "Content-Type", kind).expect(http.StatusAccepted))
	r.look(posted.Images[0].ID)
	again := r.postOne("theirs.png").ID
	if again == theirs {
		t.Fatalf("image %d has its id again", theirs)
	}
	r.look(again)
	r.verify(nil)
	if got := r.receipt(id); got.State != api.ErasureVerified {
		t.Errorf("receipt: %+v", got)
	}
	// A file that no row has is found all the same.
	r.delete(fmt.Sprintf("/api/v1/images/%d", posted.Images[0].ID))
	r.verify(nil)
	r.write(filepath.Join(r.unknown, "uploads", r.uploadName()[:2], r.uploadName()), []byte("x"))
	if out := r.verify(erasedsearch.ErrFound); !strings.Contains(out, "UNKNOWN_PEOPLE/uploads, picture that shows the person") {
		t.Errorf("a file without a row: %s", out)
	}
}

func (r *eraseRig) delete(url string) {
	r.t.Helper()
	if a := r.do(http.MethodDelete, url, "", "If-Match", "*"); a.code/100 != 2 {
		r.t.Fatalf("delete %s: %d, %s", url, a.code, a.body)
	}
}

// uploadName returns the name of the file that an upload of fakeengine.Group(red, blue,
// green) gets.
func (r *eraseRig) uploadName() string {
	sum := sha256.Sum256(fakeengine.Group(red, blue, green))
	return hex.EncodeToString(sum[:]) + ".png"
}

// TestSearchPassesOverPeopleWhoCameBack enrols somebody again, with the same picture.
func TestSearchPassesOverPeopleWhoCameBack(t *testing.T) {
	t.Parallel()
	r := newEraseRig(t)
	ann, _, _ := r.everything()
	id := r.erase(ann, `{}`).Erasure.ID
	r.work()
	r.verify(nil)
	back := read[api.PersonDetail](r.do(http.MethodPost, "/api/v1/people", `{"name":"Ann Quux Senior"}`, "Idempotency-Key", "back").expect(http.StatusCreated))
	r.do(http.MethodPost, fmt.Sprintf("/api/v1/people/%d/known-pictures?accept=too_small,looks_like_other,blurred", back.ID), string(fakeengine.Portrait(green)),
		"Content-Type", "image/png", "Idempotency-Key", "known-again").expect(http.StatusCreated)
	r.verify(nil)
	if got := r.receipt(id); got.State != api.ErasureVerified {
		t.Errorf("receipt: %+v", got)
	}
	// What is left of her when she leaves again is found.
	r.delete(fmt.Sprintf("/api/v1/people/%d", back.ID))
	sum := sha256.Sum256(fakeengine.Portrait(green))
	text := hex.EncodeToString(sum[:])
	r.write(filepath.Join(r.known, faces.WrittenFolder, text[:2], text+".png"), []byte("x"))
	if out := r.verify(erasedsearch.ErrFound); !strings.Contains(out, "known picture") {
		t.Errorf("a file without a row: %s", out)
	}
}

// TestEraseUploadsLeavesUsedFilesInPlace repeats the job while a live image, and somebody
// who is there, use the files: a moment without their names is a picture that cannot be read.
func TestEraseUploadsLeavesUsedFilesInPlace(t *testing.T) {
	t.Parallel()
	r := newEraseRig(t)
	ann, _, _ := r.everything()
	id := r.erase(ann, `{"images":"delete"}`).Erasure.ID
	r.work()
	kind, form := pictureForm(t, "file", fakeengine.Group(red, blue, green))
	r.do(http.MethodPost, "/api/v1/images", string(form), "Content-Type", kind).expect(http.StatusAccepted)
	back := read[api.PersonDetail](r.do(http.MethodPost, "/api/v1/people", `{"name":"Ann Quux"}`).expect(http.StatusCreated))
	r.do(http.MethodPost, fmt.Sprintf("/api/v1/people/%d/known-pictures?accept=too_small,looks_like_other,blurred", back.ID), string(fakeengine.Portrait(green)), "Content-Type", "image/png").expect(http.StatusCreated)
	sum := sha256.Sum256(fakeengine.Portrait(green))
	known := hex.EncodeToString(sum[:])
	long := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	folders := []string{filepath.Join(r.unknown, "uploads", r.uploadName()[:2]), filepath.Join(r.known, faces.WrittenFolder, known[:2])}
	for _, folder := range folders {
		r.must(os.Chtimes(folder, long, long))
	}
	r.must(r.store.NoteErasureSearch(t.Context(), id, []string{"images, image 1 that shows the person"})) // the job runs again
	r.work()
	if got := r.receipt(id); got.State != api.ErasureErased {
		t.Errorf("the job did not run again: %+v", got)
	}
	for _, folder := range folders { // a renaming changes the time of the folder
		info, err := os.Stat(folder)
		r.must(err)
		if !info.ModTime().Equal(long) {
			t.Errorf("a file of %s had another name", strings.TrimPrefix(folder, r.dir))
		}
	}
}

// TestSearchFindsSecondNamesOfErasedUploads kills a receiver while it deletes a file.
func TestSearchFindsSecondNamesOfErasedUploads(t *testing.T) {
	t.Parallel()
	r := newEraseRig(t)
	ann, _, _ := r.everything()
	id := r.erase(ann, `{"images":"delete"}`).Erasure.ID
	r.work()
	r.verify(nil)
	second := filepath.Join(r.unknown, "uploads/.del-ABCDEFGHIJKLMNOPQRSTUVWXYZ-"+r.uploadName())
	r.write(second, fakeengine.Group(red, blue, green))
	if out := r.verify(erasedsearch.ErrFound); !strings.Contains(out, "UNKNOWN_PEOPLE/uploads, picture that shows the person: 1") {
		t.Errorf("the search: %s", out)
	}
	r.work() // again, because something was found
	if _, err := os.Stat(second); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is left: %v", err)
	}
	r.verify(nil)
	if got := r.receipt(id); got.State != api.ErasureVerified {
		t.Errorf("receipt: %+v", got)
	}
	// A second name of another picture, and names that are not Rollcall's, are no trace.
	for _, name := range []string{"uploads/.del-X-" + strings.Repeat("ab", 32) + ".png", "uploads/.del-X", "uploads/.del-X-a", "uploads/.del-"} {
		r.write(filepath.Join(r.unknown, name), []byte("x"))
	}
	r.verify(nil)
}
