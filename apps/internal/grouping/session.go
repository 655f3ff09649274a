package grouping

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
)

// session is the work under one lease, with one model set.
type session struct {
	store   Store
	opts    Options
	log     *slog.Logger
	metrics *metrics
	holds   func() bool
	token   int64
	model   faces.Model

	g      *groups.Grouping
	search *search
	mark   int64 // the recognizer has all faces with ids up to it
	check  verification

	synced bool            // the groups are those of all faces, but for what is in waiting and the events after seq
	seq    int64           // the last event that is known
	behind map[int64]int64 // face that the recognizer does not have yet → its image

	// unsure are faces whose stored group somebody may have deleted: whoever decides about
	// a face deletes it, also if that is taken back before the next round.
	unsure map[int64]bool

	cursor   int64 // id after which faces are compared next
	compared time.Time

	changed      int // faces that came or left since the last checkpoint
	checkpointed time.Time
	saved        groups.Progress
}

// open begins a session from the last checkpoint, if there is one that can be used.
func (r *Runner) open(ctx context.Context, m faces.Model) (*session, error) {
	rule := groups.RuleOf(m)
	if err := rule.Check(); err != nil {
		return nil, errWaits{m.ID, err.Error() + "; see ROLLCALL_THRESHOLD"}
	}
	token := r.token
	s := &session{
		store: r.store, opts: r.opts, log: r.log, metrics: r.metrics, holds: func() bool { return r.lease() == token }, token: token, model: m,
		behind: map[int64]int64{}, unsure: map[int64]bool{}, checkpointed: time.Now(), saved: groups.Progress{Model: m.ID, Distance: rule.Distance},
	}
	data, err := r.store.Checkpoint(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	if len(data) > 0 {
		s.g, err = groups.Read(bytes.NewReader(data), rule)
		switch {
		case errors.Is(err, groups.ErrDamaged):
			r.log.Info("the checkpoint of the groups cannot be used; all unknown faces are grouped anew", "error", err)
		case err != nil:
			return nil, err
		default:
			r.log.Info("grouping unknown faces goes on", "model", m.ID, "faces", s.g.Len())
			return s, nil
		}
	}
	if s.g, err = groups.New(rule); err != nil {
		return nil, err
	}
	r.log.Info("grouping unknown faces begins", "model", m.ID, "distance", rule.Distance)
	s.saved.State = groups.Building
	return s, r.store.SaveGrouping(ctx, token, s.saved)
}

// asks reports whether the session asks this recognizer.
func (s *session) asks(x *index) bool {
	return s != nil && s.search != nil && s.search.Address() == x.Address()
}

// step does the next step with a recognizer.
func (s *session) step(ctx context.Context, x *index) (more bool, err error) {
	if s.asks(x) {
		s.search.Recognizer = x.Recognizer // the connection may be another one
	} else {
		s.search = &search{Recognizer: x.Recognizer, store: s.store, model: s.model, holds: s.holds, missing: map[int64]bool{}}
		s.check, s.synced = verification{needed: s.g.Len() > 0}, false
	}
	s.mark = x.Mark
	if err := s.verify(ctx); err != nil {
		return false, err
	}
	if !s.synced {
		return false, s.syncAll(ctx)
	}
	return s.follow(ctx)
}

// verification compares a recognizer's index with the database.
type verification struct {
	needed  bool
	done    int64 // ids up to it are the same
	settled int64 // ids up to it are compared
	failed  int   // times that a page differed
}

// verify makes sure that the recognizer has all faces that are grouped. An index can lack
// a face for some seconds after the face became visible (docs/adr/0026), and a face that
// came meanwhile would not be compared with it. While one recognizer is asked this cannot
// happen: a face that it did not have waits. When another one is to be asked, its index
// is compared with the database, and faces of the last minutes are grouped anew.
func (s *session) verify(ctx context.Context) error {
	const patience = 10
	if !s.check.needed {
		return nil
	}
	var err error
	if s.check.settled == 0 {
		if s.check.settled, err = s.store.SettledFace(ctx, time.Now().Add(-s.opts.Settle)); err != nil {
			return err
		}
	}
	for s.check.done < s.check.settled {
		end, same, err := s.comparePage(ctx)
		if err != nil {
			return err
		}
		if same {
			s.check.done = end
			continue
		}
		if s.check.failed++; s.check.failed < patience {
			return errWaits{s.model.ID, "the index of stored faces of a recognizer differs from the database; it is being repaired"}
		}
		return s.restart()
	}
	var late []int64
	for f := range s.g.All() {
		if f.ID > s.check.settled {
			late = append(late, f.ID)
		}
	}
	s.search.begin()
	if err := s.g.Remove(ctx, s.search, late...); err != nil {
		if len(s.search.lacks()) > 0 { // faces that are gone from the database, too
			return s.restart()
		}
		return err
	}
	s.check = verification{}
	return nil
}

// comparePage compares a page of the recognizer's index with the database.
func (s *session) comparePage(ctx context.Context) (end int64, same bool, err error) {
	newest, err := s.store.NewestFace(ctx)
	if err != nil {
		return 0, false, err
	}
	want, end, err := s.store.SummarizeFaces(ctx, s.model, s.check.done, s.check.settled, s.opts.Page)
	if err != nil {
		return 0, false, err
	}
	_, got, err := s.search.CheckFaces(ctx, s.model.ID, s.check.done, end, newest)
	return end, got == want, err
}

// restart makes the next round group all faces anew. That is always right.
func (s *session) restart() error {
	g, err := groups.New(s.g.Rule())
	if err != nil {
		return err
	}
	s.log.Warn("the index of a recognizer cannot be compared with the groups; all unknown faces are grouped anew", "recognizer", s.search.Address())
	s.g, s.check, s.synced = g, verification{}, false
	return nil
}

// syncAll groups all faces, compares the stored groups with the result, and removes those
// of other model sets.
func (s *session) syncAll(ctx context.Context) error {
	begin := time.Now()
	events, err := s.store.EventRange(ctx) // before the faces are read: what changes then has an event after it
	if err != nil {
		return err
	}
	list, behind, err := s.listAll(ctx)
	if err != nil {
		return err
	}
	if err := s.syncApart(ctx); err != nil {
		return err
	}
	before := s.g.Len()
	if err := s.compareAll(ctx, list, behind); err != nil {
		return err
	}
	if s.g.Len()-before >= s.opts.CheckpointFaces {
		if err := s.saveCheckpoint(ctx); err != nil {
			return err
		}
	}
	s.behind = behind
	if err := s.settle(ctx); err != nil {
		return err
	}
	if err := s.reconcile(ctx, 0, math.MaxInt64); err != nil {
		return err
	}
	for more := true; more; {
		if more, err = s.store.ForgetGroupings(ctx, s.token, s.model.ID); err != nil {
			return err
		}
	}
	s.seq, s.synced, s.cursor, s.compared = events.Newest, true, 0, time.Now()
	if err := s.saveReady(ctx); err != nil {
		return err
	}
	s.metrics.seconds.Observe(time.Since(begin).Seconds())
	s.log.Info("unknown faces are grouped", "faces", s.g.Len(), "groups", s.saved.Groups, "new", s.g.Len()-before, "seconds", time.Since(begin).Seconds())
	return s.saveCheckpoint(ctx)
}

// listAll returns all faces that take part and that the recognizer has, and the others.
func (s *session) listAll(ctx context.Context) (list []groups.Face, behind map[int64]int64, err error) {
	behind = map[int64]int64{}
	for after := int64(0); after < math.MaxInt64; {
		page, end, err := s.store.GroupableFaces(ctx, s.model, after, math.MaxInt64, s.opts.Page)
		if err != nil {
			return nil, nil, err
		}
		for _, f := range page {
			if f.ID <= s.mark {
				list = append(list, f)
			} else {
				behind[f.ID] = f.Picture
			}
		}
		after = end
	}
	return list, behind, nil
}

// compareAll compares all faces that are new. Those that the recognizer turns out not to
// have are added to behind.
func (s *session) compareAll(ctx context.Context, list []groups.Face, behind map[int64]int64) error {
	const tries = 10
	total := int64(len(list) + len(behind))
	ctx, stop := s.reporting(ctx, total)
	defer stop()
	before := s.g.Len()
	for try := 1; ; try++ {
		s.search.begin()
		err := s.g.Sync(ctx, s.search, list, func() error {
			s.log.Info("grouping unknown faces", "faces", s.g.Len(), "of", total)
			return s.saveCheckpoint(ctx)
		})
		if err == nil {
			s.changed += max(1, s.g.Len()-before)
			return nil
		}
		if cause := context.Cause(ctx); cause != nil && errors.Is(cause, history.ErrLeaseLost) {
			return cause
		}
		lacks := s.search.lacks()
		if len(lacks) == 0 || try == tries {
			return err
		}
		list = setAside(list, lacks, behind)
	}
}

// setAside returns the list without the faces that are lacking, which are added to
// behind.
func setAside(list []groups.Face, lacks map[int64]bool, behind map[int64]int64) []groups.Face {
	kept := make([]groups.Face, 0, len(list))
	for _, f := range list {
		if lacks[f.ID] {
			behind[f.ID] = f.Picture
		} else {
			kept = append(kept, f)
		}
	}
	return kept
}

// reporting stores the progress of a long run until stop is called. The context ends when
// the lease is lost.
func (s *session) reporting(ctx context.Context, total int64) (run context.Context, stop func()) {
	run, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	p := s.saved
	p.State, p.Detail, p.Total = groups.Building, "", total
	before, asked := int64(s.g.Len()), s.search.asked.Load()
	go func() {
		defer close(ended)
		background.Every(run, s.opts.Report, func(context.Context) {
			p.Faces = min(total, before+s.search.asked.Load()-asked)
			s.metrics.show(p)
			if err := s.store.SaveGrouping(run, s.token, p); errors.Is(err, history.ErrLeaseLost) {
				cancel(history.ErrLeaseLost)
			}
		})
	}()
	return run, func() {
		cancel(nil)
		<-ended
		s.saved.State = "" // another one may be stored
	}
}

// saveReady stores that the groups are up to date, if that is not stored yet.
func (s *session) saveReady(ctx context.Context) error {
	p := s.saved
	p.State, p.Detail = groups.Ready, ""
	p.Faces, p.Total, p.Groups = int64(s.g.Len()), int64(s.g.Len()+len(s.behind)), 0
	for f, group := range s.g.All() {
		if f.ID == group { // its key
			p.Groups++
		}
	}
	s.metrics.show(p)
	if p == s.saved {
		return nil
	}
	if err := s.store.SaveGrouping(ctx, s.token, p); err != nil {
		return err
	}
	s.saved = p
	return nil
}

// saveCheckpoint stores a checkpoint.
func (s *session) saveCheckpoint(ctx context.Context) error {
	var data bytes.Buffer
	if _, err := s.g.WriteTo(&data); err != nil {
		return err
	}
	if err := s.store.SaveCheckpoint(ctx, s.token, s.model.ID, data.Bytes()); err != nil {
		return fmt.Errorf("after %d faces: %w", s.g.Len(), err)
	}
	s.changed, s.checkpointed = 0, time.Now()
	return nil
}
