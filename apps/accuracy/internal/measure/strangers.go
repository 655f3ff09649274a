package measure

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// GroupFaces is the result for the pictures in groups/, with all people known.
type GroupFaces struct {
	Pictures, Faces  int
	Named            int // faces that got a name
	Uncertain, Floor int
	Labelled         Rate // labels with a face at their position
	Right, Wrong     Rate // of those faces: right name, wrong name
	Names            []string
}

// label names the person at a position of a picture, in pixels.
type label struct {
	x, y int
	name string
}

// in reports whether the label is inside a face's box.
func (l label) in(b faces.Box) bool {
	return l.x >= b.X && l.x < b.X+b.Width && l.y >= b.Y && l.y < b.Y+b.Height
}

// readLabels reads groups/labels.txt: picture, x, y, name.
func readLabels(dir string) (map[string][]label, error) {
	file := filepath.Join(dir, "labels.txt")
	rows, err := readColumns(file, 4)
	labels := map[string][]label{}
	for _, row := range rows {
		x, errX := strconv.Atoi(row[1])
		y, errY := strconv.Atoi(row[2])
		if errX != nil || errY != nil {
			return nil, fmt.Errorf("%s: %q, %q must be whole numbers of pixels", file, row[1], row[2])
		}
		labels[row[0]] = append(labels[row[0]], label{x, y, row[3]})
	}
	return labels, err
}

// groups asks about the pictures of several people.
func (l *lab) groups(ctx context.Context) (GroupFaces, error) {
	var g GroupFaces
	dir := filepath.Join(l.Dir, "groups")
	labels, err := readLabels(dir)
	if err != nil {
		return g, err
	}
	everybody := l.galleryOf(func(photo) bool { return true })
	err = l.eachFile(ctx, dir, func(e engine.Engine, name string, seen engine.Seen) error {
		o, err := answer(ctx, e, seen, everybody, l.Model)
		if err != nil {
			return err
		}
		l.write(subject{series: "groups", photo: photo{name: "groups/" + name}}, "known", o)
		g.add(name, o, labels[name])
		return nil
	})
	return g, err
}

func (g *GroupFaces) add(name string, o faces.Outcome, labels []label) {
	g.Pictures++
	g.Faces += len(o.Faces)
	for _, f := range o.Faces {
		switch {
		case f.Reason == faces.Identified:
			g.Named++
			g.Names = append(g.Names, fmt.Sprintf("%s: %s at %d, %d (%.2f)", name, f.Person.Name, f.Box.X, f.Box.Y, f.Best.Distance))
		case f.Reason == faces.Uncertain:
			g.Uncertain++
		case f.Reason.BelowFloor():
			g.Floor++
		}
	}
	for _, want := range labels {
		i := slices.IndexFunc(o.Faces, func(f faces.Face) bool {
			return want.in(f.Box)
		})
		g.Labelled.Add(i >= 0)
		if i < 0 {
			continue
		}
		named := o.Faces[i].Reason == faces.Identified
		right := named && o.Faces[i].Person.Name == want.name
		g.Right.Add(right)
		g.Wrong.Add(named && !right)
	}
}

