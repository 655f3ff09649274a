package grouping_test

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/facefeed"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/grouping"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

const timeout = time.Minute

// rig is a database, recognizers that are fed from it, and the lease of re-matching.
type rig struct {
	*testing.T
	store *store.Store
	raw   *sql.DB // what another program has
	log   *slog.Logger
	model faces.Model
	all   []*recognizerclient.Replica // the recognizers that there are
	feeds chan bool                   // each receive is the question whether to feed
	token atomic.Int64
	paths int
}

// model is a model set in which faces a tenth apart are in one group, and 0.2 is too wide.
func model() faces.Model {
	m := fakeengine.Model()
	m.GroupDistance = 0.1
	m.Floors.Size = 20
	return m
}

// databases are the kinds of databases on which the whole way is tested.
var databases = map[string]func(t *testing.T) (*store.Store, *sql.DB){"SQLite": onSQLite, "MariaDB": onMariaDB}

func onSQLite(t *testing.T) (*store.Store, *sql.DB) {
	file := filepath.Join(t.TempDir(), "rollcall.db")
	s, err := store.OpenSQLite(file)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	return s, raw
}

func onMariaDB(t *testing.T) (*store.Store, *sql.DB) {
	db := mariadbtest.Database(t)
	r := config.NewReader(config.Map(map[string]string{
		"MYSQL_CONNECTION": db.Host, "MYSQL_PORT": strconv.Itoa(db.Port), "MYSQL_DBNAME": db.Name,
		"MYSQL_USERPASSWORD": db.User + ":" + db.Password, "ROLLCALL_DB_CONNECTIONS": "8",
	}))
	cfg := config.ReadDatabase(r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenMySQL(cfg)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("mysql", db.DSN())
	if err != nil {
		t.Fatal(err)
	}
	return s, raw
}

func newRig(t *testing.T, open func(t *testing.T) (*store.Store, *sql.DB)) *rig {
	t.Helper()
	r := &rig{T: t, model: model(), log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))}
	r.store, r.raw = open(t)
	t.Cleanup(func() { r.store.Close(); r.raw.Close() })
	_, err := r.store.Migrate(t.Context(), "/unknown_people")
	r.must(err)
	r.feeds = make(chan bool)
	list := func(context.Context) ([]*recognizerclient.Replica, error) { return r.all, nil }
	o := facefeed.Defaults()
	o.Poll, o.FullPause, o.AwayPause = time.Millisecond, 0, 0
	feeder := facefeed.New(r.store, list, func() bool { return <-r.feeds }, o, r.log, prometheus.NewRegistry())
	feeder.Start()
	t.Cleanup(func() {
		close(r.feeds)
		r.must(feeder.Stop(context.Background()))
	})
	r.takeLease()
	return r
}

// takeLease makes another program the holder of the lease of re-matching.
func (r *rig) takeLease() {
	r.Helper()
	_, err := r.raw.ExecContext(r.Context(), "UPDATE rematch_state SET lease_until = NULL")
	r.must(err)
	token, ok, err := r.store.LeaseRematch(r.Context(), "test", 0, time.Hour)
	r.must(err)
	if !ok {
		r.Fatal("the lease cannot be taken")
	}
	r.token.Store(token)
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) exec(query string, args ...any) {
	r.Helper()
	_, err := r.raw.ExecContext(r.Context(), query, args...)
	r.must(err)
}

// machine is a recognizer that can be restarted at its address.
type machine struct {
	*rig
	opts    recognizer.Options
	model   faces.Model
	address string
	stop    func()
	replica *recognizerclient.Replica
}

// recognizer starts a recognizer with a model set, whose index may have a number of faces.
func (r *rig) recognizer(model faces.Model, capacity int) *machine {
	r.Helper()
	dir := r.TempDir()
	m := &machine{rig: r, model: model, address: "127.0.0.1:0", opts: recognizer.Options{
		KnownPeople: filepath.Join(dir, "known"), UnknownPeople: filepath.Join(dir, "unknown"), Engines: 1, MaxPixels: 1 << 20, Refresh: time.Hour,
		FaceIndexMemory: int64(capacity) * nearest.FaceBytes(fakeengine.Size), NearListed: 3, // most lists come in parts
	}}
	if capacity == 0 {
		m.opts.FaceIndexMemory = -1
	}
	for _, folder := range []string{m.opts.KnownPeople, m.opts.UnknownPeople} {
		r.must(os.Mkdir(folder, 0o755))
	}
	m.start()
	r.Cleanup(func() { m.stop() })
	replicas := recognizerclient.NewReplicas(recognizerclient.Options{Address: m.address, Timeout: timeout})
	r.Cleanup(func() { replicas.Close() })
	list, err := replicas.List(r.Context())
	r.must(err)
	m.replica = list[0]
	r.all = append(r.all, m.replica)
	return m
}

