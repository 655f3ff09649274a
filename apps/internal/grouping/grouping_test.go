package grouping_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/grouping"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Faces that nobody knows are in groups. Who gets a name, does not count, is too small or
// is deleted is in none.
func TestGroups(t *testing.T) {
	t.Parallel()
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, open)
			r.recognizer(r.model, 1000)
			ids := r.each(at(0, 0.02, 0.04, 0.06, 0.08, 5, 5.02, 5.04)...)
			r.paths++
			small, err := r.store.AddImages(t.Context(), []string{"/unknown_people/small.jpg"})
			r.must(err)
			r.answer(small[0].ID, r.model, 10, at(0.01)...) // below the floor of quality
			image, of := r.see(place{x: 0.03}, place{x: 9})
			g, reg := r.runner(nil, options())
			r.feed()
			r.run(g)
			r.expect("at first", fmt.Sprintf("%d[%d %d %d %d %d %d] %d[%d %d %d] ", ids[0], ids[0], ids[1], ids[2], ids[3], ids[4], of[0], ids[5], ids[5], ids[6], ids[7]))
			if got, want := r.state(), (groups.Progress{State: groups.Ready, Distance: 0.1, Faces: 10, Total: 10, Groups: 2}); got != want {
				t.Errorf("the state is %+v, want %+v", got, want)
			}
			want := "# HELP rollcall_grouping_groups Groups of unknown faces.\n# TYPE rollcall_grouping_groups gauge\nrollcall_grouping_groups 2\n"
			if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "rollcall_grouping_groups"); err != nil {
				t.Error(err)
			}
			r.say(ids[0], faces.Statement{Name: "Ada"})
			r.say(ids[1], faces.Statement{Kind: faces.SaysIgnore})
			r.say(ids[2], faces.Statement{Kind: faces.SaysNoFace})
			_, err = r.store.DeleteImage(t.Context(), image)
			r.must(err)
			if placed := r.stored(); strings.Contains(placed, fmt.Sprint(of[0])) {
				t.Errorf("a face that is deleted is still in a group: %s", placed)
			}
			r.number()
			r.run(g)
			r.expect("two are left of the first group", fmt.Sprintf("%d[%d %d %d] ", ids[5], ids[5], ids[6], ids[7]))
			more := r.each(at(0.1)...)
			r.feed()
			r.run(g)
			r.expect("a third one came", fmt.Sprintf("%d[%d %d %d] %d[%d %d %d] ", ids[3], ids[3], ids[4], more[0], ids[5], ids[5], ids[6], ids[7]))
			r.apart(ids[3], more[0])
			r.run(g)
			r.expect("two are not of one person", fmt.Sprintf("%d[%d %d %d] ", ids[5], ids[5], ids[6], ids[7]))
			r.exec("UPDATE face_apart SET undone_at = '2026-03-02 00:00:00'")
			r.run(g)
			r.expect("that was taken back", fmt.Sprintf("%d[%d %d %d] %d[%d %d %d] ", ids[3], ids[3], ids[4], more[0], ids[5], ids[5], ids[6], ids[7]))
		})
	}
}

// Whoever decides about a group deletes its rows. If that is taken back before the next
// round, or if the group keeps its key, nothing has moved, and the rows come back.
func TestDeletedRowsComeBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, onSQLite)
	r.recognizer(r.model, 1000)
	ids := r.each(at(0, 0.01, 0.02, 0.07, 0.08, 0.09)...)
	o := options()
	o.Compare = time.Hour // the rows are not compared meanwhile
	g, _ := r.runner(nil, o)
	r.feed()
	r.run(g)
	whole := fmt.Sprintf("%d%v ", ids[0], ids)
	r.expect("at first", whole)
	named, err := r.store.ChangeGroup(t.Context(), store.GroupStatement{Model: r.model.ID, Key: ids[0], Says: store.GroupIs, Name: "Ada"})
	r.must(err)
	r.expect("named", "")
	_, err = r.store.UndoGroupChange(t.Context(), named.ID)
	r.must(err)
	r.number()
	r.run(g)
	r.expect("the name was taken back", whole)
	split, err := r.store.SplitGroup(t.Context(), store.GroupSplitting{Model: r.model.ID, Key: ids[0], Faces: ids[:3]})
	r.must(err)
	r.expect("split", fmt.Sprintf("%d%v ", ids[0], ids[3:]))
	r.run(g)
	r.expect("two groups", fmt.Sprintf("%d%v %d%v ", ids[0], ids[:3], ids[3], ids[3:]))
	_, err = r.store.UndoGroupChange(t.Context(), split.ID)
	r.must(err)
	r.run(g)
	r.expect("the split was taken back", whole)
}

