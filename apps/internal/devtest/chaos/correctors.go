package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

const correctors = 4

// correcting says who faces are, and takes it back, during the faults. Its images are
// those of no other client.
type correcting struct {
	*teaching // for what is repeated until it is sure
	root      string

	mu     sync.Mutex // guards images
	images []*corrected
	tried  []string // paths that were posted, with an answer or without
}

// corrected is an image and what was said about its first face.
type corrected struct {
	path     string
	id, face int64
	before   api.Face
	standing statement      // what counts, if sure
	acked    map[int64]bool // corrections that an answer confirmed: whether they were undone
	sure     bool           // no change is under way whose answer is missing
}

// statement is something that can be said of a face. The zero value is nothing.
type statement struct {
	says   api.Says
	person int64
}

func newCorrecting(t *teaching, root string) *correcting {
	return &correcting{teaching: t, root: root}
}

// run corrects until ctx ends.
func (c *correcting) run(ctx context.Context, seed uint64) {
	var all sync.WaitGroup
	for n := range correctors {
		rnd := rand.New(rand.NewPCG(seed, 300+uint64(n)))
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				c.correct(ctx, fmt.Sprintf("%d-%d", n, i), rnd)
			}
		})
	}
	all.Wait()
}

// correct takes the first face of an image through its life: something is said and
// undone, once or more, and at the end perhaps something stands.
func (c *correcting) correct(ctx context.Context, name string, rnd *rand.Rand) {
	img := &corrected{path: path.Join(c.root, "corrected", name+".jpg"), acked: map[int64]bool{}}
	for answerFor(img.path).faces == 0 {
		img.path = path.Join(c.root, "corrected", name+"-"+fmt.Sprint(rnd.Uint32())+".jpg")
	}
	c.mu.Lock()
	c.tried = append(c.tried, img.path)
	c.mu.Unlock()
	posted := c.untilSure(ctx, "image to correct posted", func(ctx context.Context) error {
		answer, err := c.client.PostImage(ctx, img.path)
		img.id = answer.ID
		return err
	})
	if !posted {
		return
	}
	c.mu.Lock()
	c.images = append(c.images, img)
	c.mu.Unlock()
	if !c.awaitFaces(ctx, img) {
		return
	}
	for i := range 1 + rnd.IntN(10) {
		if !c.say(ctx, img, fmt.Sprintf("named %s %d", name, i), rnd.IntN(5)) {
			return
		}
		if rnd.IntN(3) > 0 && !c.undoAll(ctx, img) {
			return
		}
	}
	img.sure = ctx.Err() == nil
}

// awaitFaces waits until the image has its answer.
func (c *correcting) awaitFaces(ctx context.Context, img *corrected) bool {
	for ctx.Err() == nil {
		answer, err := c.client.GetImage(ctx, img.id)
		if err == nil && !answer.Waits() && len(answer.Faces) > 0 {
			img.before, img.face = answer.Faces[0], answer.Faces[0].ID
			return true
		}
		pause(ctx, 200*time.Millisecond)
	}
	return false
}

// say says one thing about the face, after everything that was said is undone.
func (c *correcting) say(ctx context.Context, img *corrected, name string, kind int) bool {
	if !c.undoAll(ctx, img) {
		return false
	}
	var s statement
	what := [...]string{"face named", "face assigned", "face excluded", "face ignored", "face dismissed"}[kind]
	person := int64(1 + kind%people)
	return c.untilSure(ctx, what, func(ctx context.Context) error {
		var done api.CorrectedFace
		var err error
		switch kind {
		case 0: // a new person is made with the correction
			done, err = c.client.AssignFace(ctx, img.face, api.FaceAssignment{Name: &name})
		case 1:
			done, err = c.client.AssignFace(ctx, img.face, api.FaceAssignment{PersonID: &person})
		case 2:
			done, err = c.client.ExcludeFace(ctx, img.face, person)
		case 3:
			done, err = c.client.IgnoreFace(ctx, img.face, client.AnyImage)
		default:
			done, err = c.client.DismissFace(ctx, img.face, client.AnyImage)
		}
		if err != nil {
			return err
		}
		s.says = done.Correction.Says
		if done.Correction.Person != nil {
			s.person = done.Correction.Person.ID
		}
		img.standing = s
		c.note(img, done.Correction.ID, false)
		return nil
	})
}

