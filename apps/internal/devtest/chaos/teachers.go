package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

const (
	teachers    = 2
	pupilImages = 4 // known pictures of each person who may be merged

	// term is for how long people change, and then do not: a re-match waits until they are
	// at rest.
	term = 15 * time.Second
)

// teaching adds, merges, splits and deletes people during the faults. Its people
// are not in the posted pictures.
type teaching struct {
	client *client.Client
	db     *database
	report *Report

	mu    sync.Mutex // guards pairs
	pairs []*pair
}

// pair is two people, the second of whom may be merged into the first. A field is
// the last state that an answer confirmed.
type pair struct {
	first, second int64
	merge         int64 // of the last merge that was confirmed
	merged        bool  // the last confirmed change was a merge, and not an undo
	deleted       bool  // the first person was deleted, with all that was merged into them
	sure          bool  // no change is under way whose answer is missing
}

func newTeaching(url string, db *database, report *Report) *teaching {
	return &teaching{
		client: client.New(url, client.WithHTTPClient(&http.Client{Timeout: requestTimeout})), db: db, report: report,
	}
}

// run teaches until ctx ends.
func (t *teaching) run(ctx context.Context, seed uint64) {
	var all sync.WaitGroup
	begin := time.Now()
	for n := range teachers {
		rnd := rand.New(rand.NewPCG(seed, 100+uint64(n)))
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if in := time.Since(begin) % (2 * term); in > term {
					pause(ctx, 2*term-in)
				}
				t.teach(ctx, fmt.Sprintf("pupil %d-%d", n, i), rnd)
			}
		})
	}
	all.Wait()
}

// teach takes one pair through its life.
func (t *teaching) teach(ctx context.Context, name string, rnd *rand.Rand) {
	p := &pair{}
	if p.first = t.add(ctx, name+" a"); p.first == 0 {
		return
	}
	if p.second = t.add(ctx, name+" b"); p.second == 0 {
		return
	}
	if !t.addPictures(ctx, p, name) {
		return
	}
	t.mu.Lock()
	t.pairs = append(t.pairs, p)
	t.mu.Unlock()
	for range 1 + rnd.IntN(3) {
		t.mergeThem(ctx, p)
		if rnd.IntN(3) > 0 {
			t.undo(ctx, p)
		}
	}
	if rnd.IntN(4) == 0 {
		t.remove(ctx, p)
	}
	p.sure = ctx.Err() == nil
}

// untilSure repeats a change until an answer says that it is done. An answer that
// was lost looks like one of the errors done.
func (t *teaching) untilSure(ctx context.Context, what string, change func(context.Context) error, done ...api.ErrorCode) bool {
	for wait := retryPause; ctx.Err() == nil; wait = min(2*wait, maxRetryPause) {
		err := change(ctx)
		var problem *api.Error
		switch {
		case err == nil:
			t.report.countAnswer(what)
			return true
		case !errors.As(err, &problem), problem.Status >= http.StatusInternalServerError && problem.Code != api.CodeInternal:
			// No answer, or a service in the way.
		default:
			for _, code := range done {
				if problem.Code == code {
					return true
				}
			}
			t.report.violate("%s was refused: %v", what, err)
			return false
		}
		pause(ctx, wait/2+rand.N(wait))
	}
	return false
}

// add adds a person, or finds them if an earlier answer was lost.
func (t *teaching) add(ctx context.Context, name string) (id int64) {
	t.untilSure(ctx, "person added", func(ctx context.Context) error {
		p, err := t.client.CreatePerson(ctx, name)
		var problem *api.Error
		if errors.As(err, &problem) && problem.Code == api.CodeConflict {
			list, listErr := t.client.ListPeople(ctx, api.ListPeopleParams{Name: &name})
			if listErr != nil || len(list.People) != 1 {
				return listErr
			}
			p, err = list.People[0], nil
		}
		id = p.ID
		return err
	})
	return id
}