// Whatever happens, the stored groups are those that a run over all faces makes.
func TestIncrementalEqualsFull(t *testing.T) {
	t.Parallel()
	for name, seeds := range map[string]uint64{"SQLite": 2, "MariaDB": 1} {
		open := databases[name]
		for seed := range seeds {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				t.Parallel()
				w := &world{rig: newRig(t, open), rng: rand.New(rand.NewPCG(seed, 28))}
				w.one = w.recognizer(w.model, 1000)
				w.g, _ = w.runner(nil, options())
				for step := range 40 {
					what := w.change()
					if w.rng.IntN(4) > 0 {
						w.feed()
					} else {
						w.number() // the indexes are behind
					}
					w.run(w.g)
					w.feed()
					w.run(w.g)
					if want := w.defined(); w.stored() != want {
						t.Fatalf("step %d, %s: the groups are\n%s, want\n%s", step, what, w.stored(), want)
					}
				}
				if !w.grouped {
					t.Error("there was never a group: the test shows nothing")
				}
			})
		}
	}
}

// world changes what there is at random.
type world struct {
	*rig
	rng     *rand.Rand
	one     *machine
	g       *grouping.Runner
	images  []int64
	faces   []int64
	grouped bool
}

// where returns a place. Many faces have equal distances.
func (w *world) where() place {
	return place{float64(w.rng.IntN(14)) / 20, float64(w.rng.IntN(3)) / 20}
}

func (w *world) change() string {
	w.grouped = w.grouped || w.stored() != ""
	face := func() int64 { return w.faces[w.rng.IntN(len(w.faces))] }
	what := w.rng.IntN(13)
	if len(w.images) < 4 {
		what = 0
	}
	switch what {
	default:
		for range 1 + w.rng.IntN(5) {
			id, of := w.see(w.where(), w.where())
			w.images, w.faces = append(w.images, id), append(w.faces, of...)
		}
		return "new images"
	case 6:
		n := w.rng.IntN(len(w.images))
		_, err := w.store.DeleteImage(w.Context(), w.images[n])
		w.must(err)
		w.images = append(w.images[:n], w.images[n+1:]...)
		w.known()
		return "a deleted image"
	case 7:
		w.say(face(), faces.Statement{Name: "Ada"})
		return "a name"
	case 8:
		w.say(face(), faces.Statement{Kind: faces.SaysIgnore})
		return "an ignored face"
	case 9:
		w.again(w.images[w.rng.IntN(len(w.images))], w.where(), w.where(), w.where())
		w.known()
		return "an image again"
	case 10:
		w.g, _ = w.runner(nil, options()) // the one before was killed
		if w.rng.IntN(2) == 0 {
			w.takeLease()
		}
		return "another program"
	case 11:
		w.one.restart()
		return "a recognizer that restarts"
	case 12:
		if a, b := face(), face(); a != b {
			w.apart(a, b)
		}
		return "two faces apart"
	}
}

// known reads which faces there are now.
func (w *world) known() {
	w.faces = nil
	for _, id := range w.images {
		img, err := w.store.Image(w.Context(), id)
		w.must(err)
		for _, f := range img.Faces {
			w.faces = append(w.faces, f.ID)
		}
	}
}

var errKilled = errors.New("the program was killed")

// dying is the database of a program that is killed at its n-th change of it.
type dying struct {
	*store.Store
	left atomic.Int64
	at   func() // called instead
}

func (d *dying) dies() error {
	if d.left.Add(-1) < 0 {
		if d.at != nil {
			d.at()
			return nil
		}
		return errKilled
	}
	return nil
}

