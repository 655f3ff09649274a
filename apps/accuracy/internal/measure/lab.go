// Package measure measures how well faces are found and named, using
// photographs of people whose names are known. It uses the engine, the search,
// the second look of the reference and the rule of the product, so that its
// answers are those of a recognizer and a processor.
package measure

import (
	"context"
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

// Options configures a measurement. Dir, Model, Open, Kernel and Engines are
// required.
type Options struct {
	Dir       string // contains people/, groups/ and bench/
	Model     faces.Model
	Open      func() (engine.Engine, error)
	Kernel    nearest.Kernel
	Engines   int // number of engines that work in parallel
	MaxPixels int64
	// OnlyGrouping measures the groups of unknown faces and nothing else.
	OnlyGrouping bool
	TurnStep     int     // degrees between two turns
	Largest      int     // number of people in the largest gallery
	Wanted       float64 // share of strangers that may be named, for the proposal
	Progress     func(text string)
	Details      io.Writer // receives one line of tab-separated values per answer; may be nil
}

// lab is the state shared by all measurements.
type lab struct {
	Options
	engines chan engine.Engine
	photos  []photo
	people  map[string]faces.Person // by folder
	index   *nearest.Index          // of all known photos

	mu sync.Mutex // guards Details and tallies
}

func newLab(o Options) (*lab, error) {
	l := &lab{Options: o, engines: make(chan engine.Engine, o.Engines), people: map[string]faces.Person{}}
	for range o.Engines {
		e, err := o.Open()
		if err != nil {
			l.close()
			return nil, err
		}
		l.engines <- e
	}
	return l, nil
}

func (l *lab) close() {
	close(l.engines)
	for e := range l.engines {
		e.Close()
	}
}

// enrol describes the known pictures. It returns the names and problems of
// those that a recognizer refuses.
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
			if k.Reason != faces.NoFace { // without a face, it can still be asked about
				continue
			}
		}
		folder := path.Dir(k.Name)
		if folder == "." {
			refused = append(refused, k.Name+": it is in no person's folder")
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
		return nil, fmt.Errorf("%s has usable pictures of %d people; at least 2 are needed: %s",
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

// known returns the photos with a descriptor.
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

// without returns two galleries for a question about p: all photos but p, and
// all photos of other people.
func (l *lab) without(p photo) (known, stranger gallery) {
	known = l.galleryOf(func(o photo) bool { return o.name != p.name })
	stranger = l.galleryOf(func(o photo) bool { return o.person.ID != p.person.ID })
	return known, stranger
}

// each calls do for every photo, in parallel on all engines.
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

// subject is a picture that an engine has processed, and the series it belongs
// to.
type subject struct {
	engine        engine.Engine
	photo         photo
	seen          engine.Seen
	series, label string
}

// askAll asks about a picture twice: with all other pictures known, and with
// its person removed.
func (l *lab) askAll(ctx context.Context, s subject, t *Tally) error {
	known, stranger := l.without(s.photo)
	return l.ask(ctx, s, known, stranger, t)
}

// ask asks about a picture twice: with a gallery that has its person, and with
// one that does not.
func (l *lab) ask(ctx context.Context, s subject, known, stranger gallery, t *Tally) error {
	a, err := answer(ctx, s.engine, s.seen, known, l.Model)
	if err != nil {
		return err
	}
	b, err := answer(ctx, s.engine, s.seen, stranger, l.Model)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t.known(judge(a, s.photo.person.ID))
	t.stranger(judge(b, 0))
	l.write(s, "known", a)
	l.write(s, "stranger", b)
	return nil
}

// write writes a line of details for every face. The caller holds mu if the lab
// is shared.
func (l *lab) write(s subject, as string, o faces.Outcome) {
	if l.Details == nil {
		return
	}
	begin := strings.Join([]string{s.series, s.label, s.photo.name, as}, "\t")
	if len(o.Faces) == 0 {
		fmt.Fprintf(l.Details, "%s\t%s\n", begin, faces.NoFace)
	}
	for _, f := range o.Faces {
		name, d, second := "", 0.0, 0.0
		if f.Best != nil {
			name, d = f.Best.Person.Name, f.Best.Distance
		}
		if f.Second != nil {
			second = f.Second.Distance
		}
		q := f.Quality
		fmt.Fprintf(l.Details, "%s\t%s\t%s\t%.4f\t%.4f\t%d\t%.3f\t%.1f\t%.3f\t%.3f\t%d,%d,%d,%d\n", begin, f.Reason, name, d, second,
			q.Size, q.Sharpness, q.Yaw, q.CutOff, q.Detection, f.Box.X, f.Box.Y, f.Box.Width, f.Box.Height)
	}
}

// detailsHead names the columns of the details.
const detailsHead = "series\tvalue\tpicture\tasked_as\treason\tnearest\tdistance\tsecond_distance\tsize\tsharpness\tyaw\tcut_off\tdetection\tbox\n"

// series asks about every picture, unchanged and in each variant. It returns
// the tallies of all pictures, of each group, and of each variant by series.
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
		as := subject{engine: e, photo: p, seen: seen, series: "whole"}
		if err := l.askAll(ctx, as, &whole); err != nil {
			return err
		}
		as.series, as.label = "group", p.group
		if err := l.askAll(ctx, as, byGroup[p.group]); err != nil {
			return err
		}
		if len(seen.Faces) == 0 {
			return nil
		}
		pixels, err := decode(file, l.MaxPixels)
		if err != nil {
			return err
		}
		return l.variants(ctx, as, pixels, variants, tallies)
	})
	for _, name := range slices.Sorted(maps.Keys(byGroup)) {
		groups = append(groups, byGroup[name])
	}
	return whole, groups, worse, err
}

// variants asks about every variant of a picture.
func (l *lab) variants(ctx context.Context, s subject, pixels *image.RGBA, variants []Variant, tallies []*Tally) error {
	box := largest(s.seen.Faces)
	for i, v := range variants {
		file, ok, err := v.apply(pixels, box)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		s.series, s.label = v.Series, v.Label
		if s.seen, err = s.engine.Look(ctx, file, engine.Ask); err != nil {
			return fmt.Errorf("%s: %w", v.Label, err)
		}
		if err := l.askAll(ctx, s, tallies[i]); err != nil {
			return err
		}
	}
	return nil
}

// largest returns the box of the largest face. The pictures in people/ show one
// person each.
func largest(list []engine.Face) faces.Box {
	return slices.MaxFunc(list, func(a, b engine.Face) int {
		return a.Box.Width*a.Box.Height - b.Box.Width*b.Box.Height
	}).Box
}

// seeded returns a random source that is the same in every run.
func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(1, n)) }
