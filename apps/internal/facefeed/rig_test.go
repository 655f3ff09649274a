package facefeed_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/facefeed"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const timeout = time.Minute

// rig is a database and what feeds recognizers from it.
type rig struct {
	*testing.T
	store *store.Store
	raw   *sql.DB // what another program has
	log   *slog.Logger
	all   []*recognizerclient.Replica // the recognizers that there are
	paths int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rollcall.db")
	s, err := store.OpenSQLite(file)
	r := &rig{T: t, store: s, log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))}
	r.must(err)
	t.Cleanup(func() { s.Close() })
	_, err = s.Migrate(t.Context(), "/unknown_people")
	r.must(err)
	r.raw, err = sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)")
	r.must(err)
	t.Cleanup(func() { r.raw.Close() })
	return r
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// machine is a recognizer that can be restarted at its address.
type machine struct {
	*rig
	opts    recognizer.Options
	model   faces.Model
	address string
	stop    func()
	client  *recognizerclient.Client
	replica *recognizerclient.Replica
}

// recognizer starts a recognizer whose index may have a number of faces.
func (r *rig) recognizer(capacity int) *machine {
	r.Helper()
	dir := r.TempDir()
	m := &machine{rig: r, model: fakeengine.Model(), address: "127.0.0.1:0", opts: recognizer.Options{
		KnownPeople: filepath.Join(dir, "known"), UnknownPeople: filepath.Join(dir, "unknown"), Engines: 1, MaxPixels: 1 << 20, Refresh: time.Hour,
		FaceIndexMemory: int64(capacity) * nearest.FaceBytes(fakeengine.Size),
	}}
	if capacity == 0 {
		m.opts.FaceIndexMemory = -1
	}
	for _, folder := range []string{m.opts.KnownPeople, m.opts.UnknownPeople} {
		r.must(os.Mkdir(folder, 0o755))
	}
	m.start()
	r.Cleanup(func() { m.stop() })
	var err error
	m.client, err = recognizerclient.Dial(recognizerclient.Options{Address: m.address, Timeout: timeout})
	r.must(err)
	r.Cleanup(func() { m.client.Close() })
	m.replica = r.replica(m.address)
	return m
}

// replica makes the recognizer at an address one of those that are fed.
func (r *rig) replica(address string) *recognizerclient.Replica {
	r.Helper()
	replicas := recognizerclient.NewReplicas(recognizerclient.Options{Address: address, Timeout: timeout})
	r.Cleanup(func() { replicas.Close() })
	list, err := replicas.List(r.Context())
	r.must(err)
	r.all = append(r.all, list[0])
	return list[0]
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

func (m *machine) restart() {
	m.Helper()
	m.stop()
	m.start()
	wait.Until(m.T, "the recognizer is back", func() bool { return m.client.Ping(m.Context()) == nil })
	wait.Until(m.T, "the feeder's connection is back", func() bool {
		_, _, err := m.replica.CheckFaces(m.Context(), "", 0, 0, 0)
		return err == nil
	})
}

// options has pages of three faces.
func options() facefeed.Options {
	o := facefeed.Defaults()
	o.Page, o.PageBytes, o.FullPause, o.AwayPause = 5, 3*(4*fakeengine.Size+16), 0, 0
	return o
}

func (r *rig) feeder(o facefeed.Options) (*facefeed.Feeder, *prometheus.Registry) {
	reg := prometheus.NewRegistry()
	list := func(context.Context) ([]*recognizerclient.Replica, error) { return r.all, nil }
	return facefeed.New(r.store, list, func() bool { return true }, o, r.log, reg), reg
}

// settle runs rounds until all pages of all faces have been compared.
func (r *rig) settle(f *facefeed.Feeder) {
	for idle := 0; idle < 12; idle++ {
		if f.RunOnce(r.Context()) {
			idle = 0
		}
	}
}

// at is a descriptor at a place: places apart by 0.1 are at a distance of 0.1.
func at(x float64) faces.Descriptor {
	d := make(faces.Descriptor, fakeengine.Size)
	d[0] = float32(x)
	return d
}

// see stores an image with faces at places, and returns the image's id and the faces'.
func (r *rig) see(places ...float64) (image int64, ids []int64) {
	r.Helper()
	r.paths++
	images, err := r.store.AddImages(r.Context(), []string{fmt.Sprintf("/unknown_people/%d.jpg", r.paths)})
	r.must(err)
	return images[0].ID, r.answer(images[0].ID, fakeengine.Model(), places...)
}

// answer answers an image as a processor does.
func (r *rig) answer(id int64, m faces.Model, places ...float64) (ids []int64) {
	r.Helper()
	claim, err := r.store.Claim(r.Context(), "test", []int64{id}, time.Minute)
	r.must(err)
	if len(claim.Claimed) != 1 {
		r.Fatalf("image %d cannot be claimed: %+v", id, claim)
	}
	seen := faces.Recognition{Width: 800, Height: 600, Model: m, People: 1}
	for i, x := range places {
		seen.Sightings = append(seen.Sightings, faces.Sighting{Box: faces.Box{X: 100 * i, Width: 80, Height: 80}, Descriptor: at(x)})
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

// many stores n faces, a hundredth apart.
func (r *rig) many(n int) {
	r.Helper()
	for first := 0; first < n; first += 4 {
		var places []float64
		for i := first; i < min(n, first+4); i++ {
			places = append(places, float64(i)/100)
		}
		r.see(places...)
	}
}

// state returns what a recognizer says of its index.
func (m *machine) state() faces.FaceIndex {
	m.Helper()
	x, _, err := m.replica.CheckFaces(m.Context(), "", 0, 0, 0)
	m.must(err)
	return x
}

// expectSame compares a recognizer's index with the database.
func (m *machine) expectSame(faceCount int64) {
	m.Helper()
	want, _, err := m.store.SummarizeFaces(m.Context(), m.model, 0, math.MaxInt64, 1_000_000)
	m.must(err)
	newest, err := m.store.NewestFace(m.Context())
	m.must(err)
	x, got, err := m.replica.CheckFaces(m.Context(), m.model.ID, 0, math.MaxInt64, newest)
	m.must(err)
	if got != want || got.Count != faceCount || !x.Complete || x.Faces != faceCount {
		m.Errorf("%s has %+v, %+v; the database has %+v; want %d faces", m.address, x, got, want, faceCount)
	}
}

// search returns the ids of the faces near a place.
func (m *machine) search(x, within float64) ([]int64, error) {
	m.Helper()
	near, err := m.client.SearchFaces(m.Context(), faces.FaceQuery{Model: m.model.ID, Descriptors: []faces.Descriptor{at(x)}, Within: within, Limit: 100})
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, n := range near[0] {
		ids = append(ids, n.ID)
	}
	return ids, nil
}

func (m *machine) expectFound(x, within float64, want ...int64) {
	m.Helper()
	if got, err := m.search(x, within); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		m.Errorf("near %v there are the faces %v, %v; want %v", x, got, err, want)
	}
}
