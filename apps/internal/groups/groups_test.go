package groups_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
)

// brute is an exact search. asked counts the faces that were asked about.
type brute struct {
	vectors map[int64]faces.Descriptor
	keys    []int64 // ascending
	asked   int
	failAt  int // fail once so many faces were asked about; 0: never
}

var errSearch = errors.New("the search is gone")

func newBrute() *brute { return &brute{vectors: map[int64]faces.Descriptor{}} }

func (b *brute) put(key int64, vector ...float32) {
	if b.vectors[key] == nil {
		at, _ := slices.BinarySearch(b.keys, key)
		b.keys = slices.Insert(b.keys, at, key)
	}
	b.vectors[key] = vector
}

func (b *brute) Within(_ context.Context, keys []int64, distance float64, last int64) ([][]faces.NearFace, error) {
	lists := make([][]faces.NearFace, len(keys))
	for i, key := range keys {
		vector, ok := b.vectors[key]
		if !ok {
			continue
		}
		for _, other := range b.keys {
			if d := vector.Distance(b.vectors[other]); d <= distance && other <= last {
				lists[i] = append(lists[i], faces.NearFace{ID: other, Distance: d})
			}
		}
	}
	return lists, nil
}

func (b *brute) Descriptors(_ context.Context, keys []int64) ([]faces.Descriptor, error) {
	list := make([]faces.Descriptor, len(keys))
	for i, key := range keys {
		list[i] = b.vectors[key]
	}
	return list, nil
}

// counting counts and fails. It is not part of brute, because searches of several
// batches run at the same time.
type counting struct {
	*brute
	mu chan struct{}
}

func counted(b *brute) *counting { return &counting{b, make(chan struct{}, 1)} }

func (c *counting) Within(ctx context.Context, keys []int64, distance float64, last int64) ([][]faces.NearFace, error) {
	c.mu <- struct{}{}
	defer func() { <-c.mu }()
	c.asked += len(keys)
	if c.failAt > 0 && c.asked >= c.failAt {
		return nil, errSearch
	}
	return c.brute.Within(ctx, keys, distance, last)
}

// line puts faces on a line, each in a picture of its own.
func line(at ...float32) (*brute, []groups.Face) {
	b := newBrute()
	var list []groups.Face
	for i, x := range at {
		b.put(int64(i+1), x, 0)
		list = append(list, groups.Face{ID: int64(i + 1), Picture: int64(100 + i)})
	}
	return b, list
}