func (d *dying) PlaceFaces(ctx context.Context, token int64, model string, list []groups.Placement) error {
	for i := range list { // each may be in a transaction of its own
		if err := d.dies(); err != nil {
			return err
		}
		if err := d.Store.PlaceFaces(ctx, token, model, list[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (d *dying) SaveGrouping(ctx context.Context, token int64, p groups.Progress) error {
	if err := d.dies(); err != nil {
		return err
	}
	return d.Store.SaveGrouping(ctx, token, p)
}

func (d *dying) GroupingWaits(ctx context.Context, token int64, model, detail string) error {
	if err := d.dies(); err != nil {
		return err
	}
	return d.Store.GroupingWaits(ctx, token, model, detail)
}

func (d *dying) SaveCheckpoint(ctx context.Context, token int64, model string, data []byte) error {
	if err := d.dies(); err != nil {
		return err
	}
	return d.Store.SaveCheckpoint(ctx, token, model, data)
}

func (d *dying) ForgetGroupings(ctx context.Context, token int64, keep string) (bool, error) {
	if err := d.dies(); err != nil {
		return false, err
	}
	return d.Store.ForgetGroupings(ctx, token, keep)
}

// Killed at any change of the database, in the first run and later, the next program goes
// on and has the groups of a run that nothing disturbed.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, onSQLite)
	r.recognizer(r.model, 1000)
	ids := r.each(at(0, 0.05, 0.1, 0.15, 5, 5.05, 5.1, 9)...)
	r.feed()
	for n := int64(0); ; n++ {
		d := &dying{Store: r.store}
		d.left.Store(n)
		g, _ := r.runner(d, options())
		r.run(g)
		r.say(ids[0], faces.Statement{Kind: faces.SaysIgnore})
		image, of := r.see(place{x: 9.05}, place{x: 9.1})
		r.each(at(9.02)...)
		r.feed()
		r.run(g)
		survived := d.left.Load() >= 0
		next, _ := r.runner(nil, options())
		r.run(next)
		r.expect(fmt.Sprintf("after a kill at change %d", n), r.defined())
		r.exec("DELETE FROM corrections")
		r.exec("UPDATE faces SET reason = 'unknown_person', corrected = 0 WHERE id = ?", ids[0])
		r.exec("DELETE FROM images WHERE id >= ?", image)
		r.exec("DELETE FROM faces WHERE id >= ?", of[0])
		r.feed()
		for _, table := range []string{"face_groups", "grouping_parts", "`grouping`"} { // for the next program nothing was grouped yet, or only a part
			if n%2 == 0 {
				r.exec("DELETE FROM " + table)
			}
		}
		if survived {
			return
		}
		if n > 200 {
			t.Fatal("there is no end")
		}
	}
}

// A program that loses the lease in the middle writes nothing more, whatever it was about
// to write.
func TestLostLease(t *testing.T) {
	t.Parallel()
	r := newRig(t, onSQLite)
	r.recognizer(r.model, 1000)
	r.each(at(0, 0.05, 0.1, 5, 5.05, 5.1)...)
	r.feed()
	for n := int64(0); n < 10; n++ {
		for _, table := range []string{"face_groups", "grouping_parts", "`grouping`"} {
			r.exec("DELETE FROM " + table)
		}
		own := r.token.Load()
		var before string
		d := &dying{Store: r.store}
		d.at = func() {
			if r.token.Load() == own {
				r.takeLease()
				before = r.stored()
				r.token.Store(own) // it does not know yet
			}
		}
		d.left.Store(n)
		g, _ := r.runner(d, options())
		g.RunOnce(t.Context())
		if d.left.Load() >= 0 {
			t.Fatalf("it ended after fewer than %d changes", n)
		}
		r.expect(fmt.Sprintf("the lease is lost at change %d", n), before)
		r.takeLease()
		r.run(g)
		r.expect("it holds the lease again", r.defined())
	}
}

// The groups of a new model set replace those of the old one when they are complete.
func TestModelSetChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t, onSQLite)
	before := r.recognizer(r.model, 1000)
	r.each(at(0, 0.05, 0.1)...)
	r.feed()
	g, _ := r.runner(nil, options())
	r.run(g)
	if r.stored() == "" {
		t.Fatal("there is no group")
	}
	r.model.ID = "fake-2"
	r.each(at(1, 1.05, 1.1)...)
	r.recognizer(r.model, 1000)
	r.feed()
	r.run(g)
	r.model.ID = before.model.ID
	if p := r.state(); p.State != groups.Waiting || !strings.Contains(p.Detail, "different model sets") {
		t.Errorf("during the change the state is %+v", p)
	}
	r.model.ID = "fake-2"
	before.stop()
	before.stop = func() {}
	r.all = r.all[1:]
	r.feed()
	r.run(g)
	r.expect("after the change", r.defined())
	var rows int
	r.must(r.raw.QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM `grouping`) + (SELECT COUNT(DISTINCT model) FROM grouping_parts)").Scan(&rows))
	if rows != 2 || r.state().State != groups.Ready {
		t.Errorf("there are %d rows of two, and the state is %+v", rows, r.state())
	}
}

// The distance of groups is another one: all are made anew.
func TestDistanceChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t, onSQLite)
	r.recognizer(r.model, 1000)
	r.each(at(0, 0.08, 0.16)...)
	r.feed()
	g, _ := r.runner(nil, options())
	r.run(g)
	r.expect("at the distance of the model set", r.defined())
	o := options()
	o.Threshold = r.model.Threshold - 0.05
	g, _ = r.runner(nil, o)
	r.run(g)
	r.model = r.model.WithRule(o.Threshold, 0)
	r.expect("at a smaller distance", r.defined())
	if got := r.stored(); got != "" {
		t.Errorf("the groups are still %s", got)
	}
	o.Threshold = 0.05
	g, _ = r.runner(nil, o)
	r.run(g)
	if p := r.state(); p.State != groups.Waiting || !strings.Contains(p.Detail, "ROLLCALL_THRESHOLD") {
		t.Errorf("without a distance the state is %+v", p)
	}
}

