package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/kerneltest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
)

// searchPage is how many faces are put into the index at a time, about as a processor
// does.
const searchPage = 600

// searchRig is a recognizer whose index has faces of people, and what to search for. Its
// engines are not used.
type searchRig struct {
	model   faces.Model
	reg     *prometheus.Registry
	replica *recognizerclient.Replica
	client  *recognizerclient.Client
	asked   []faces.Descriptor
	filling time.Duration
	memory  uint64 // of the index
	close   func()
}

// benchSearch measures searches in the index of stored faces, over gRPC.
func benchSearch(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, err := newSearchRig(ctx, dir, o.searchFaces)
	if err != nil {
		return err
	}
	defer r.close()
	fmt.Fprintf(out, "\nSearch in an index of %d stored faces of %d numbers, over gRPC, with %v:\n\n", o.searchFaces, kerneltest.FaceSize, kernel.New())
	fmt.Fprintln(out, "| what | CPU time, median, ms | by the clock, median, ms | faces found |\n| --- | ---: | ---: | ---: |")
	for _, c := range []struct {
		what   string
		within float64
		limit  int
		faces  int
	}{
		{"one face, within the threshold, the 100 nearest", r.model.Threshold, 100, 1},
		{"one face, within the threshold and a fifth more, 1,000", 1.2 * r.model.Threshold, 1000, 1},
		{"one face, the 1,000 nearest however far", 4, 1000, 1},
		{"64 faces at once, within the threshold, 1,000 each", r.model.Threshold, 1000, 64},
	} {
		cpu, clock, found, err := r.measure(ctx, c.within, c.limit, c.faces, 4*o.rounds)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "| %s | %.1f | %.1f | %d |\n", c.what, milliseconds(cpu), milliseconds(clock), found)
	}
	fmt.Fprintf(out, "\nMemory: %d MiB, %.0f bytes a face (stated: %d). Filled in %s, without the reading of the database.\n",
		r.memory>>20, float64(r.memory)/float64(o.searchFaces), nearest.FaceBytes(kerneltest.FaceSize), r.filling.Round(time.Second))
	return nil
}

func newSearchRig(ctx context.Context, dir string, stored int) (*searchRig, error) {
	r := &searchRig{model: faces.Model{ID: "bench", Size: kerneltest.FaceSize, Threshold: 0.9, Margin: 0.02}, reg: prometheus.NewRegistry()}
	opts := recognizer.Options{
		KnownPeople: filepath.Join(dir, "known"), UnknownPeople: filepath.Join(dir, "unknown"), Engines: 2, MaxPixels: 1 << 20,
		Refresh: time.Hour, FaceIndexMemory: int64(stored+searchPage) * nearest.FaceBytes(kerneltest.FaceSize),
	}
	for _, folder := range []string{opts.KnownPeople, opts.UnknownPeople} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return nil, err
		}
	}
	log := slog.New(slog.DiscardHandler)
	one, err := recognizer.New(opts, r.model, (&fakeengine.Studio{}).Open, kernel.New(), log, r.reg)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	part := recognizer.NewServer(one, nil, log).Part(func() (net.Listener, error) { return listener, nil })
	if err := part.Start(ctx, func(error) {}); err != nil {
		return nil, err
	}
	address := recognizerclient.Options{Address: listener.Addr().String(), Timeout: time.Minute}
	replicas := recognizerclient.NewReplicas(address)
	r.close = func() {
		replicas.Close()
		if err := part.Stop(context.WithoutCancel(ctx)); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	list, err := replicas.List(ctx)
	if err != nil {
		return nil, err
	}
	r.replica = list[0]
	if r.client, err = recognizerclient.Dial(address); err != nil {
		return nil, err
	}
	return r, r.fill(ctx, stored)
}

// fill puts pictures of people into the index, about four of each.
func (r *searchRig) fill(ctx context.Context, stored int) error {
	people := kerneltest.NewPeople(1)
	person := people.Person()
	before := heap()
	for first := 0; first < stored; first += searchPage {
		list := make([]faces.StoredDescriptor, 0, searchPage)
		for id := first + 1; id <= min(stored, first+searchPage); id++ {
			if id%pictures == 0 {
				person = people.Person()
			}
			d := people.Picture(person)
			if id%(stored/askedFaces) == 0 {
				r.asked = append(r.asked, people.Picture(person))
			}
			list = append(list, faces.StoredDescriptor{ID: int64(id), Descriptor: d.Bytes()})
		}
		begin := time.Now()
		if _, err := r.replica.PutFaces(ctx, r.model.ID, int64(first), list[len(list)-1].ID, int64(stored), list); err != nil {
			return err
		}
		r.filling += time.Since(begin)
	}
	r.memory = heap() - before
	return nil
}

// measure returns the median CPU time of a search, client and server together, the
// median time by the clock, and the average number of faces found for each face.
func (r *searchRig) measure(ctx context.Context, within float64, limit, count, rounds int) (cpu, clock time.Duration, found int, err error) {
	var cpus, clocks []time.Duration
	for i := range rounds {
		list := make([]faces.Descriptor, count)
		for n := range list {
			list[n] = r.asked[(i+n)%len(r.asked)]
		}
		begin, used := time.Now(), processorTime()
		near, err := r.client.SearchFaces(ctx, faces.FaceQuery{Model: r.model.ID, Descriptors: list, Within: within, Limit: limit})
		if err != nil {
			return 0, 0, 0, err
		}
		clocks, cpus = append(clocks, time.Since(begin)), append(cpus, processorTime()-used)
		for _, n := range near {
			found += len(n)
		}
	}
	slices.Sort(cpus)
	slices.Sort(clocks)
	return cpus[len(cpus)/2], clocks[len(clocks)/2], found / (rounds * count), nil
}