func grouping(t *testing.T, r groups.Rule) *groups.Grouping {
	t.Helper()
	g, err := groups.New(r)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// lone is a rule without a bound of the width.
func lone(least int) groups.Rule { return groups.Rule{Distance: 1, Min: least, Width: 1e9} }

func add(t *testing.T, g *groups.Grouping, s groups.Search, list ...groups.Face) {
	t.Helper()
	if err := g.Add(t.Context(), s, list...); err != nil {
		t.Fatal(err)
	}
}

func settle(t *testing.T, g *groups.Grouping, s groups.Search) []groups.Placement {
	t.Helper()
	changes, err := g.Settle(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// sets returns the groups without their keys' names, for messages and comparisons.
func sets(g *groups.Grouping) string {
	text := ""
	for _, group := range g.Groups() {
		text += fmt.Sprint(group.Key, group.Faces, " ")
	}
	return text
}

func TestGroups(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		min  int
		at   []float32
		want string
	}{
		{"nobody", 3, nil, ""},
		{"two are no group", 3, []float32{0, 1}, ""},
		{"three are one", 3, []float32{0, 0.5, 1}, "1 [1 2 3] "},
		{"a chain", 3, []float32{0, 1, 2, 3}, "1 [1 2 3 4] "},
		{"just beyond", 3, []float32{0, 1, 2.0001, 3}, ""},
		{"two groups", 3, []float32{5, 6, 7, 0, 1, 2}, "1 [1 2 3] 4 [4 5 6] "},
		{"the larger one first", 3, []float32{0, 1, 2, 5, 6, 7, 8}, "4 [4 5 6 7] 1 [1 2 3] "},
		{"copies", 3, []float32{1, 1, 1, 1}, "1 [1 2 3 4] "},
		{"a border face goes to the nearest core", 4, []float32{0, 0, 0, 0.9, 1.7, 2.5, 2.5, 2.5}, "4 [4 5 6 7 8] 1 [1 2 3] "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, list := line(c.at...)
			g := grouping(t, lone(c.min))
			add(t, g, s, list...)
			settle(t, g, s)
			if got, want := sets(g), reference(s, list, lone(c.min)); got != want {
				t.Errorf("groups %s, by definition %s", got, want)
			} else if c.min == 3 && got != c.want {
				t.Errorf("groups %s, want %s", got, c.want)
			}
		})
	}
}

// Two core faces are as near: the smaller key wins.
func TestBorderTies(t *testing.T) {
	t.Parallel()
	s, list := line(-1, -1.5, -1.5, -1.5, 1, 1.5, 1.5, 1.5, 0)
	g := grouping(t, lone(4))
	add(t, g, s, list...)
	settle(t, g, s)
	if got, want := sets(g), "1 [1 2 3 4 9] 5 [5 6 7 8] "; got != want {
		t.Errorf("groups %s, want %s", got, want)
	}
}

// reference is DBSCAN as it is defined, for faces without conflicts.
func reference(s *brute, list []groups.Face, r groups.Rule) string {
	near := func(a, b groups.Face) float64 { return s.vectors[a.ID].Distance(s.vectors[b.ID]) }
	core := map[int64]bool{}
	for _, a := range list {
		n := 0
		for _, b := range list {
			if near(a, b) <= r.Distance {
				n++
			}
		}
		core[a.ID] = n >= r.Min
	}
	group := map[int64]int64{}
	var visit func(f groups.Face, to int64)
	visit = func(f groups.Face, to int64) {
		group[f.ID] = to
		for _, other := range list {
			if core[other.ID] && group[other.ID] == 0 && near(f, other) <= r.Distance {
				visit(other, to)
			}
		}
	}
	for _, f := range list {
		if core[f.ID] && group[f.ID] == 0 {
			visit(f, f.ID)
		}
	}
	for _, f := range list {
		best := math.Inf(1)
		for _, other := range slices.SortedFunc(slices.Values(list), func(a, b groups.Face) int { return cmp.Compare(a.ID, b.ID) }) {
			if d := near(f, other); !core[f.ID] && core[other.ID] && d <= r.Distance && d < best {
				best, group[f.ID] = d, group[other.ID]
			}
		}
	}
	byGroup := map[int64][]int64{}
	for key, to := range group {
		byGroup[to] = append(byGroup[to], key)
	}
	var all []groups.Group
	for members := range maps.Values(byGroup) {
		slices.Sort(members)
		all = append(all, groups.Group{Key: members[0], Faces: members})
	}
	slices.SortFunc(all, func(a, b groups.Group) int {
		return cmp.Or(cmp.Compare(len(b.Faces), len(a.Faces)), cmp.Compare(a.Key, b.Key))
	})
	text := ""
	for _, g := range all {
		text += fmt.Sprint(g.Key, g.Faces, " ")
	}
	return text
}

// grid draws faces on a coarse grid, so that many distances are equal. They are in so
// many pictures at random, or each in its own if pictures is 0.
func grid(rng *rand.Rand, n, pictures int) (*brute, []groups.Face) {
	s := newBrute()
	var list []groups.Face
	width := 3 + rng.IntN(6)
	for i := range n {
		key := int64(1 + i*3 + rng.IntN(3))
		s.put(key, float32(rng.IntN(width))/2, float32(rng.IntN(width))/2)
		picture := key
		if pictures > 0 {
			picture = int64(rng.IntN(pictures))
		}
		list = append(list, groups.Face{ID: key, Picture: picture})
	}
	return s, list
}

// The groups are those of the definition, whatever the order in which faces come
// and go, and whatever was there meanwhile.
func TestIncrementalEqualsFull(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 15))
		s, list := grid(rng, 5+rng.IntN(60), 0)
		r := lone(2 + rng.IntN(4))
		r.Distance = []float64{0.5, math.Sqrt2 / 2, 1, 1.2}[rng.IntN(4)]
		g := grouping(t, r)
		in := churn(t, rng, g, s, list, nil)
		settle(t, g, s)
		if got, want := sets(g), reference(s, in, r); got != want {
			t.Fatalf("seed %d: groups %s, by definition %s", seed, got, want)
		}
	}
}

