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

// GroupFaces is what came of the pictures in groups/, asked about with all known
// pictures.
type GroupFaces struct {
	Pictures, Faces  int
	Named            int // faces that got a name
	Uncertain, Floor int
	Labelled         Rate // labels with a face at their place
	Right, Wrong     Rate // of those faces: named rightly, named wrongly
	Names            []string
}

// label says who is at a place of a picture.
type label struct {
	x, y int
	name string
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
			return nil, fmt.Errorf("%s: %q, %q are not whole numbers of pixels", file, row[1], row[2])
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
		l.verdict(question{"groups", "", photo{name: "groups/" + name}, false, o})
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
			return want.x >= f.Box.X && want.x < f.Box.X+f.Box.Width && want.y >= f.Box.Y && want.y < f.Box.Y+f.Box.Height
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

// eachFile looks at the pictures of a folder, one after the other.
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

// BenchFace is a face of bench/, where everybody is somebody else.
type BenchFace struct {
	Picture   string
	Number    int // in its picture, from left to right, from 0
	Box       faces.Box
	Quality   faces.Quality
	Shortfall string // which floor it fails; empty where it may be named
	Reference bool   // the reference sees it
	known     faces.Descriptor
}

func (f BenchFace) usable() bool { return f.Reference && f.Shortfall == "" }

// Pair is two faces of bench/ in different pictures.
type Pair struct {
	A, B     string // picture#number
	Distance float64
	Same     bool // bench/pairs.txt says that they are one person
}

// Bench is what came of the pictures in bench/.
type Bench struct {
	Pictures int
	Faces    []BenchFace
	Usable   int    // faces that the reference sees and that fail no floor
	Pairs    []Pair // of usable faces, nearest first
	// Together and Apart count the pairs within the threshold: of one person, of two.
	Together, Apart Rate
	// Named are usable faces that got the name of another person with all other
	// pictures of bench known, Known those with all of people known.
	Named, Known Rate
}

// bench compares faces of people who are strangers to each other.
func (l *lab) bench(ctx context.Context) (Bench, error) {
	var b Bench
	dir := filepath.Join(l.Dir, "bench")
	same, err := readPairs(dir)
	if err != nil {
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
	b.compare(l.Model, same)
	return b, l.benchAsked(ctx, &b, same)
}

// compare compares all pairs of usable faces in different pictures.
func (b *Bench) compare(m faces.Model, same func(a, b string) bool) {
	for i, f := range b.Faces {
		if f.usable() {
			b.Usable++
		}
		for _, g := range b.Faces[:i] {
			if !f.usable() || !g.usable() || f.Picture == g.Picture {
				continue
			}
			p := Pair{A: g.id(), B: f.id(), Distance: distance(wide(f.known), wide(g.known)), Same: same(g.id(), f.id())}
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

// benchAsked asks about each usable face with the faces of the other pictures
// known, and with the known people.
func (l *lab) benchAsked(ctx context.Context, b *Bench, same func(a, b string) bool) error {
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
		l.verdict(question{"bench", "others", photo{name: "bench/" + name}, true, others})
		l.verdict(question{"bench", "people", photo{name: "bench/" + name}, true, people})
		for i := range seen.Faces {
			f := b.Faces[slices.IndexFunc(b.Faces, func(f BenchFace) bool { return f.Picture == name && f.Number == i })]
			o := others.Faces[i]
			b.Named.Add(o.Reason == faces.Identified && !same(f.id(), o.Person.Name))
			b.Known.Add(people.Faces[i].Reason == faces.Identified)
		}
		return nil
	})
}

// gallery returns the usable faces of the other pictures, each as a person.
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

// readPairs reads bench/pairs.txt: two faces of one person, each as
// picture#number, where the number counts from the left and from 0.
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