// eachFile processes the pictures of a folder one after the other.
func (l *lab) eachFile(ctx context.Context, dir string, do func(e engine.Engine, name string, seen engine.Seen) error) error {
	names, err := pictures(dir)
	if err != nil {
		return err
	}
	e := <-l.engines
	defer func() { l.engines <- e }()
	for _, name := range names {
		file, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		seen, err := e.Look(ctx, file, engine.Ask)
		if err == nil {
			err = do(e, name, seen)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// BenchFace is a face of bench/, in which every face is of another person.
type BenchFace struct {
	Picture   string
	Number    int // in its picture, from left to right, starting at 0
	Box       faces.Box
	Quality   faces.Quality
	Shortfall string // the floor it is below; "" if it may be named
	Reference bool   // the reference finds it
	known     faces.Descriptor
}

func (f BenchFace) usable() bool { return f.Reference && f.Shortfall == "" }

// Pair is a pair of faces of bench/.
type Pair struct {
	A, B     string // picture#number
	Distance float64
	Same     bool // one person, by bench/pairs.txt
}

// Bench is the result for the pictures in bench/.
type Bench struct {
	Pictures int
	Faces    []BenchFace
	Usable   int    // faces that the reference finds and that are above all floors
	Pairs    []Pair // of usable faces, nearest first
	// Together and Apart count the pairs within the threshold: of one person
	// and of two.
	Together, Apart Rate
	// Named counts faces that got another person's name when the usable faces
	// of the other pictures in bench/ are known. Known is the same with the
	// people of people/ known.
	Named, Known Rate

	same func(a, b string) bool // whether two faces are one person's
}

// bench compares the faces of people who are strangers to each other.
func (l *lab) bench(ctx context.Context) (Bench, error) {
	var b Bench
	dir := filepath.Join(l.Dir, "bench")
	var err error
	if b.same, err = readPairs(dir); err != nil {
		return b, err
	}
	err = l.eachFile(ctx, dir, func(e engine.Engine, name string, seen engine.Seen) error {
		b.Pictures++
		numbers := make([]int, len(seen.Faces))
		for i := range numbers {
			numbers[i] = i
		}
		list, err := e.Reexamine(ctx, numbers)
		for i, d := range list {
			f := BenchFace{Picture: name, Number: i, Box: seen.Faces[i].Box, Quality: seen.Faces[i].Quality, Reference: d != nil, known: d}
			if s, failed := l.Model.Floors.Shortfall(f.Quality); failed {
				f.Shortfall = s.String()
			}
			b.Faces = append(b.Faces, f)
		}
		return err
	})
	if err != nil {
		return b, err
	}
	b.compare(l.Model)
	return b, l.benchAsked(ctx, &b)
}

// compare compares all pairs of usable faces.
func (b *Bench) compare(m faces.Model) {
	for i, f := range b.Faces {
		if f.usable() {
			b.Usable++
		}
		for _, g := range b.Faces[:i] {
			if !f.usable() || !g.usable() {
				continue
			}
			p := Pair{A: g.id(), B: f.id(), Distance: distance(wide(f.known), wide(g.known)), Same: b.same(g.id(), f.id())}
			b.Pairs = append(b.Pairs, p)
			if p.Same {
				b.Together.Add(p.Distance <= m.Threshold)
			} else {
				b.Apart.Add(p.Distance <= m.Threshold)
			}
		}
	}
	slices.SortFunc(b.Pairs, func(a, b Pair) int { return cmp.Compare(a.Distance, b.Distance) })
}

func (f BenchFace) id() string { return f.Picture + "#" + strconv.Itoa(f.Number) }

// benchAsked asks about each face twice: with the faces of the other pictures
// known, and with the people of people/ known.
func (l *lab) benchAsked(ctx context.Context, b *Bench) error {
	everybody := l.galleryOf(func(photo) bool { return true })
	return l.eachFile(ctx, filepath.Join(l.Dir, "bench"), func(e engine.Engine, name string, seen engine.Seen) error {
		others, err := answer(ctx, e, seen, b.gallery(l, name), l.Model)
		if err != nil {
			return err
		}
		people, err := answer(ctx, e, seen, everybody, l.Model)
		if err != nil {
			return err
		}
		as := photo{name: "bench/" + name}
		l.write(subject{series: "bench", label: "others of bench known", photo: as}, "stranger", others)
		l.write(subject{series: "bench", label: "people known", photo: as}, "stranger", people)
		b.count(name, others, func(wrong bool) { b.Named.Add(wrong) })
		for _, f := range people.Faces {
			b.Known.Add(f.Reason == faces.Identified)
		}
		return nil
	})
}

// count calls add for each face of a picture with whether it got another
// person's name.
func (b *Bench) count(picture string, o faces.Outcome, add func(wrong bool)) {
	for i, f := range o.Faces {
		id := BenchFace{Picture: picture, Number: i}.id()
		add(f.Reason == faces.Identified && !b.same(id, f.Person.Name))
	}
}

// gallery returns the usable faces of the other pictures, each as a person of
// its own.
func (b *Bench) gallery(l *lab, but string) gallery {
	ids := map[string]faces.Person{}
	index := nearest.NewIndex(l.Kernel, l.Model.Size, func(yield func(string, []faces.Descriptor) bool) {
		for i, f := range b.Faces {
			if !f.usable() || f.Picture == but {
				continue
			}
			ids[f.id()] = faces.Person{ID: int64(i + 1), Name: f.id()}
			if !yield(f.id(), []faces.Descriptor{f.known}) {
				return
			}
		}
	})
	return gallery{index: index, people: len(ids), owner: func(name string) (faces.Person, bool) {
		p, ok := ids[name]
		return p, ok
	}}
}

// readPairs reads bench/pairs.txt. A line names two faces of one person, each
// as picture#number. Numbers count from the left, starting at 0.
func readPairs(dir string) (func(a, b string) bool, error) {
	rows, err := readColumns(filepath.Join(dir, "pairs.txt"), 2)
	if err != nil {
		return nil, err
	}
	return func(a, b string) bool {
		return slices.ContainsFunc(rows, func(row []string) bool {
			return row[0] == a && row[1] == b || row[0] == b && row[1] == a
		})
	}, nil
}
