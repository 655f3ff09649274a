// Package measure measures how well faces are found and named, with photographs
// of people who are known by name. It asks the way that a recognizer and a
// processor answer: the engine, the search, the second look of the reference and
// the rule of deciding are theirs.
package measure

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
)

// Options say what is measured, and with what.
type Options struct {
	Dir       string // with people/, groups/ and bench/
	Model     faces.Model
	Open      func() (engine.Engine, error)
	Kernel    nearest.Kernel
	Engines   int // pictures looked at at a time
	MaxPixels int64
	TurnStep  int     // degrees between two turns
	Largest   int     // people in the largest gallery
	Wanted    float64 // share of strangers that may be named, for the calibration
	Progress  func(text string)
	Details   io.Writer // gets a line of tab-separated values for each question; nil for none
}

// lab is what all measurements share.
type lab struct {
	Options
	engines chan engine.Engine
	photos  []photo
	people  map[string]faces.Person // by folder
	index   *nearest.Index          // of all photos

	mu sync.Mutex // guards Details and tallies
}

func newLab(ctx context.Context, o Options) (*lab, error) {
	l := &lab{Options: o, engines: make(chan engine.Engine, o.Engines), people: map[string]faces.Person{}}
	for range o.Engines {
		e, err := o.Open()
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.engines <- e
	}
	return l, nil
}

func (l *lab) close() error {
	close(l.engines)
	for e := range l.engines {
		e.Close()
	}
	return nil
}

// enrol describes the known pictures. It returns what is wrong with those that a
// recognizer would refuse.
func (l *lab) enrol(ctx context.Context) (refused []string, err error) {
	groups, err := readGroups(l.Dir)
	if err != nil {
		return nil, err
	}
	opts := recognizer.Options{KnownPeople: filepath.Join(l.Dir, "people"), Engines: l.Engines, MaxPixels: l.MaxPixels}
	list, err := recognizer.Known(ctx, opts, l.Model, l.Open, recognizer.KnownLook{Progress: func(done, total int) {
		if done%50 == 0 {
			l.Progress(fmt.Sprintf("known pictures: %d of %d", done, total))
		}
	}})
	if err != nil {
		return nil, fmt.Errorf("describe the known pictures: %w", err)
	}
	for _, k := range list {
		if k.Problem != "" {
			refused = append(refused, k.Name+": "+k.Problem)
			if k.Reason != faces.NoFace { // it can be asked about all the same
				continue
			}
		}
		folder := path.Dir(k.Name)
		if folder == "." {
			refused = append(refused, k.Name+": it lies in no person's folder")
			continue
		}
		p, ok := l.people[folder]
		if !ok {
			p = faces.Person{ID: int64(len(l.people) + 1), Name: path.Base(folder)}
			l.people[folder] = p
		}
		l.photos = append(l.photos, photo{name: k.Name, person: p, group: groupOf(folder, groups), descriptors: k.Descriptors})
	}
	people := map[int64]bool{}
	for _, p := range l.known() {
		people[p.person.ID] = true
	}
	if len(people) < 2 {
		return nil, fmt.Errorf("%s shows %d people whom a recognizer can know; at least 2 are needed: %s",
			opts.KnownPeople, len(people), strings.Join(refused, "; "))
	}
	l.index = nearest.NewIndex(l.Kernel, l.Model.Size, func(yield func(string, []faces.Descriptor) bool) {
		for _, p := range l.known() {
			if !yield(p.name, p.descriptors) {
				return
			}
		}
	})
	return refused, nil
}

// known returns the photos by which somebody can be known.
func (l *lab) known() []photo {
	return slices.DeleteFunc(slices.Clone(l.photos), func(p photo) bool { return p.descriptors == nil })
}

// galleryOf returns a gallery of some of the photos.
func (l *lab) galleryOf(keep func(photo) bool) gallery {
	var names []string
	people := map[int64]bool{}
	for _, p := range l.known() {
		if keep(p) {
			names = append(names, p.name)
			people[p.person.ID] = true
		}
	}
	return gallery{index: l.index.Only(names), owner: l.owner, people: len(people)}
}

func (l *lab) owner(name string) (faces.Person, bool) {
	p, ok := l.people[path.Dir(name)]
	return p, ok
}

// without returns the gallery of all photos but one, and that of all but its
// person's.
func (l *lab) without(p photo) (known, stranger gallery) {
	known = l.galleryOf(func(o photo) bool { return o.name != p.name })
	stranger = l.galleryOf(func(o photo) bool { return o.person.ID != p.person.ID })
	return known, stranger
}

// each calls do for every photo, as many at a time as there are engines.
func (l *lab) each(ctx context.Context, what string, do func(ctx context.Context, e engine.Engine, p photo, file []byte) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range l.photos {
		select {
		case e := <-l.engines:
			group.Go(func() error {
				defer func() { l.engines <- e }()
				file, err := os.ReadFile(filepath.Join(l.Dir, "people", filepath.FromSlash(p.name)))
				if err == nil {
					err = do(ctx, e, p, file)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", p.name, err)
				}
				return nil
			})
		case <-ctx.Done():
			return group.Wait()
		}
		if (i+1)%20 == 0 {
			l.Progress(fmt.Sprintf("%s: %d of %d pictures", what, i+1, len(l.photos)))
		}
	}
	return group.Wait()
}