func (m *machine) start() {
	m.Helper()
	one, err := recognizer.New(m.opts, m.model, (&fakeengine.Studio{}).Open, fakeengine.Kernel{}, m.log, prometheus.NewRegistry())
	m.must(err)
	listener, err := net.Listen("tcp", m.address)
	m.must(err)
	m.address = listener.Addr().String()
	part := recognizer.NewServer(one, nil, m.log).Part(func() (net.Listener, error) { return listener, nil })
	m.must(part.Start(m.Context(), func(err error) { m.Errorf("the recognizer failed: %v", err) }))
	one.Start()
	m.stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		m.must(part.Stop(ctx))
		m.must(one.Close(ctx))
	}
}

// restart restarts a recognizer, whose index is empty then.
func (m *machine) restart() {
	m.Helper()
	m.stop()
	m.start()
	wait.Until(m.T, "the connection is back", func() bool {
		_, _, err := m.replica.CheckFaces(m.Context(), "", 0, 0, 0)
		return err == nil
	})
}

// options have small pages, so that there are many. Every round compares a page.
func options() grouping.Options {
	o := grouping.Defaults()
	o.Takeover, o.Page, o.Compare, o.Checkpoint = 0, 7, 0, 0
	return o
}

// runner returns a program that groups, with its metrics. Its events come without delay.
func (r *rig) runner(st grouping.Store, o grouping.Options) (*grouping.Runner, *prometheus.Registry) {
	reg := prometheus.NewRegistry()
	list := func(context.Context) ([]*recognizerclient.Replica, error) { return r.all, nil }
	return grouping.New(cmp.Or(st, grouping.Store(r.store)), list, r.token.Load, o, r.log, reg), reg
}

// feed fills the recognizers' indexes, and numbers the events. Nothing is fed when it has
// returned.
func (r *rig) feed() {
	r.Helper()
	for round := 0; round < 2 || !r.fed(); round++ {
		if round > 500 {
			r.Fatal("the indexes do not become equal to the database")
		}
		r.feeds <- true
	}
	r.feeds <- false
	r.number()
}

// fed reports whether all indexes that can be are equal to the database.
func (r *rig) fed() bool {
	r.Helper()
	newest, err := r.store.NewestFace(r.Context())
	r.must(err)
	for _, one := range r.all {
		x, _, err := one.CheckFaces(r.Context(), "", 0, 0, 0)
		if err != nil || x.Capacity == 0 || x.Full {
			continue
		}
		want, _, err := r.store.SummarizeFaces(r.Context(), x.Model, 0, math.MaxInt64, 1_000_000)
		r.must(err)
		_, got, err := one.CheckFaces(r.Context(), x.Model.ID, 0, math.MaxInt64, newest)
		r.must(err)
		if got != want || !x.Complete {
			return false
		}
	}
	return true
}

// number numbers the events, as a receiver does.
func (r *rig) number() {
	r.Helper()
	for {
		n, err := r.store.SequenceEvents(r.Context(), 100)
		r.must(err)
		if n == 0 {
			return
		}
	}
}

// run runs some rounds: enough to see what has changed.
func (r *rig) run(g *grouping.Runner) {
	for idle := 0; idle < 2; idle++ {
		if g.RunOnce(r.Context()) {
			idle = 0
		}
	}
}

// place is where a face is: the distance of two faces is that of their places.
type place struct{ x, y float64 }

func (p place) descriptor() faces.Descriptor {
	d := make(faces.Descriptor, fakeengine.Size)
	d[0], d[1] = float32(p.x), float32(p.y)
	return d
}

// at returns places on a line.
func at(xs ...float64) []place {
	list := make([]place, len(xs))
	for i, x := range xs {
		list[i].x = x
	}
	return list
}

// see stores an image with faces, and returns the image's id and the faces'.
func (r *rig) see(places ...place) (image int64, ids []int64) {
	r.Helper()
	r.paths++
	images, err := r.store.AddImages(r.Context(), []string{fmt.Sprintf("/unknown_people/%d.jpg", r.paths)})
	r.must(err)
	return images[0].ID, r.answer(images[0].ID, r.model, 80, places...)
}

// each stores an image for each face, and returns the faces' ids.
func (r *rig) each(places ...place) (ids []int64) {
	r.Helper()
	for _, p := range places {
		_, of := r.see(p)
		ids = append(ids, of...)
	}
	return ids
}

// answer answers an image as a processor does.
func (r *rig) answer(id int64, m faces.Model, size int, places ...place) (ids []int64) {
	r.Helper()
	claim, err := r.store.Claim(r.Context(), "test", []int64{id}, time.Minute)
	r.must(err)
	if len(claim.Claimed) != 1 {
		r.Fatalf("image %d cannot be claimed: %+v", id, claim)
	}
	seen := faces.Recognition{Width: 800, Height: 600, Model: m, People: 1}
	for i, p := range places {
		seen.Sightings = append(seen.Sightings, faces.Sighting{
			Box: faces.Box{X: 100 * i, Width: 80, Height: 80}, Descriptor: p.descriptor(), Quality: faces.Quality{Size: size, Sharpness: 1},
		})
	}
	out := faces.Decide(seen, func(string) (faces.Person, bool) { return faces.Person{}, false })
	_, err = r.store.Finish(r.Context(), []store.Result{{Lease: claim.Claimed[0].Lease, Outcome: out}})
	r.must(err)
	img, err := r.store.Image(r.Context(), id)
	r.must(err)
	for _, f := range img.Faces {
		ids = append(ids, f.ID)
	}
	return ids
}

