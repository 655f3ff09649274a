package measure

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"path"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// GalleryTally is the tally for one size of gallery.
type GalleryTally struct {
	People   int // in the gallery
	Real     int // how many of them are real; the others are generated
	Pictures int // maximum per person
	Tally
}

// perPerson returns the numbers of pictures per person that are measured.
func perPerson() []int { return []int{1, 3, 10} }

// peopleCounts returns the numbers of people that are measured.
func (l *lab) peopleCounts() []int {
	counts := []int{len(l.people)}
	for _, n := range []int{2, 10, 100, 1000, 10_000, 100_000, 1_000_000} {
		if n <= l.Largest {
			counts = append(counts, n)
		}
	}
	slices.Sort(counts)
	return slices.Compact(counts)
}

// galleries asks about every picture with galleries of several sizes. It also
// returns the crowd of generated people.
func (l *lab) galleries(ctx context.Context) ([]*GalleryTally, Crowd, error) {
	crowd := l.crowd()
	var list []*GalleryTally
	for _, pictures := range perPerson() {
		for _, people := range l.peopleCounts() {
			t := &GalleryTally{People: people, Real: min(people, len(l.people)), Pictures: pictures}
			t.Label = fmt.Sprintf("%d people, %d pictures", people, pictures)
			list = append(list, t)
			drawn := crowd.index(l.Kernel, people-t.Real, pictures)
			err := l.each(ctx, "gallery of "+t.Label, func(ctx context.Context, e engine.Engine, p photo, file []byte) error {
				seen, err := e.Look(ctx, file, engine.Ask)
				if err != nil {
					return err
				}
				known := l.sample(p, people, pictures, false, drawn)
				stranger := l.sample(p, people, pictures, true, drawn)
				return l.ask(ctx, subject{engine: e, photo: p, seen: seen, series: "gallery", label: t.Label}, known, stranger, &t.Tally)
			})
			if err != nil {
				return nil, crowd, err
			}
		}
	}
	return list, crowd, nil
}

// sample returns a random gallery for a question about p, with or without p's
// person, and adds the generated people in drawn.
func (l *lab) sample(p photo, people, pictures int, stranger bool, drawn *nearest.Index) gallery {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d %d", p.name, people, pictures)
	random := seeded(h.Sum64())
	order := random.Perm(len(l.photos))
	taken := map[int64]int{} // pictures taken, by person
	if !stranger {
		taken[p.person.ID] = 0
	}
	keep := map[string]bool{}
	for _, i := range order {
		o := l.photos[i]
		if o.descriptors == nil || o.name == p.name || stranger && o.person.ID == p.person.ID {
			continue
		}
		n, ok := taken[o.person.ID]
		if !ok && len(taken) == people || n == pictures {
			continue
		}
		taken[o.person.ID] = n + 1
		keep[o.name] = true
	}
	b := drawn.Change(func(string) bool { return true })
	for _, o := range l.photos {
		if keep[o.name] {
			b.Add(o.name, o.descriptors)
		}
	}
	return gallery{index: b.Finish(), people: len(taken) + drawn.Pictures()/pictures, owner: func(name string) (faces.Person, bool) {
		if q, ok := l.owner(name); ok {
			return q, true
		}
		return drawnPerson(name)
	}}
}

// Crowd generates people who are in no photograph. A person is a point from a
// normal distribution around the mean of the real people. Its variance is
// partly along the directions in which real people differ and partly isotropic.
// The shares are chosen so that a real picture is as close to the nearest 1 %
// of generated people as to the nearest 1 % of other real people. Pictures lie
// around a person's point as real pictures lie around their person's mean.
//
// This extrapolates from few people to many. It cannot model twins, families,
// or populations that the real people do not include.
type Crowd struct {
	// Near and Middle are the distances of the nearest 1 % and 50 % of all
	// pairs of different people: two real ones, or a real and a generated one.
	RealNear, RealMiddle, DrawnNear, DrawnMiddle float64
	Isotropic                                    float64 // isotropic share of the variance

	size   int
	mean   []float64
	across [][]float64 // of each real person: the mean, minus the mean of all
	within [][]float64 // of each real picture: the descriptor, minus its person's mean
	spread float64     // standard deviation of the people in one dimension
}