// question is one picture asked about with one gallery.
type question struct {
	series, label string
	photo         photo
	stranger      bool
	outcome       faces.Outcome
}

// verdict judges the outcome and writes it down.
func (l *lab) verdict(q question) Verdict {
	person := q.photo.person.ID
	if q.stranger {
		person = 0
	}
	v := judge(q.outcome, person)
	if l.Details == nil {
		return v
	}
	for _, f := range q.outcome.Faces {
		best, d, second := "", 0.0, 0.0
		if f.Best != nil {
			best, d = f.Best.Person.Name, f.Best.Distance
		}
		if f.Second != nil {
			second = f.Second.Distance
		}
		fmt.Fprintf(l.Details, "%s\t%s\t%s\t%v\t%s\t%s\t%.4f\t%.4f\t%d\t%.3f\t%.1f\t%.3f\t%.3f\n", q.series, q.label, q.photo.name, q.stranger,
			f.Reason, best, d, second, f.Quality.Size, f.Quality.Sharpness, f.Quality.Yaw, f.Quality.CutOff, f.Quality.Detection)
	}
	if len(q.outcome.Faces) == 0 {
		fmt.Fprintf(l.Details, "%s\t%s\t%s\t%v\tno_face\n", q.series, q.label, q.photo.name, q.stranger)
	}
	return v
}

// both asks about a picture with all other pictures known, and as a stranger.
func (l *lab) both(ctx context.Context, e engine.Engine, p photo, seen engine.Seen, series, label string, t *Tally) error {
	known, stranger := l.without(p)
	return l.askBoth(ctx, e, p, seen, known, stranger, series, label, t)
}

func (l *lab) askBoth(ctx context.Context, e engine.Engine, p photo, seen engine.Seen, known, stranger gallery, series, label string, t *Tally) error {
	a, err := answer(ctx, e, seen, known, l.Model)
	if err != nil {
		return err
	}
	b, err := answer(ctx, e, seen, stranger, l.Model)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t.known(l.verdict(question{series, label, p, false, a}))
	t.stranger(l.verdict(question{series, label, p, true, b}))
	return nil
}

// series asks about every picture as it is and made worse. The tallies are those
// of the whole, of each group, and of each variant.
func (l *lab) series(ctx context.Context) (whole Tally, groups []*Tally, worse map[string][]*Tally, err error) {
	variants := Variants(l.TurnStep)
	worse = map[string][]*Tally{}
	tallies := make([]*Tally, len(variants))
	for i, v := range variants {
		tallies[i] = &Tally{Label: v.Label, Value: v.Value}
		worse[v.Series] = append(worse[v.Series], tallies[i])
	}
	whole.Label = "as they are"
	byGroup := map[string]*Tally{}
	for _, p := range l.photos {
		byGroup[p.group] = &Tally{Label: p.group}
	}
	err = l.each(ctx, "people", func(ctx context.Context, e engine.Engine, p photo, file []byte) error {
		seen, err := e.Look(ctx, file, engine.Ask)
		if err != nil {
			return err
		}
		if err := l.both(ctx, e, p, seen, "whole", "", &whole); err != nil {
			return err
		}
		if err := l.both(ctx, e, p, seen, "group", p.group, byGroup[p.group]); err != nil {
			return err
		}
		if len(seen.Faces) == 0 {
			return nil
		}
		pixels, err := decode(file, l.MaxPixels)
		if err != nil {
			return err
		}
		return l.variants(ctx, e, p, pixels, largest(seen.Faces), variants, tallies)
	})
	for _, name := range slices.Sorted(maps.Keys(byGroup)) {
		groups = append(groups, byGroup[name])
	}
	return whole, groups, worse, err
}

func (l *lab) variants(ctx context.Context, e engine.Engine, p photo, pixels *image.RGBA, box faces.Box, variants []Variant, tallies []*Tally) error {
	for i, v := range variants {
		file, ok, err := v.apply(pixels, box)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		seen, err := e.Look(ctx, file, engine.Ask)
		if err != nil {
			return fmt.Errorf("%s: %w", v.Label, err)
		}
		if err := l.both(ctx, e, p, seen, v.Series, v.Label, tallies[i]); err != nil {
			return err
		}
	}
	return nil
}

// largest returns the box of the largest face: people's pictures show one person.
func largest(list []engine.Face) faces.Box {
	return slices.MaxFunc(list, func(a, b engine.Face) int {
		return a.Box.Width*a.Box.Height - b.Box.Width*b.Box.Height
	}).Box
}

// seeded returns a source of random numbers that is the same at every run.
func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(1, n)) }