// addPictures lists known pictures, as somebody does who writes SQL.
func (t *teaching) addPictures(ctx context.Context, p *pair, name string) bool {
	for i := range pupilImages {
		for _, person := range []int64{p.first, p.second} {
			done := t.untilSure(ctx, "known picture listed", func(ctx context.Context) error {
				_, err := t.db.db.ExecContext(ctx,
					"INSERT INTO person_images (image_name, person_id) SELECT ?, ? FROM DUAL WHERE NOT EXISTS "+
						"(SELECT * FROM person_images AS other WHERE other.image_name = ?)",
					pupilImage(name, person, i), person, pupilImage(name, person, i))
				return err
			})
			if !done {
				return false
			}
		}
	}
	return true
}

func pupilImage(name string, person int64, i int) string {
	return fmt.Sprintf("pupils/%s/%d/%d.jpg", name, person, i)
}

func (t *teaching) mergeThem(ctx context.Context, p *pair) {
	done := t.untilSure(ctx, "people merged", func(ctx context.Context) error {
		_, err := t.client.MergePeople(ctx, p.first, client.AnyVersion, api.MergeRequest{PersonID: p.second, Version: client.AnyVersion})
		return err
	}, api.CodeNotFound) // merged by a request whose answer was lost, or by the merge before
	if !done {
		return
	}
	t.untilSure(ctx, "merges listed", func(ctx context.Context) error {
		list, err := t.client.Merges(ctx, p.first)
		if err == nil && len(list) > 0 {
			p.merge, p.merged = list[0].ID, list[0].UndoneAt == nil
		}
		return err
	})
	if !p.merged && ctx.Err() == nil {
		t.report.violate("people %d and %d were merged, and no merge stands", p.first, p.second)
	}
}

func (t *teaching) undo(ctx context.Context, p *pair) {
	done := t.untilSure(ctx, "merge undone", func(ctx context.Context) error {
		_, err := t.client.UndoMerge(ctx, p.merge)
		return err
	}, api.CodeConflict)
	if done {
		p.merged = false
	}
}

func (t *teaching) remove(ctx context.Context, p *pair) {
	p.deleted = t.untilSure(ctx, "person deleted", func(ctx context.Context) error {
		_, err := t.client.DeletePerson(ctx, p.first, client.AnyVersion)
		return err
	}, api.CodeNotFound)
}

// judge checks that nobody is half made: each known picture has an owner, each
// pair is two people or one, and what an answer confirmed is so.
func (t *teaching) judge(ctx context.Context) error {
	var orphans int
	err := t.db.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM person_images LEFT JOIN person ON person.id = person_images.person_id "+
		"WHERE person.id IS NULL").Scan(&orphans)
	if err != nil {
		return fmt.Errorf("count the known pictures of nobody: %w", err)
	}
	if orphans > 0 {
		t.report.violate("%d known pictures are nobody's", orphans)
	}
	for _, p := range t.pairs {
		if err := t.judgePair(ctx, p); err != nil {
			return fmt.Errorf("check people %d and %d: %w", p.first, p.second, err)
		}
	}
	t.report.Pairs = len(t.pairs)
	return nil
}

func (t *teaching) judgePair(ctx context.Context, p *pair) error {
	var people, first, second, standing int
	err := t.db.db.QueryRowContext(ctx, `SELECT
		(SELECT COUNT(*) FROM person WHERE id IN (?, ?)),
		(SELECT COUNT(*) FROM person_images WHERE person_id = ?),
		(SELECT COUNT(*) FROM person_images WHERE person_id = ?),
		(SELECT COUNT(*) FROM merges WHERE person_id = ? AND undone_at IS NULL)`,
		p.first, p.second, p.first, p.second, p.first).Scan(&people, &first, &second, &standing)
	if err != nil {
		return err
	}
	got := [4]int{people, first, second, standing}
	two, one := [4]int{2, pupilImages, pupilImages, 0}, [4]int{1, 2 * pupilImages, 0, 1}
	gone, goneAlone := [4]int{}, [4]int{1, 0, pupilImages, 0}
	confirmed := two
	if p.merged {
		confirmed = one
	}
	switch {
	case got != two && got != one && got != gone && got != goneAlone:
		t.report.violate("people %d and %d are half made: %v (people, known pictures of each, standing merges)", p.first, p.second, got)
	case p.deleted && (got == two || got == one):
		t.report.violate("person %d was deleted and is there", p.first)
	case p.sure && !p.deleted && got != confirmed:
		t.report.violate("people %d and %d are %v, but the last answer confirmed %v", p.first, p.second, got, confirmed)
	}
	return nil
}
