package measure

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/groupsearch"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// manyFaces is how many faces a person needs to count in GroupingPoint.Together.
const manyFaces = 5

// GroupingPoint is the result of grouping all faces at one distance.
type GroupingPoint struct {
	Distance float64
	Guard    bool // groups were checked for their width and for two faces of a picture
	Groups   int
	Faces    int // in groups
	// Pure counts the pairs of a group that are of one person.
	Pure Rate
	// Mixed is the number of groups with faces of two people.
	Mixed int
	// Together counts the pairs of one person in one group, of people with five
	// faces or more.
	Together Rate
	// OnePicture is the number of pairs in a group that are from one picture.
	OnePicture int
}

// Grouping is the result of grouping all faces, as if nobody were known.
type Grouping struct {
	Faces      int // above all floors
	BelowFloor int // left out
	People     int
	Unlabelled int // faces of nobody knows whom; they count in no pair
	Points     []GroupingPoint
	// WithPoor are the points with the faces below a floor among the others.
	WithPoor []GroupingPoint
}

// groupedFace is a face to group.
type groupedFace struct {
	picture    string
	person     string // "" if unknown
	poor       bool   // below a floor
	descriptor faces.Descriptor
}

// grouping groups all faces of the folder.
func (l *lab) grouping(ctx context.Context) (Grouping, error) {
	all, err := l.facesToGroup(ctx)
	if err != nil {
		return Grouping{}, err
	}
	good := slices.DeleteFunc(slices.Clone(all), func(f groupedFace) bool { return f.poor })
	r := Grouping{Faces: len(good), BelowFloor: len(all) - len(good)}
	people := map[string]bool{}
	for _, f := range good {
		if f.person == "" {
			r.Unlabelled++
		} else {
			people[f.person] = true
		}
	}
	r.People = len(people)
	base := groups.RuleOf(l.Model)
	if base.Distance == 0 {
		return r, nil // the model set makes no groups
	}
	for _, share := range []float64{0.7, 0.8, 0.9, 0.95, 1, 1.025, 1.05, 1.1, 1.2, 1.3} {
		for _, guard := range []bool{false, true} {
			rule := base
			rule.Distance *= share
			p, err := l.group(ctx, good, rule, guard)
			if err != nil {
				return r, err
			}
			r.Points = append(r.Points, p)
			if share != 1 || r.BelowFloor == 0 {
				continue
			}
			if p, err = l.group(ctx, all, rule, guard); err != nil {
				return r, err
			}
			r.WithPoor = append(r.WithPoor, p)
		}
	}
	return r, nil
}

