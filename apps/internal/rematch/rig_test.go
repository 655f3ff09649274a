package rematch_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/rematch"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

var lite = faces.Model{ID: "lite", Threshold: 0.5, Margin: 0.0625}

// recognizers are some recognizers that share one folder of known pictures.
type recognizers struct {
	mu       sync.Mutex // guards the fields below
	model    faces.Model
	pictures map[string]faces.Descriptor
	matched  int // descriptors
	before   func(ctx context.Context) error
	old      *recognizers // another replica, which every second call meets
	calls    int

	drawn     map[faces.Box]float64 // where the face in a box is
	file      faces.File            // of all pictures
	cannot    error                 // of DescribeFace
	described int
}

func newRecognizers() *recognizers {
	return &recognizers{model: lite, pictures: map[string]faces.Descriptor{}}
}

// at is a descriptor at a place; places apart by one are at a distance of one.
func at(x float64) faces.Descriptor { return faces.Descriptor{float32(x)} }

func (r *recognizers) put(name string, x float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pictures[name] = at(x)
}

func (r *recognizers) take(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pictures, name)
}

// version is a hash of what is known, as that of the real ones.
func (r *recognizers) version() string {
	h := sha256.New()
	fmt.Fprint(h, r.model.ID)
	for _, name := range slices.Sorted(maps.Keys(r.pictures)) {
		d := r.pictures[name]
		fmt.Fprintf(h, "%q %x\n", name, d.Bytes())
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func (r *recognizers) gallery() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.version()
}

// replica is the one that a call meets.
func (r *recognizers) replica() *recognizers {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if r.old != nil && r.calls%2 == 0 {
		return r.old
	}
	return r
}

func (r *recognizers) GalleryInUse(context.Context) (faces.Model, string, error) {
	one := r.replica()
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.model, one.version(), nil
}

func (r *recognizers) KnownPictures(context.Context) (faces.KnownSet, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	set := faces.KnownSet{Gallery: r.version(), Model: r.model}
	for _, name := range slices.Sorted(maps.Keys(r.pictures)) {
		d := r.pictures[name]
		sum := sha256.Sum256(d.Bytes())
		set.Pictures = append(set.Pictures, faces.KnownPicture{Image: name, Content: hex.EncodeToString(sum[:])})
	}
	return set, nil
}

func (r *recognizers) Match(ctx context.Context, q faces.MatchQuery) ([][]faces.Neighbour, error) {
	r.mu.Lock()
	before := r.before
	r.mu.Unlock()
	if before != nil {
		if err := before(ctx); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.Model != r.model.ID || q.Gallery != r.version() {
		return nil, faces.Errorf(faces.CodeConflict, "other known pictures")
	}
	r.matched += len(q.Descriptors)
	near := make([][]faces.Neighbour, len(q.Descriptors))
	for i, raw := range q.Descriptors {
		d, err := faces.DescriptorFromBytes(raw)
		if err != nil {
			return nil, err
		}
		near[i] = r.near(d, q)
	}
	return near, nil
}

func (r *recognizers) near(d faces.Descriptor, q faces.MatchQuery) []faces.Neighbour {
	var all []faces.Neighbour
	for name, known := range r.pictures {
		if q.Images == nil || slices.Contains(q.Images, name) {
			all = append(all, faces.Neighbour{Image: name, Distance: d.Distance(known)})
		}
	}
	slices.SortFunc(all, func(a, b faces.Neighbour) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Image, b.Image))
	})
	l := q.Limit
	for i, n := range all {
		if i >= l.Count && (all[0].Distance > l.Within && l.Within > 0 || n.Distance > all[0].Distance+l.Slack) {
			return all[:i]
		}
	}
	return all
}

func (r *recognizers) matches() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.matched
}

// rig is a database, recognizers, and Rematchers on both.
type rig struct {
	*testing.T
	store *store.Store
	raw   *sql.DB // what another program has
	rec   *recognizers
	paths int
}

// onBoth runs a test on SQLite and on MariaDB.
func onBoth(t *testing.T, test func(r *rig)) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "rollcall.db")
		s, err := store.OpenSQLite(file)
		test(newRig(t, s, err, "sqlite", "file:"+file+"?_pragma=busy_timeout(10000)"))
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		db := mariadbtest.Database(t)
		reader := config.NewReader(config.Map(map[string]string{
			"MYSQL_CONNECTION": db.Host, "MYSQL_PORT": strconv.Itoa(db.Port), "MYSQL_DBNAME": db.Name,
			"MYSQL_USERPASSWORD": db.User + ":" + db.Password,
		}))
		cfg := config.ReadDatabase(reader)
		if err := reader.Err(); err != nil {
			t.Fatal(err)
		}
		s, err := store.OpenMySQL(cfg)
		test(newRig(t, s, err, "mysql", db.DSN()))
	})
}