// While no recognizer can be asked the groups stay, and the state says what is the matter.
func TestWaits(t *testing.T) {
	t.Parallel()
	without := model()
	without.GroupDistance = 0
	for name, c := range map[string]struct {
		model    faces.Model
		capacity int
		words    string
	}{
		"no index":            {model(), 0, "ROLLCALL_FACE_INDEX_MEMORY"},
		"a full index":        {model(), 4, "is full: it may have 4 faces"},
		"no distance":         {without, 1000, "group_distance"},
		"an index in between": {model(), 1000, "being filled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, onSQLite)
			good := r.recognizer(r.model, 1000)
			r.each(at(0, 0.05, 0.1, 0.12, 0.14)...)
			r.feed()
			g, reg := r.runner(nil, options())
			r.run(g)
			groupsBefore := r.stored()
			good.stop()
			good.stop = func() {}
			r.all = nil
			r.recognizer(c.model, c.capacity)
			if c.words != "being filled" {
				r.feed()
			}
			r.run(g)
			if p := r.state(); p.State != groups.Waiting || !strings.Contains(p.Detail, c.words) || p.Groups != 1 {
				t.Errorf("the state is %+v, want that it says %q", p, c.words)
			}
			r.expect("while it waits", groupsBefore)
			if n := testutil.CollectAndCount(reg, "rollcall_grouping_state"); n != 3 {
				t.Errorf("there are %d states", n)
			}
			good.start()
			r.all = append(r.all[:0], good.replica)
			wait.Until(t, "the connection is back", func() bool {
				_, _, err := good.replica.CheckFaces(t.Context(), "", 0, 0, 0)
				return err == nil
			})
			r.each(at(0.03)...)
			r.feed()
			r.run(g)
			r.expect("afterwards", r.defined())
			if p := r.state(); p.State != groups.Ready || p.Detail != "" {
				t.Errorf("afterwards the state is %+v", p)
			}
		})
	}
}

// A recognizer that is asked instead of another one must have all faces. If it lacks one,
// the groups wait until it has it.
func TestAnotherRecognizer(t *testing.T) {
	t.Parallel()
	r := newRig(t, onSQLite)
	first := r.recognizer(r.model, 1000)
	ids := r.each(at(0, 0.05, 5, 5.05)...)
	r.feed()
	second := r.recognizer(r.model, 1000)
	r.exec("UPDATE faces SET model = 'hidden' WHERE id = ?", ids[0]) // a transaction that is not committed
	r.all = r.all[1:]
	r.feed()
	r.exec("UPDATE faces SET model = ? WHERE id = ?", r.model.ID, ids[0])
	r.all = []*recognizerclient.Replica{first.replica}
	o := options()
	o.Settle = -time.Hour // all faces count as old
	g, _ := r.runner(nil, o)
	r.run(g)
	r.all = []*recognizerclient.Replica{second.replica}
	g.RunOnce(t.Context())
	if p := r.state(); p.State != groups.Waiting || !strings.Contains(p.Detail, "differs from the database") {
		t.Errorf("the state is %+v", p)
	}
	r.each(at(0.1)...)
	r.feed() // also what was missing
	r.run(g)
	r.expect("the second one has all faces", r.defined())
	if r.stored() == "" {
		t.Error("the groups are empty")
	}
	// Faces of the last minutes are not compared: they are grouped anew.
	r.exec("DELETE FROM face_groups")
	r.all = []*recognizerclient.Replica{first.replica}
	r.feed()
	g, _ = r.runner(nil, options())
	r.run(g)
	r.expect("the first one again", r.defined())
}