// The same with the guard: the groups are those of a Grouping that gets the final
// set at once. No two faces of one picture, or said to be apart, are together.
func TestGuardIncrementalEqualsFull(t *testing.T) {
	t.Parallel()
	split := 0
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 16))
		s, list := grid(rng, 5+rng.IntN(60), 40)
		r := groups.Rule{Distance: []float64{0.75, 1, 1.2}[rng.IntN(3)], Min: 2 + rng.IntN(3), Width: 0.5 + rng.Float64()*2}
		var apart [][2]int64
		for range rng.IntN(8) {
			apart = append(apart, [2]int64{list[rng.IntN(len(list))].ID, list[rng.IntN(len(list))].ID})
		}
		g, full := grouping(t, r), grouping(t, r)
		for _, p := range apart {
			full.SetApart(p[0], p[1], true)
		}
		in := churn(t, rng, g, s, list, apart)
		settle(t, g, s)
		add(t, full, s, in...)
		settle(t, full, s)
		if got, want := sets(g), sets(full); got != want {
			t.Fatalf("seed %d: groups %s, at once %s", seed, got, want)
		}
		checkPure(t, full, in, apart)
		if sets(full) != reference(s, in, r) {
			split++
		}
	}
	if split < 50 {
		t.Errorf("the guard changed the groups of %d sets only: the test shows little", split)
	}
}

func checkPure(t *testing.T, g *groups.Grouping, in []groups.Face, apart [][2]int64) {
	t.Helper()
	pictures := map[int64]int64{}
	for _, f := range in {
		pictures[f.ID] = f.Picture
	}
	for _, group := range g.Groups() {
		seen := map[int64]bool{}
		for _, key := range group.Faces {
			if seen[pictures[key]] {
				t.Errorf("group %v has two faces of picture %d", group, pictures[key])
			}
			seen[pictures[key]] = true
		}
		for _, p := range apart {
			if p[0] != p[1] && slices.Contains(group.Faces, p[0]) && slices.Contains(group.Faces, p[1]) {
				t.Errorf("group %v has %v, who are apart", group, p)
			}
		}
		if group.Key != group.Faces[0] || len(group.Faces) < g.Rule().Min {
			t.Errorf("group %v", group)
		}
	}
}

// churn adds and removes faces in random order. It returns those that stay, in the
// order of keys. What Settle reports, added up, is what Groups says.
func churn(t *testing.T, rng *rand.Rand, g *groups.Grouping, s *brute, list []groups.Face, apart [][2]int64) (in []groups.Face) {
	t.Helper()
	present, placed := map[int64]groups.Face{}, map[int64]int64{}
	said := 0
	for range 3 + rng.IntN(25) {
		some := slices.Clone(list)
		rng.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		some = some[:1+rng.IntN(len(some))]
		if rng.IntN(2) == 0 {
			some = some[:1]
		}
		switch rng.IntN(5) {
		case 0, 1, 2:
			add(t, g, s, some...)
			for _, f := range some {
				present[f.ID] = f
			}
		case 3:
			search := s
			if rng.IntN(2) == 0 { // the faces were deleted
				search = without(s, some)
			}
			if err := g.Remove(t.Context(), search, keys(some)...); err != nil {
				t.Fatal(err)
			}
			for _, f := range some {
				delete(present, f.ID)
				delete(placed, f.ID)
			}
		case 4:
			if said < len(apart) {
				g.SetApart(apart[said][0], apart[said][1], true)
				said++
			} else if len(list) > 1 { // somebody changes their mind
				g.SetApart(list[0].ID, list[1].ID, true)
				g.SetApart(list[0].ID, list[1].ID, slices.ContainsFunc(apart, func(p [2]int64) bool {
					return p == [2]int64{list[0].ID, list[1].ID} || p == [2]int64{list[1].ID, list[0].ID}
				}))
			}
		}
		if rng.IntN(3) == 0 {
			for _, p := range settle(t, g, s) {
				placed[p.Face] = p.Group
			}
		}
	}
	for _, p := range apart[said:] {
		g.SetApart(p[0], p[1], true)
	}
	for _, p := range settle(t, g, s) {
		placed[p.Face] = p.Group
	}
	for _, group := range g.Groups() {
		for _, key := range group.Faces {
			if placed[key] != group.Key {
				t.Errorf("face %d is in group %d, but was reported in %d", key, group.Key, placed[key])
			}
			delete(placed, key)
		}
	}
	for key, group := range placed {
		if group != 0 {
			t.Errorf("face %d is in no group, but was reported in %d", key, group)
		}
	}
	return slices.SortedFunc(maps.Values(present), func(a, b groups.Face) int { return cmp.Compare(a.ID, b.ID) })
}

