package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/groupsearch"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/kerneltest"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
)

const (
	newFaces     = 1000
	largestShown = 5000 // faces of the person with the most pictures, at most
	filledAtOnce = 1 << 16
)

// album has the faces of generated people, two to a picture. Most people are seen
// once or twice, few thousands of times. They come in random order.
type album struct {
	person []uint64 // of each face; face i has the key i+1
	seed   *rand.Rand
}

func newAlbum(n int) *album {
	a := &album{seed: rand.New(rand.NewPCG(28, 28))}
	for person := uint64(1); len(a.person) < n; person++ {
		seen := math.Pow(a.seed.Float64(), -1/1.2) // Pareto's distribution
		for range min(int(seen), largestShown, n-len(a.person)) {
			a.person = append(a.person, person)
		}
	}
	a.seed.Shuffle(n, func(i, j int) { a.person[i], a.person[j] = a.person[j], a.person[i] })
	return a
}

func (a *album) face(i int) groups.Face {
	picture := int64(i / 2)
	if i%2 == 1 && a.person[i] == a.person[i-1] {
		picture = int64(len(a.person) + i) // nobody is in a picture twice
	}
	return groups.Face{ID: int64(i + 1), Picture: picture}
}

func (a *album) list(first, end int) []groups.Face {
	list := make([]groups.Face, 0, end-first)
	for i := first; i < end; i++ {
		list = append(list, a.face(i))
	}
	return list
}

// fill puts the faces from first to end into an index.
func (a *album) fill(index *nearest.FaceIndex, first, end int) (*nearest.FaceIndex, error) {
	pictures := kerneltest.NewPeople(uint64(first) + 1<<40)
	for from := first; from < end; from += filledAtOnce {
		to := min(from+filledAtOnce, end)
		some := make([]nearest.StoredFace, 0, to-from)
		for i := from; i < to; i++ {
			some = append(some, nearest.StoredFace{ID: int64(i + 1), Descriptor: pictures.Picture(kerneltest.NewPeople(a.person[i]).Person())})
		}
		var err error
		if index, err = index.Replace(int64(from), int64(to), some); err != nil {
			return nil, err
		}
	}
	return index, nil
}

// benchGrouping measures the grouping of unknown faces.
func benchGrouping(ctx context.Context, o options, out io.Writer) error {
	set, err := o.models.Load()
	if err != nil {
		return err
	}
	if set.DescriptorSize != kerneltest.FaceSize {
		return fmt.Errorf("the generated faces have %d numbers, but those of %s have %d: use ROLLCALL_MODEL_SET=%s",
			kerneltest.FaceSize, set.ID, set.DescriptorSize, modelset.Default)
	}
	rule := groups.RuleOf(set.Model())
	fmt.Fprintf(out, "\nGrouping %d faces with %v: neighbours within %.2f.\n\n", o.groupFaces, kernel.New(), rule.Distance)
	a := newAlbum(o.groupFaces + newFaces)
	s := groupsearch.Stored{Index: nearest.NewFaceIndex(kernel.New(), kerneltest.FaceSize)}
	if s.Index, err = a.fill(s.Index, 0, o.groupFaces); err != nil {
		return err
	}
	g, err := groups.New(rule)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "| what | seconds | CPU seconds |\n| --- | ---: | ---: |")
	saves := 0
	var saved bytes.Buffer
	begin, used := time.Now(), processorTime()
	save := func() error {
		saves++
		fmt.Fprintf(os.Stderr, "%d faces after %.0f s, %.0f s of CPU time\n", g.Len(), time.Since(begin).Seconds(), (processorTime() - used).Seconds())
		saved.Reset()
		_, err := g.WriteTo(&saved)
		return err
	}
	measured(out, "all faces, from nothing, with a checkpoint after every 65,536", func() error { return g.Sync(ctx, s, a.list(0, o.groupFaces), save) }, &err)
	measured(out, "the guard, on all groups", func() error { _, err := g.Settle(ctx, s); return err }, &err)
	if err != nil {
		return err
	}
	saved = bytes.Buffer{}
	measured(out, "write a checkpoint", save, &err)
	heap() // the first collection only marks what the searches have left in pools
	before := heap()
	var read *groups.Grouping
	measured(out, "read it", func() (err error) { read, err = groups.Read(bytes.NewReader(saved.Bytes()), rule); return err }, &err)
	state := heap() - before
	runtime.KeepAlive(read)
	measured(out, fmt.Sprintf("put %d new faces into the index", newFaces), func() (err error) {
		s.Index, err = a.fill(s.Index, o.groupFaces, o.groupFaces+newFaces)
		return err
	}, &err)
	measured(out, fmt.Sprintf("%d new faces, with the guard", newFaces), func() error {
		if err := g.Add(ctx, s, a.list(o.groupFaces, o.groupFaces+newFaces)...); err != nil {
			return err
		}
		_, err := g.Settle(ctx, s)
		return err
	}, &err)
	if err != nil {
		return err
	}
	return a.finish(ctx, g, s, state, saved.Len(), saves, out)
}

// finish measures how groups leave, and prints how pure the groups are.
func (a *album) finish(ctx context.Context, g *groups.Grouping, s groupsearch.Stored, state uint64, saved, saves int, out io.Writer) error {
	all := g.Groups()
	impure, grouped := 0, 0
	for _, group := range all {
		grouped += len(group.Faces)
		for _, key := range group.Faces {
			if a.person[key-1] != a.person[group.Key-1] {
				impure++
				break
			}
		}
	}
	var err error
	remove := func(keys []int64) func() error {
		return func() error {
			if err := g.Remove(ctx, s, keys...); err != nil {
				return err
			}
			_, err := g.Settle(ctx, s)
			return err
		}
	}
	if len(all) > 1 {
		measured(out, fmt.Sprintf("the largest group, %d faces, gets a name", len(all[0].Faces)), remove(all[0].Faces), &err)
		measured(out, fmt.Sprintf("one face of the next, %d faces, gets a name", len(all[1].Faces)), remove(all[1].Faces[:1]), &err)
	}
	fmt.Fprintf(out, "\n%d groups of %d faces; %d of them have faces of two people. The state takes %d MiB, a checkpoint %d MiB (written %d times).\n",
		len(all), grouped, impure, state>>20, saved>>20, saves)
	runtime.KeepAlive(s)
	return err
}

// measured prints how long a function takes. It does nothing after an error.
func measured(out io.Writer, what string, f func() error, err *error) {
	if *err != nil {
		return
	}
	begin, used := time.Now(), processorTime()
	*err = f()
	fmt.Fprintf(out, "| %s | %.2f | %.2f |\n", what, time.Since(begin).Seconds(), (processorTime() - used).Seconds())
}