// again answers an image once more, so that its faces are replaced.
func (r *rig) again(image int64, places ...place) []int64 {
	r.Helper()
	r.exec("UPDATE images SET status = 0, reason = 'queued' WHERE id = ?", image)
	return r.answer(image, r.model, 80, places...)
}

// say says something about a face.
func (r *rig) say(face int64, s faces.Statement) {
	r.Helper()
	s.FaceID = face
	_, err := r.store.CorrectFace(r.Context(), s)
	r.must(err)
}

// apart says that two faces are not of one person.
func (r *rig) apart(a, b int64) {
	r.Helper()
	r.exec("INSERT INTO face_apart (face_a, face_b, model, created_at) VALUES (?, ?, ?, '2026-03-01 00:00:00')", a, b, r.model.ID)
}

// stored returns the groups that the database has, as text.
func (r *rig) stored() string {
	r.Helper()
	rows, err := r.raw.QueryContext(r.Context(), "SELECT face_id, group_key, model FROM face_groups ORDER BY face_id")
	r.must(err)
	defer rows.Close()
	placed := map[int64]int64{}
	for rows.Next() {
		var face, group int64
		var of string
		r.must(rows.Scan(&face, &group, &of))
		if of != r.model.ID {
			r.Errorf("face %d is in a group of model set %s", face, of)
		}
		placed[face] = group
	}
	r.must(rows.Err())
	return text(placed)
}

// text lists groups: 1[1 2 5] 7[7 8 9].
func text(placed map[int64]int64) string {
	members := map[int64][]int64{}
	for face, group := range placed {
		members[group] = append(members[group], face)
	}
	out := ""
	for _, key := range slices.Sorted(maps.Keys(members)) {
		slices.Sort(members[key])
		out += fmt.Sprintf("%d%v ", key, members[key])
	}
	return out
}

// defined returns the groups of all faces that take part, made anew by comparing every two
// of them.
func (r *rig) defined() string {
	r.Helper()
	list, _, err := r.store.GroupableFaces(r.Context(), r.model, 0, math.MaxInt64, 1_000_000)
	r.must(err)
	apart, err := r.store.FacesApart(r.Context(), r.model.ID)
	r.must(err)
	g, err := groups.New(groups.RuleOf(r.model))
	r.must(err)
	for _, p := range apart {
		g.SetApart(p[0], p[1], true)
	}
	all := r.everyTwo()
	r.must(g.Add(r.Context(), all, list...))
	_, err = g.Settle(r.Context(), all)
	r.must(err)
	placed := map[int64]int64{}
	for f, group := range g.All() {
		if group != 0 {
			placed[f.ID] = group
		}
	}
	return text(placed)
}

// everyTwo is a search that compares every two faces.
type everyTwo map[int64]faces.Descriptor

func (r *rig) everyTwo() everyTwo {
	r.Helper()
	list, err := r.store.StoredDescriptors(r.Context(), r.model, 0, math.MaxInt64, 1_000_000)
	r.must(err)
	all := everyTwo{}
	for _, f := range list {
		all[f.ID], err = faces.DescriptorFromBytes(f.Descriptor)
		r.must(err)
	}
	return all
}

func (e everyTwo) Within(_ context.Context, ids []int64, distance float64, last int64) ([][]faces.NearFace, error) {
	lists := make([][]faces.NearFace, len(ids))
	for i, id := range ids {
		for other, d := range e {
			if at := e[id].Distance(d); at <= distance && other <= last {
				lists[i] = append(lists[i], faces.NearFace{ID: other, Distance: at})
			}
		}
	}
	return lists, nil
}

func (e everyTwo) Descriptors(_ context.Context, ids []int64) ([]faces.Descriptor, error) {
	list := make([]faces.Descriptor, len(ids))
	for i, id := range ids {
		list[i] = e[id]
	}
	return list, nil
}

// expect compares the stored groups.
func (r *rig) expect(what, want string) {
	r.Helper()
	if got := r.stored(); got != want {
		r.Errorf("%s: the groups are %q, want %q", what, got, want)
	}
}

// state returns what the table grouping says.
func (r *rig) state() (p groups.Progress) {
	r.Helper()
	row := r.raw.QueryRowContext(r.Context(), "SELECT state, detail, distance, faces, total, group_count FROM `grouping` WHERE model = ?", r.model.ID)
	if err := row.Scan(&p.State, &p.Detail, &p.Distance, &p.Faces, &p.Total, &p.Groups); err != nil {
		r.Fatalf("read the state of the groups: %v", err)
	}
	return p
}