// without is a search that does not hold some faces: they were deleted.
func without(s *brute, list []groups.Face) *brute {
	c := newBrute()
	gone := keys(list)
	for _, key := range s.keys {
		if !slices.Contains(gone, key) {
			c.put(key, s.vectors[key]...)
		}
	}
	return c
}

func keys(list []groups.Face) []int64 {
	var all []int64
	for _, f := range list {
		all = append(all, f.ID)
	}
	return all
}

// A run that is cut off continues from its checkpoint, even if faces have come and
// gone meanwhile.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 17))
		s, list := grid(rng, 60, 40)
		r := groups.Rule{Distance: 1, Min: 3, Width: 1.5}
		g := grouping(t, r)
		churn(t, rng, g, s, list, nil)
		add(t, g, s, list[:20]...)
		if rng.IntN(2) == 0 {
			if err := g.Remove(t.Context(), s, list[3].ID, list[4].ID); err != nil {
				t.Fatal(err)
			}
		}
		g.SetApart(list[0].ID, list[1].ID, true)
		read := again(t, g)
		if !reflect.DeepEqual(read.Groups(), g.Groups()) || !slices.Equal(read.Apart(), g.Apart()) || read.Len() != g.Len() {
			t.Fatalf("seed %d: groups %s, read back %s", seed, sets(g), sets(read))
		}
		if a, b := settle(t, g, s), settle(t, read, s); !slices.Equal(a, b) {
			t.Fatalf("seed %d: changes %v, after reading back %v", seed, a, b)
		}
		now := list[5:50]
		full := grouping(t, r)
		full.SetApart(list[0].ID, list[1].ID, true)
		for _, x := range []*groups.Grouping{read, full} {
			if err := x.Sync(t.Context(), without(s, list[:5]), now, nil); err != nil {
				t.Fatal(err)
			}
			settle(t, x, s)
		}
		if sets(read) != sets(full) {
			t.Fatalf("seed %d: continued %s, at once %s", seed, sets(read), sets(full))
		}
	}
}