// crowd fits a Crowd to the known pictures.
func (l *lab) crowd() Crowd {
	byPerson := map[int64][][]float64{}
	for _, p := range l.known() {
		byPerson[p.person.ID] = append(byPerson[p.person.ID], wide(p.descriptors[0]))
	}
	c := Crowd{size: l.Model.Size}
	var means [][]float64
	for _, id := range slices.Sorted(maps.Keys(byPerson)) {
		m := meanOf(byPerson[id])
		means = append(means, m)
		if len(byPerson[id]) < 2 {
			continue // one picture shows nothing about differences between pictures
		}
		for _, v := range byPerson[id] {
			c.within = append(c.within, minus(v, m))
		}
	}
	if c.within == nil {
		c.within = [][]float64{make([]float64, c.size)}
	}
	c.mean = meanOf(means)
	total := 0.0
	for _, m := range means {
		d := minus(m, c.mean)
		c.across = append(c.across, d)
		total += dot(d, d)
	}
	c.spread = math.Sqrt(total / float64(len(means)-1) / float64(c.size))
	c.fit(l)
	return c
}

// fit finds the isotropic share of the variance by bisection.
func (c *Crowd) fit(l *lab) {
	var real []float64
	known := l.known()
	for i, a := range known {
		for _, b := range known[:i] {
			if a.person.ID != b.person.ID {
				real = append(real, distance(wide(a.descriptors[0]), wide(b.descriptors[0])))
			}
		}
	}
	c.RealNear, c.RealMiddle = quantile(real, 0.01), quantile(real, 0.5)
	low, high := 0.0, 1.0
	for range 8 {
		c.Isotropic = (low + high) / 2
		const people = 200
		var drawn []float64
		for i := range people {
			p := c.picture(i, 0)
			for _, k := range known {
				drawn = append(drawn, distance(p, wide(k.descriptors[0])))
			}
		}
		c.DrawnNear, c.DrawnMiddle = quantile(drawn, 0.01), quantile(drawn, 0.5)
		if c.DrawnNear < c.RealNear { // more directions, fewer near pairs
			low = c.Isotropic
		} else {
			high = c.Isotropic
		}
	}
}

// picture returns the descriptor of a picture of a generated person.
func (c *Crowd) picture(person, number int) []float64 {
	random := seeded(uint64(person) + 1)
	v := slices.Clone(c.mean)
	along := math.Sqrt((1 - c.Isotropic) / float64(len(c.across)-1))
	for _, d := range c.across {
		addTo(v, d, along*random.NormFloat64())
	}
	around := math.Sqrt(c.Isotropic) * c.spread
	for i := range v {
		v[i] += around * random.NormFloat64()
	}
	random = seeded(uint64(person)<<16 + uint64(number) + 1<<48)
	for _, d := range c.within {
		addTo(v, d, random.NormFloat64()/math.Sqrt(float64(len(c.within))))
	}
	return v
}

// index returns generated pictures of people, one folder per person.
func (c *Crowd) index(kernel nearest.Kernel, people, pictures int) *nearest.Index {
	return nearest.NewIndex(kernel, c.size, func(yield func(string, []faces.Descriptor) bool) {
		for i := range people {
			for j := range pictures {
				if !yield(fmt.Sprintf("%s%d/%d", drawnPrefix, i, j), []faces.Descriptor{narrow(c.picture(i, j))}) {
					return
				}
			}
		}
	})
}

// drawnPrefix begins the folder names of generated people. No folder of a
// photograph can have such a name.
const drawnPrefix = "\x00drawn "

// drawnPerson returns the generated person in a picture. Their ids are
// negative.
func drawnPerson(name string) (faces.Person, bool) {
	var n int64
	if _, err := fmt.Sscanf(path.Dir(name), drawnPrefix+"%d", &n); err != nil {
		return faces.Person{}, false
	}
	return faces.Person{ID: -1 - n, Name: "drawn " + fmt.Sprint(n)}, true
}

func wide(d faces.Descriptor) []float64 {
	v := make([]float64, len(d))
	for i := range d {
		v[i] = float64(d[i])
	}
	return v
}

func narrow(v []float64) faces.Descriptor {
	d := make(faces.Descriptor, len(v))
	for i := range v {
		d[i] = float32(v[i])
	}
	return d
}

func meanOf(list [][]float64) []float64 {
	m := make([]float64, len(list[0]))
	for _, v := range list {
		addTo(m, v, 1/float64(len(list)))
	}
	return m
}

func addTo(v, other []float64, factor float64) {
	for i := range v {
		v[i] += factor * other[i]
	}
}

func minus(a, b []float64) []float64 {
	v := slices.Clone(a)
	addTo(v, b, -1)
	return v
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func distance(a, b []float64) float64 {
	d := minus(a, b)
	return math.Sqrt(dot(d, d))
}

// quantile returns the value below which a share of the list lies, or 0 for an
// empty list.
func quantile(list []float64, share float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.SortedFunc(slices.Values(list), cmp.Compare[float64])
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}