// facesToGroup describes all faces as the pictures that people ask about are.
func (l *lab) facesToGroup(ctx context.Context) ([]groupedFace, error) {
	var all []groupedFace
	add := func(picture string, seen engine.Seen, person func(number int) string) {
		for i, f := range seen.Faces {
			if len(f.Descriptor) == 0 {
				continue
			}
			_, poor := l.Model.Floors.Shortfall(f.Quality)
			all = append(all, groupedFace{picture: picture, person: person(i), poor: poor, descriptor: f.Descriptor})
		}
	}
	err := l.each(ctx, "faces to group", func(ctx context.Context, e engine.Engine, p photo, file []byte) error {
		seen, err := e.Look(ctx, file, engine.Ask)
		if err != nil || len(seen.Faces) == 0 {
			return err
		}
		box := largest(seen.Faces)
		l.mu.Lock()
		defer l.mu.Unlock()
		add("people/"+p.name, seen, func(i int) string {
			if seen.Faces[i].Box != box {
				return ""
			}
			return p.person.Name
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := l.groupsToGroup(ctx, add); err != nil {
		return nil, err
	}
	if err := l.benchToGroup(ctx, add); err != nil {
		return nil, err
	}
	// Parallel engines finish in any order.
	slices.SortStableFunc(all, func(a, b groupedFace) int { return strings.Compare(a.picture, b.picture) })
	return all, nil
}

// groupsToGroup adds the faces of groups/. Only labelled ones have a person.
func (l *lab) groupsToGroup(ctx context.Context, add func(string, engine.Seen, func(int) string)) error {
	dir := filepath.Join(l.Dir, "groups")
	labels, err := readLabels(dir)
	if err != nil {
		return err
	}
	return l.eachFile(ctx, dir, func(_ engine.Engine, name string, seen engine.Seen) error {
		add("groups/"+name, seen, func(i int) string {
			for _, label := range labels[name] {
				if label.in(seen.Faces[i].Box) {
					return label.name
				}
			}
			return ""
		})
		return nil
	})
}

// benchToGroup adds the faces of bench/: each is of another person, but for the
// pairs in the text file.
func (l *lab) benchToGroup(ctx context.Context, add func(string, engine.Seen, func(int) string)) error {
	dir := filepath.Join(l.Dir, "bench")
	same, err := readPairs(dir)
	if err != nil {
		return err
	}
	var people []string
	return l.eachFile(ctx, dir, func(_ engine.Engine, name string, seen engine.Seen) error {
		add("bench/"+name, seen, func(i int) string {
			id := name + "#" + strconv.Itoa(i)
			for _, other := range people {
				if same(id, other) {
					return "bench/" + other
				}
			}
			people = append(people, id)
			return "bench/" + id
		})
		return nil
	})
}

// group groups faces by a rule and counts.
func (l *lab) group(ctx context.Context, list []groupedFace, rule groups.Rule, guard bool) (GroupingPoint, error) {
	p := GroupingPoint{Distance: rule.Distance, Guard: guard}
	if !guard {
		rule.Width = math.Inf(1)
	}
	index := nearest.NewFaceIndex(l.Kernel, l.Model.Size)
	stored := make([]nearest.StoredFace, len(list))
	given := make([]groups.Face, len(list))
	pictures := map[string]int64{}
	for i, f := range list {
		if pictures[f.picture] == 0 {
			pictures[f.picture] = int64(len(pictures) + 1)
		}
		key := int64(i + 1)
		stored[i] = nearest.StoredFace{ID: key, Descriptor: f.descriptor}
		given[i] = groups.Face{ID: key, Picture: pictures[f.picture]}
		if !guard {
			given[i].Picture = key // no two faces of a picture
		}
	}
	index, err := index.Replace(0, int64(len(list)), stored)
	if err != nil {
		return p, fmt.Errorf("index the faces to group: %w", err)
	}
	g, err := groups.New(rule)
	if err != nil {
		return p, err
	}
	search := groupsearch.Stored{Index: index}
	if err := g.Sync(ctx, search, given, nil); err != nil {
		return p, err
	}
	if _, err := g.Settle(ctx, search); err != nil {
		return p, err
	}
	p.count(list, g.Groups())
	return p, nil
}

func (p *GroupingPoint) count(list []groupedFace, found []groups.Group) {
	p.Groups = len(found)
	of := map[int64]int64{}
	for _, g := range found {
		p.Faces += len(g.Faces)
		people := map[string]bool{}
		for _, key := range g.Faces {
			of[key] = g.Key
			if person := list[key-1].person; person != "" {
				people[person] = true
			}
		}
		if len(people) > 1 {
			p.Mixed++
		}
	}
	faces := map[string]int{}
	for _, f := range list {
		faces[f.person]++
	}
	for i, f := range list {
		for j, other := range list[:i] {
			a, b := of[int64(i+1)], of[int64(j+1)]
			together := a != 0 && a == b
			if together && f.picture == other.picture {
				p.OnePicture++
			}
			if f.person == "" || other.person == "" {
				continue
			}
			if together {
				p.Pure.Add(f.person == other.person)
			}
			if f.person == other.person && faces[f.person] >= manyFaces {
				p.Together.Add(together)
			}
		}
	}
}

func (r *Report) grouping(t *text) {
	g := r.Grouping
	if len(g.Points) == 0 {
		return
	}
	t.line("\n## Groups of unknown faces")
	t.line("All faces of all folders, as if nobody were known: %d faces of %d people (%d without a label), and %d below a", g.Faces, g.People, g.Unlabelled, g.BelowFloor)
	t.line("floor, which are left out. *Pure*: pairs in a group that are of one person. *Together*: pairs of one person in")
	t.line("one group, of people with five faces or more. *Guard*: groups are checked for their width and for two faces of a")
	t.line("picture.\n")
	groupingTable(t, g.Points)
	if len(g.WithPoor) > 0 {
		t.line("\nThe same with the faces below a floor among them:\n")
		groupingTable(t, g.WithPoor)
	}
}

func groupingTable(t *text, points []GroupingPoint) {
	t.table("distance", "guard", "groups", "faces in groups", "pure", "mixed groups", "pairs of one picture", "together")
	for _, p := range points {
		t.row(fmt.Sprintf("%.2f", p.Distance), map[bool]string{true: "yes", false: "no"}[p.Guard], p.Groups, p.Faces, p.Pure, p.Mixed, p.OnePicture, p.Together)
	}
}