func again(t *testing.T, g *groups.Grouping) *groups.Grouping {
	t.Helper()
	var file bytes.Buffer
	n, err := g.WriteTo(&file)
	if err != nil || n != int64(file.Len()) {
		t.Fatalf("wrote %d of %d bytes: %v", n, file.Len(), err)
	}
	read, err := groups.Read(&file, g.Rule())
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestDamagedCheckpoint(t *testing.T) {
	t.Parallel()
	s, list := line(0, 1, 2, 3, 9, 10)
	g := grouping(t, lone(3))
	add(t, g, s, list...)
	var file bytes.Buffer
	if _, err := g.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	for n := range file.Len() {
		cut := file.Bytes()[:n]
		flipped := slices.Clone(file.Bytes())
		flipped[n] ^= 1
		for _, data := range [][]byte{cut, flipped} {
			if _, err := groups.Read(bytes.NewReader(data), g.Rule()); !errors.Is(err, groups.ErrDamaged) {
				t.Fatalf("byte %d: error %v", n, err)
			}
		}
	}
	if _, err := groups.Read(bytes.NewReader(file.Bytes()), lone(4)); !errors.Is(err, groups.ErrDamaged) {
		t.Errorf("another rule: error %v", err)
	}
	if _, err := g.WriteTo(full{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a full disk: error %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// The guard by hand: faces on a line, neighbours within 1.
func TestGuard(t *testing.T) {
	t.Parallel()
	const any = 1e9
	for _, c := range []struct {
		name     string
		at       []float32
		width    float64
		together [][2]int // faces of one picture, by number from 1
		apart    [][2]int64
		want     string
	}{
		{"a chain between two people", []float32{0, 0.1, 0.2, 1.15, 2.1, 2.2, 2.3}, any, [][2]int{{1, 7}}, nil, "1 [1 2 3] 5 [5 6 7] "},
		{"the same, as somebody said", []float32{0, 0.1, 0.2, 1.15, 2.1, 2.2, 2.3}, any, nil, [][2]int64{{1, 7}}, "1 [1 2 3] 5 [5 6 7] "},
		{"the same, by its width", []float32{0, 0.1, 0.2, 1.15, 2.1, 2.2, 2.3}, 1.2, nil, nil, "1 [1 2 3] 5 [5 6 7] "},
		{"narrow enough", []float32{0, 0.1, 0.2, 1.15, 2.1, 2.2, 2.3}, 1.5, nil, nil, "1 [1 2 3 4 5 6 7] "},
		{"a mirror: the one nearer to the centre stays", []float32{0, 0.1, 0.2, 0.3, 0.6}, any, [][2]int{{5, 3}}, nil, "1 [1 2 3 4] "},
		{"two mirrors", []float32{0, 0.1, 0.2, 0.3, 0.6}, any, [][2]int{{5, 3}, {1, 2}}, nil, "2 [2 3 4] "},
		{"twins, as somebody said: each face goes to the nearer", []float32{0, 0.1, 0.2, 0.3, 0.4, 0.5}, any, nil, [][2]int64{{1, 6}}, "1 [1 2 3] 4 [4 5 6] "},
		{"nothing is left of two faces and a mirror", []float32{0, 0.1, 0.2}, any, [][2]int{{1, 2}}, nil, ""},
		{"too wide in the last round, too: it stays", []float32{0, 0.7, 1.4, 2.1, 2.8, 3.5}, 0.5, nil, nil, "1 [1 2 3 4 5 6] "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, list := line(c.at...)
			for _, p := range c.together {
				list[p[0]-1].Picture = list[p[1]-1].Picture
			}
			g := grouping(t, groups.Rule{Distance: 1, Min: 3, Width: c.width})
			for _, p := range c.apart {
				g.SetApart(p[0], p[1], true)
			}
			add(t, g, s, list...)
			settle(t, g, s)
			if got := sets(g); got != c.want {
				t.Errorf("groups %s, want %s", got, c.want)
			}
			for _, p := range c.apart { // undone, the groups are one again
				g.SetApart(p[0], p[1], false)
				settle(t, g, s)
				if got := g.Groups(); len(got) != 1 {
					t.Errorf("after undoing: %v", got)
				}
			}
		})
	}
}

// Faces of a picture are found in the batch that adds them, and neither a failing
// search nor a face that the search does not hold changes anything.
func TestFailedChangesChangeNothing(t *testing.T) {
	t.Parallel()
	s, list := line(0, 1, 2, 3, 4, 5, 6)
	g := grouping(t, lone(3))
	add(t, g, s, list[:5]...)
	settle(t, g, s)
	before := sets(g)
	broken := counted(s)
	broken.failAt = 1
	for _, c := range []struct {
		name string
		do   func() error
		want error
	}{
		{"add", func() error { return g.Add(t.Context(), broken, list[5:]...) }, errSearch},
		{"remove", func() error { return g.Remove(t.Context(), broken, 3) }, errSearch},
		{"look", func() error { _, _, err := g.Look(t.Context(), broken, 1, 1, 10); return err }, errSearch},
		{"sync", func() error { return g.Sync(t.Context(), broken, list, nil) }, errSearch},
		{"a face that the search does not hold", func() error { return g.Add(t.Context(), without(s, list[6:]), list[5:]...) }, nil},
	} {
		err := c.do()
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: error %v", c.name, err)
		}
		settle(t, g, s)
		if got := sets(g); got != before || g.Len() != 5 {
			t.Errorf("%s: groups %s of %d faces, before %s", c.name, got, g.Len(), before)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Add(cancelled, s, list[5:]...); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
}

// A new face costs one question, however many faces there are. So does a face that
// leaves, if its group holds together, and the search still holds the face.
func TestChangesTouchTheNeighbourhoodOnly(t *testing.T) {
	t.Parallel()
	s, list := newBrute(), []groups.Face(nil)
	for i := range 600 {
		key := int64(i + 1)
		s.put(key, float32(i/6*10), float32(i%6)/10)
		list = append(list, groups.Face{ID: key, Picture: key})
	}
	c := counted(s)
	g := grouping(t, lone(3))
	add(t, g, c, list[:599]...)
	settle(t, g, c)
	c.asked = 0
	add(t, g, c, list[599])
	if changes := settle(t, g, c); c.asked != 1 || len(changes) != 1 || changes[0] != (groups.Placement{Face: 600, Group: 595}) {
		t.Errorf("one more face: %d questions, changes %v", c.asked, changes)
	}
	c.asked = 0
	if err := g.Remove(t.Context(), c, 1); err != nil {
		t.Fatal(err)
	}
	if changes := settle(t, g, c); c.asked != 1 || len(changes) != 5 || changes[0] != (groups.Placement{Face: 2, Group: 2}) {
		t.Errorf("one face less: %d questions, changes %v", c.asked, changes)
	}
	c.asked = 0
	if err := g.Remove(t.Context(), counted(without(s, list[1:2])), 2); err != nil {
		t.Fatal(err)
	}
	if changes := settle(t, g, c); len(changes) != 4 || changes[0] != (groups.Placement{Face: 3, Group: 3}) {
		t.Errorf("a face less that was deleted: changes %v", changes)
	}
	if err := g.Remove(t.Context(), c, 7, 8, 9, 10, 11, 12); err != nil {
		t.Fatal(err)
	}
	if changes := settle(t, g, c); c.asked != 0 || len(changes) != 0 || g.Len() != 592 {
		t.Errorf("a whole group less: %d questions, changes %v", c.asked, changes)
	}
}

// A run that stops in the middle continues from its checkpoint and does not repeat
// what was done.
func TestSyncIsResumable(t *testing.T) {
	t.Parallel()
	const n = 70_000 // more than one checkpoint
	s := sparse{}
	var list []groups.Face
	for i := range n {
		list = append(list, groups.Face{ID: int64(i + 1), Picture: int64(i + 1)})
	}
	g := grouping(t, lone(3))
	var file bytes.Buffer
	stop := errors.New("stopped")
	err := g.Sync(t.Context(), s, list, func() error {
		if _, err := g.WriteTo(&file); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatalf("error %v", err)
	}
	if perFace := float64(file.Len()) / float64(g.Len()); perFace > 12 {
		t.Errorf("a checkpoint takes %.1f bytes a face", perFace)
	}
	read, err := groups.Read(&file, lone(3))
	if err != nil {
		t.Fatal(err)
	}
	done := read.Len()
	if done < 1<<16 || done == n {
		t.Fatalf("%d of %d faces are in the checkpoint", done, n)
	}
	c := &asked{Search: s, mu: make(chan struct{}, 1)}
	if err := read.Sync(t.Context(), c, list, nil); err != nil {
		t.Fatal(err)
	}
	settle(t, read, s)
	if c.n != n-done {
		t.Errorf("%d faces were asked about, want %d", c.n, n-done)
	}
	if all := read.Groups(); len(all) != n/5 || len(all[0].Faces) != 5 {
		t.Errorf("%d groups, want %d of 5 faces", len(all), n/5)
	}
}

// sparse is a search of faces in groups of five with following keys.
type sparse struct{}

func (sparse) Within(_ context.Context, keys []int64, _ float64, last int64) ([][]faces.NearFace, error) {
	lists := make([][]faces.NearFace, len(keys))
	for i, key := range keys {
		for other := (key-1)/5*5 + 1; other <= min((key-1)/5*5+5, last); other++ {
			lists[i] = append(lists[i], faces.NearFace{ID: other})
		}
	}
	return lists, nil
}

func (sparse) Descriptors(_ context.Context, keys []int64) ([]faces.Descriptor, error) {
	list := make([]faces.Descriptor, len(keys))
	for i, key := range keys {
		list[i] = faces.Descriptor{float32((key - 1) / 5)}
	}
	return list, nil
}

// asked counts the faces that were asked about.
type asked struct {
	groups.Search
	mu chan struct{}
	n  int
}

func (a *asked) Within(ctx context.Context, keys []int64, distance float64, last int64) ([][]faces.NearFace, error) {
	a.mu <- struct{}{}
	a.n += len(keys)
	<-a.mu
	return a.Search.Within(ctx, keys, distance, last)
}

func TestLook(t *testing.T) {
	t.Parallel()
	s, list := line(0, 0.9, 1.8, 2.7, 3.74, 4.6, 5.5, 6.4, 20)
	g := grouping(t, lone(3))
	add(t, g, s, list...)
	settle(t, g, s)
	before := sets(g)
	for _, c := range []struct {
		name     string
		key      int64
		distance float64
		limit    int
		want     string
		more     bool
		problem  bool
	}{
		{"as it is", 1, 1, 99, "{1 [1 2 3 4]} ", false, false},
		{"looser", 1, 1.05, 99, "{1 [1 2 3 4 5 6 7 8]} ", false, false},
		{"stricter", 1, 0.8, 99, "{0 []} ", false, false},
		{"of a border face", 4, 1, 99, "{1 [1 2 3 4]} ", false, false},
		{"of a face without neighbours", 9, 1, 99, "{0 []} ", false, false},
		{"more than the limit", 1, 1.05, 3, "", true, false},
		{"too strict", 1, 0.69, 99, "", false, true},
		{"too loose", 1, 1.06, 99, "", false, true},
		{"no number", 1, math.NaN(), 99, "", false, true},
		{"an unknown face", 77, 1, 99, "", false, true},
	} {
		group, more, err := g.Look(t.Context(), s, c.key, c.distance, c.limit)
		if more != c.more || (err != nil) != c.problem {
			t.Errorf("%s: more %v, error %v", c.name, more, err)
		}
		if got := fmt.Sprint(group, " "); c.want != "" && got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if c.more && len(group.Faces) != c.limit {
			t.Errorf("%s: %d faces, want %d", c.name, len(group.Faces), c.limit)
		}
	}
	if sets(g) != before {
		t.Errorf("looking changed the groups: %s", sets(g))
	}
}

// Looking at another distance shows the groups of a Grouping with that distance.
func TestLookIsExact(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 18))
		s, list := grid(rng, 50, 0)
		r := lone(2 + rng.IntN(4))
		g := grouping(t, r)
		add(t, g, s, list...)
		for _, share := range []float64{groups.Strictest, 0.75, 1, groups.Loosest} {
			other := r
			other.Distance = share * r.Distance
			at := grouping(t, other)
			add(t, at, s, list...)
			settle(t, at, s)
			for _, group := range at.Groups() {
				for _, key := range group.Faces {
					got, _, err := g.Look(t.Context(), s, key, other.Distance, 999)
					if err != nil || !reflect.DeepEqual(got, group) {
						t.Fatalf("seed %d, face %d at %.2f: %v, %v; want %v", seed, key, other.Distance, got, err, group)
					}
				}
			}
		}
	}
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	near := func(person int64, distance float64) faces.Candidate {
		return faces.Candidate{Person: faces.Person{ID: person}, Distance: distance}
	}
	m := faces.Model{Threshold: 0.9}
	for _, c := range []struct {
		name     string
		samples  [][]faces.Candidate
		excluded int64
		want     string
	}{
		{"nobody near", [][]faces.Candidate{nil, {near(1, 0.91)}, {near(2, math.NaN())}}, 0, "[]"},
		{"the smallest distance of the samples", [][]faces.Candidate{{near(1, 0.8), near(2, 0.7)}, {near(1, 0.6)}, {near(1, 0.9)}}, 0, "[{{1 } 0.6} {{2 } 0.7}]"},
		{"at the threshold", [][]faces.Candidate{{near(1, 0.9)}}, 0, "[{{1 } 0.9}]"},
		{"ties by id", [][]faces.Candidate{{near(3, 0.5), near(2, 0.5)}}, 0, "[{{2 } 0.5} {{3 } 0.5}]"},
		{"never somebody in a picture of the group", [][]faces.Candidate{{near(1, 0.1), near(2, 0.5)}}, 1, "[{{2 } 0.5}]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := groups.Suggest(c.samples, m, func(person int64) bool { return person == c.excluded })
			if fmt.Sprint(got) != c.want {
				t.Errorf("%v, want %s", got, c.want)
			}
		})
	}
}

// The samples of a group are its faces with the most neighbours.
func TestSamples(t *testing.T) {
	t.Parallel()
	s, list := line(0, 0.8, 1.0, 1.1, 1.9, 2.6)
	g := grouping(t, lone(3))
	add(t, g, s, list...)
	settle(t, g, s)
	if got := g.Samples(g.Groups()[0]); !slices.Equal(got, []int64{3, 2, 4}) {
		t.Errorf("samples %v", got)
	}
	if got := g.Samples(groups.Group{Faces: []int64{2, 77}}); !slices.Equal(got, []int64{2}) {
		t.Errorf("samples %v, want 2", got)
	}
}

func TestEligible(t *testing.T) {
	t.Parallel()
	m := faces.Model{ID: "set", Size: 2, Floors: faces.Floors{Size: 20}}
	good := faces.Face{Reason: faces.UnknownPerson, Model: "set", Descriptor: faces.Descriptor{1, 2}, Quality: faces.Quality{Size: 20}}
	for _, c := range []struct {
		name   string
		change func(*faces.Face)
		want   bool
	}{
		{"unknown", func(*faces.Face) {}, true},
		{"uncertain", func(f *faces.Face) { f.Reason = faces.Uncertain }, true},
		{"not somebody, as somebody said", func(f *faces.Face) { f.Corrected = true }, true},
		{"named", func(f *faces.Face) { f.Reason, f.Person = faces.Identified, &faces.Person{ID: 1} }, false},
		{"ignored", func(f *faces.Face) { f.Reason = faces.Ignored }, false},
		{"not a face", func(f *faces.Face) { f.Reason = faces.NotAFace }, false},
		{"drawn by a user", func(f *faces.Face) { f.Drawn = true }, false},
		{"without a descriptor", func(f *faces.Face) { f.Descriptor = nil }, false},
		{"of another length", func(f *faces.Face) { f.Descriptor = faces.Descriptor{1} }, false},
		{"of another model set", func(f *faces.Face) { f.Model = "old" }, false},
		{"below a floor, by its quality", func(f *faces.Face) { f.Quality.Size = 19 }, false},
		{"below a floor, by its reason", func(f *faces.Face) { f.Reason = faces.Blurred }, false},
	} {
		f := good
		c.change(&f)
		if got := groups.Eligible(f, m); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestRule(t *testing.T) {
	t.Parallel()
	m := faces.Model{Threshold: 0.9, GroupDistance: 0.8}
	if got := groups.RuleOf(m); got != (groups.Rule{Distance: 0.8, Min: 3, Width: 0.9}) || got.Check() != nil {
		t.Errorf("rule %+v", got)
	}
	for _, r := range []groups.Rule{
		groups.RuleOf(faces.Model{Threshold: 0.9}), // a model set without groups
		{Distance: math.NaN(), Min: 3, Width: 1}, {Distance: math.Inf(1), Min: 3, Width: 1},
		{Distance: 1, Min: 1, Width: 1}, {Distance: 1, Min: 65, Width: 1}, {Distance: 1, Min: 3},
	} {
		if _, err := groups.New(r); err == nil {
			t.Errorf("the rule %+v is accepted", r)
		}
	}
}