// A recognizer that never gets all faces does not stop the groups: they are made anew.
func TestIndexThatStaysIncomplete(t *testing.T) {
	t.Parallel()
	r := newRig(t, onSQLite)
	r.recognizer(r.model, 1000)
	ids := r.each(at(0, 0.05, 0.1, 0.15)...)
	r.feed()
	o := options()
	o.Settle = -time.Hour
	g, _ := r.runner(nil, o)
	r.run(g)
	second := r.recognizer(r.model, 1000)
	r.exec("UPDATE faces SET model = 'hidden' WHERE id = ?", ids[3])
	r.feed()
	r.exec("UPDATE faces SET model = ? WHERE id = ?", r.model.ID, ids[3])
	r.all = []*recognizerclient.Replica{second.replica}
	for range 15 {
		g.RunOnce(t.Context())
	}
	r.expect("without the face that is lacking", fmt.Sprintf("%d[%d %d %d] ", ids[0], ids[0], ids[1], ids[2]))
	if p := r.state(); p.State != groups.Ready || p.Faces != 3 || p.Total != 4 {
		t.Errorf("the state is %+v", p)
	}
}

// What is not in the events is found by comparing all faces, and what is in events that
// were deleted, too.
func TestWithoutEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t, onSQLite)
	r.recognizer(r.model, 1000)
	ids := r.each(at(0, 0.05, 0.1, 0.15, 5, 5.05, 5.1)...)
	r.feed()
	g, _ := r.runner(nil, options())
	r.run(g)
	r.exec("DELETE FROM faces WHERE id = ?", ids[4])
	r.exec("UPDATE faces SET reason = 'ignored' WHERE id = ?", ids[0])
	r.exec("UPDATE face_groups SET group_key = 77 WHERE face_id = ?", ids[1])
	r.exec("INSERT INTO face_groups (face_id, model, group_key) VALUES (99999, ?, 1)", r.model.ID)
	for range 4 {
		r.run(g)
	}
	r.expect("after all pages", r.defined())
	r.each(at(5.02)...)
	r.number()
	for more := true; more; {
		var err error
		more, err = r.store.SweepEvents(t.Context(), store.EventLimits{MaxAge: time.Nanosecond, MaxRows: 0})
		r.must(err)
	}
	r.feed()
	r.run(g)
	r.expect("after events were deleted", r.defined())
}

// Off deletes the groups, and on makes them again.
func TestOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, onSQLite)
	r.recognizer(r.model, 1000)
	ids := r.each(at(0, 0.05, 0.1)...)
	r.apart(ids[0], 999)
	r.feed()
	g, _ := r.runner(nil, options())
	r.run(g)
	want := r.stored()
	o := options()
	o.Off = true
	g, _ = r.runner(nil, o)
	r.run(g)
	var rows, apart int
	r.must(r.raw.QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM face_groups) + (SELECT COUNT(*) FROM `grouping`) + (SELECT COUNT(*) FROM grouping_parts), (SELECT COUNT(*) FROM face_apart)").Scan(&rows, &apart))
	if want == "" || rows != 0 || apart != 1 {
		t.Errorf("%d rows are left, and %d of what somebody said", rows, apart)
	}
	g, _ = r.runner(nil, options())
	r.run(g)
	r.expect("on again", want)
}

// Stop stores a checkpoint; the next program compares nothing again.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	r := newRig(t, onSQLite)
	r.recognizer(r.model, 1000)
	r.each(at(0, 0.05, 0.1)...)
	r.feed()
	o := options()
	o.Checkpoint, o.Poll, o.Settle = time.Hour, time.Millisecond, -time.Hour
	g, _ := r.runner(nil, o)
	g.Start()
	wait.Until(t, "the faces are grouped", func() bool { return r.stored() != "" && r.state().State == groups.Ready })
	r.each(at(0.15)...)
	r.feed()
	wait.Until(t, "the new face, too", func() bool { return r.state().Faces == 4 })
	r.must(g.Stop(t.Context()))
	data, err := r.store.Checkpoint(t.Context(), r.model.ID)
	r.must(err)
	read, err := groups.Read(strings.NewReader(string(data)), groups.RuleOf(r.model))
	r.must(err)
	if read.Len() != 4 {
		t.Errorf("the checkpoint has %d faces, want 4", read.Len())
	}
	asked := &counting{Store: r.store}
	g, _ = r.runner(asked, o)
	r.run(g)
	r.expect("after a restart", r.defined())
	if n := asked.descriptors.Load(); n != 0 {
		t.Errorf("%d descriptors were read again", n)
	}
	r.exec("UPDATE grouping_parts SET data = 'damaged'")
	g, _ = r.runner(nil, o)
	r.run(g)
	r.expect("after the checkpoint was damaged", r.defined())
}

// counting counts what is read.
type counting struct {
	*store.Store
	descriptors atomic.Int64
}

func (c *counting) DescriptorsOf(ctx context.Context, m faces.Model, ids []int64) ([]faces.Descriptor, error) {
	c.descriptors.Add(int64(len(ids)))
	return c.Store.DescriptorsOf(ctx, m, ids)
}