func newRig(t *testing.T, s *store.Store, err error, driver, dsn string) *rig {
	t.Helper()
	r := &rig{T: t, store: s, rec: newRecognizers()}
	r.must(err)
	r.raw, err = sql.Open(driver, dsn)
	r.must(err)
	t.Cleanup(func() { r.raw.Close() })
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	_, err = s.Migrate(t.Context(), "/unknown_people")
	r.must(err)
	return r
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// know makes pictures known at their places, and drops all others: "Ada/1.jpg"
// is Ada's. A picture that is in no folder is nobody's.
func (r *rig) know(pictures map[string]float64) {
	r.Helper()
	owners := map[string]string{}
	for name := range pictures {
		if person, _, ok := strings.Cut(name, "/"); ok {
			owners[name] = person
		}
	}
	r.enrol(owners)
	for _, name := range slices.Collect(maps.Keys(r.rec.pictures)) {
		if _, ok := pictures[name]; !ok {
			r.rec.take(name)
		}
	}
	for name, x := range pictures {
		r.rec.put(name, x)
	}
}

func (r *rig) enrol(owners map[string]string) {
	r.Helper()
	_, err := r.store.SyncKnownImages(r.Context(), owners, func(string) bool { return true })
	r.must(err)
}

func options() rematch.Options {
	o := rematch.Defaults()
	o.Delay, o.Poll, o.Page, o.Settle = 0, time.Hour, 3, -time.Minute // all faces count as settled
	return o
}

func (r *rig) rematcher(o rematch.Options) *rematch.Rematcher { return r.rematcherOn(r.store, o) }

func (r *rig) rematcherOn(st rematch.Store, o rematch.Options) *rematch.Rematcher {
	log := slog.New(slog.NewTextHandler(r.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	m := rematch.New(st, r.rec, fmt.Sprintf("%s %p", r.Name(), st), o, log, prometheus.NewRegistry())
	r.Cleanup(func() {
		if err := m.Stop(context.Background()); err != nil {
			r.Error(err)
		}
	})
	return m
}

// settle turns until there is nothing to do.
func settle(m *rematch.Rematcher) {
	for idle := 0; idle < 4; idle++ {
		if m.RunOnce() {
			idle = 0
		}
	}
}

// see stores an image with faces at places, answered by what is known now.
func (r *rig) see(places ...float64) int64 {
	r.Helper()
	r.paths++
	images, err := r.store.AddImages(r.Context(), []string{fmt.Sprintf("/unknown_people/%d.jpg", r.paths)})
	r.must(err)
	r.answer(images[0].ID, r.recognize(places...))
	return images[0].ID
}

// recognize is what a recognizer sees: faces from left to right.
func (r *rig) recognize(places ...float64) faces.Recognition {
	r.rec.mu.Lock()
	defer r.rec.mu.Unlock()
	seen := faces.Recognition{Width: 800, Height: 600, Model: r.rec.model, Gallery: r.rec.version()}
	limit := r.rec.model.Limit(16)
	for i, x := range places {
		d := at(x)
		near := r.rec.near(d, faces.MatchQuery{Limit: limit})
		seen.Sightings = append(seen.Sightings, faces.Sighting{
			Box: faces.Box{X: 100 * i, Width: 80, Height: 80}, Descriptor: d,
			Neighbours: near, Horizon: limit.Horizon(near), Quality: quality(x),
		})
	}
	return seen
}

// quality is that of a face at a place: one of three is small.
func quality(x float64) faces.Quality {
	return faces.Quality{Score: 1, Size: 20 + 10*(int(x*8)%3)}
}

// answer answers a waiting image as a processor does.
func (r *rig) answer(id int64, seen faces.Recognition) {
	r.Helper()
	c, err := r.store.Claim(r.Context(), "test", []int64{id}, time.Minute)
	r.must(err)
	if len(c.Claimed) != 1 {
		r.Fatalf("image %d cannot be claimed: %+v", id, c)
	}
	r.finish(c.Claimed[0].Lease, seen)
}

func (r *rig) finish(l store.Lease, seen faces.Recognition) {
	r.Helper()
	owners, err := r.store.AllOwners(r.Context())
	r.must(err)
	said, err := r.store.Corrections(r.Context(), []int64{l.ImageID})
	r.must(err)
	r.must(r.store.UseModel(r.Context(), seen.Model))
	seen.People, err = r.store.CountKnownPeople(r.Context(), 100)
	r.must(err)
	out := faces.Decide(seen, func(image string) (faces.Person, bool) { p, ok := owners[image]; return p, ok }, said...)
	_, err = r.store.Finish(r.Context(), []store.Result{{Lease: l, Outcome: out, File: r.rec.file}})
	r.must(err)
}

// requeue lets an answered image wait for another answer, as other programs do.
func (r *rig) requeue(id int64) store.Lease {
	r.Helper()
	_, err := r.raw.ExecContext(r.Context(), "update images set status = 0, reason = 'queued' where id = ?", id)
	r.must(err)
	c, err := r.store.Claim(r.Context(), "test", []int64{id}, time.Minute)
	r.must(err)
	if len(c.Claimed) != 1 {
		r.Fatalf("image %d cannot be claimed: %+v", id, c)
	}
	return c.Claimed[0].Lease
}

func (r *rig) image(id int64) faces.Image {
	r.Helper()
	img, err := r.store.Image(r.Context(), id)
	r.must(err)
	return img
}

// says is an image's answer in a word: a name, or a reason.
func says(img faces.Image) string {
	if img.Person != nil {
		return img.Person.Name
	}
	return string(img.Reason)
}

func (r *rig) expect(what string, want map[int64]string) {
	r.Helper()
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if got := says(r.image(id)); got != want[id] {
			r.Errorf("%s: image %d is %s, want %s", what, id, got, want[id])
		}
	}
}

// latest returns the newest job.
func (r *rig) latest() history.Job {
	r.Helper()
	list, err := r.store.Rematches(r.Context(), 0, 1)
	r.must(err)
	if len(list) == 0 {
		r.Fatal("there is no re-match")
	}
	return list[0]
}

func (r *rig) jobs() int {
	r.Helper()
	list, err := r.store.Rematches(r.Context(), 0, 0)
	r.must(err)
	return len(list)
}