// undoAll undoes what counts, also statements whose answers were lost.
func (c *correcting) undoAll(ctx context.Context, img *corrected) bool {
	var open []int64
	listed := c.untilSure(ctx, "corrections listed", func(ctx context.Context) error {
		list, err := c.client.FaceCorrections(ctx, img.face)
		open = open[:0]
		for _, said := range list {
			if said.UndoneAt == nil {
				open = append(open, said.ID)
			}
		}
		return err
	})
	for _, id := range open {
		undone := listed && c.untilSure(ctx, "correction undone", func(ctx context.Context) error {
			_, err := c.client.UndoCorrection(ctx, id)
			return err
		})
		if !undone {
			return false
		}
		c.note(img, id, true)
	}
	if listed {
		img.standing = statement{}
	}
	return listed
}

func (c *correcting) note(img *corrected, id int64, undone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	img.acked[id] = undone
}

// ids returns the images that were corrected.
func (c *correcting) ids() map[int64]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[int64]string{}
	for _, img := range c.images {
		all[img.id] = img.path
	}
	return all
}

// paths returns the paths that were posted. The time of the faults may end before a post
// has its answer; the image may be there nevertheless.
func (c *correcting) paths() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.tried)
}

// confirmed returns the images that somebody wanted to correct, and whether a
// correction of theirs was confirmed.
func (c *correcting) confirmed() map[int64]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[int64]bool{}
	for _, img := range c.images {
		if img.id != 0 {
			all[img.id] = all[img.id] || len(img.acked) > 0
		}
	}
	return all
}

// judge checks that each confirmed correction is stored and each confirmed undoing
// too, that the API shows what was confirmed last, and that nobody was made without
// the correction that names them.
func (c *correcting) judge(ctx context.Context) error {
	var alone int
	err := c.db.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM person WHERE name LIKE 'named %' AND NOT EXISTS "+
		"(SELECT * FROM corrections WHERE corrections.person_id = person.id)").Scan(&alone)
	if err != nil {
		return fmt.Errorf("count people without a correction: %w", err)
	}
	if alone > 0 {
		c.report.violate("%d people were made without the correction that names them", alone)
	}
	for _, img := range c.images {
		if err := c.judgeRows(ctx, img); err != nil {
			return fmt.Errorf("check the corrections of image %d: %w", img.id, err)
		}
		if img.sure {
			if err := c.judgeAnswer(ctx, img); err != nil {
				return fmt.Errorf("check image %d: %w", img.id, err)
			}
		}
	}
	c.report.Corrected = len(c.images)
	return nil
}

// judgeRows compares what was confirmed with the database.
func (c *correcting) judgeRows(ctx context.Context, img *corrected) error {
	for id, undone := range img.acked {
		var found, over int
		err := c.db.db.QueryRowContext(ctx, "SELECT COUNT(*), COUNT(undone_at) FROM corrections WHERE id = ? AND image_id = ?", id, img.id).Scan(&found, &over)
		if err != nil {
			return err
		}
		c.report.Corrections++
		switch {
		case found != 1:
			c.report.violate("correction %d of image %d was confirmed and is gone", id, img.id)
		case undone && over != 1:
			c.report.violate("correction %d of image %d was undone and counts", id, img.id)
		case !undone && img.sure && over != 0:
			c.report.violate("correction %d of image %d was never undone and does not count", id, img.id)
		}
		if undone {
			c.report.Undone++
		}
	}
	return nil
}

// judgeAnswer compares the face that the API shows with what was said last.
func (c *correcting) judgeAnswer(ctx context.Context, img *corrected) error {
	answer, err := c.client.GetImage(ctx, img.id)
	if err != nil {
		return err
	}
	if len(answer.Faces) == 0 || answer.Faces[0].ID != img.face {
		return errors.New("the face is gone")
	}
	got, want := answer.Faces[0], img.standing
	person := func(f api.Face) int64 {
		if f.Person == nil {
			return 0
		}
		return f.Person.ID
	}
	var ok bool
	switch want.says {
	case api.SaysIs:
		ok = person(got) == want.person
	case api.SaysIsNot:
		ok = person(got) != want.person
	case api.SaysIgnore:
		ok = got.Reason == api.FaceIgnored && got.Person == nil
	case api.SaysNotAFace:
		ok = got.Reason == api.FaceNotAFace && got.Person == nil
	default: // everything is undone: as before
		ok = person(got) == person(img.before) && got.Reason == img.before.Reason
	}
	if !ok {
		c.report.violate("face %d of image %d is %s of person %d; it was said: %+v", img.face, img.id, got.Reason, person(got), want)
	}
	return nil
}
