package rescan

import (
	"context"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

const (
	// maxBacklog bounds what is read of the images that were taken and not looked
	// at; there are as many as were at work when a processor was cut off.
	maxBacklog = 1000
	// restAfterRequeue is how long a job rests at most where the processor hands
	// an image back: the recognizers are in trouble, or the program ends.
	restAfterRequeue = 5 * time.Second
)

// ended is what became of one image.
type ended struct {
	id       int64
	requeued bool
	delay    time.Duration
}

// ticket is the Message of an image that a slice has handed out.
type ticket struct {
	id   int64
	into chan<- ended // with room for all that are at work
}

// Finish implements Message.
func (t ticket) Finish() { t.into <- ended{id: t.id} }

// Requeue implements Message.
func (t ticket) Requeue(delay time.Duration) { t.into <- ended{id: t.id, requeued: true, delay: delay} }

// slice is one turn's work on a job.
type slice struct {
	*Runner
	token  int64
	job    history.Rescan
	until  time.Time
	atWork int
	done   int
	into   chan ended
	ready  []int64             // taken and not handed out
	over   bool                // nothing more is to be taken
	state  history.RescanState // of the job, when it was looked at last
}

// slice hands images out until its time is over or there are none, and waits
// for those that are at work.
func (r *Runner) slice(ctx context.Context, token int64, job history.Rescan) (worked bool, err error) {
	s := &slice{
		Runner: r, token: token, job: job, until: time.Now().Add(r.opts.Slice),
		into: make(chan ended, r.opts.Calls), state: history.RescanRunning,
	}
	if err := s.takeBacklog(ctx); err != nil {
		return false, err
	}
	for {
		pause, err := s.fill(ctx)
		if err != nil {
			return s.done > 0, err
		}
		if s.atWork == 0 && pause == 0 {
			return s.end(ctx)
		}
		if err := s.wait(ctx, pause); err != nil {
			return s.done > 0, err
		}
	}
}

// takeBacklog takes up what was handed out before and not looked at.
func (s *slice) takeBacklog(ctx context.Context) error {
	ids, err := s.store.RescanBacklog(ctx, s.job.ID, maxBacklog)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, id := range ids {
		if now.Before(s.notYet[id]) {
			continue
		}
		delete(s.notYet, id)
		s.ready = append(s.ready, id)
	}
	return nil
}

// fill hands images out, as many as may be at work. It returns how long to wait
// before there may be more to hand out; 0 where there is nothing more.
func (s *slice) fill(ctx context.Context) (pause time.Duration, err error) {
	for s.atWork < s.opts.Calls {
		now := time.Now()
		if !now.Before(s.until) || now.Before(s.rest) {
			return 0, nil
		}
		if now.Before(s.next) {
			return min(s.next.Sub(now), s.until.Sub(now)), nil
		}
		if len(s.ready) == 0 && s.over {
			return 0, nil
		}
		busy, err := s.store.NewWork(ctx)
		if err != nil {
			return 0, err
		}
		if busy {
			return min(s.opts.Busy, s.until.Sub(now)), nil
		}
		if len(s.ready) == 0 {
			if err := s.takeMore(ctx); err != nil {
				return 0, err
			}
			continue
		}
		s.handOut(now)
	}
	return time.Until(s.until), nil
}

func (s *slice) takeMore(ctx context.Context) error {
	ids, state, err := s.store.TakeRescanImages(ctx, s.token, s.job.ID, s.opts.Calls-s.atWork)
	if err != nil {
		return err
	}
	s.ready, s.state, s.over = ids, state, len(ids) == 0
	return nil
}

func (s *slice) handOut(now time.Time) {
	id := s.ready[0]
	s.ready = s.ready[1:]
	s.atWork++
	if s.opts.Rate > 0 {
		s.next = now.Add(time.Second / time.Duration(s.opts.Rate))
	}
	go s.take(id, ticket{id: id, into: s.into}) // it may wait for room
}

// wait returns when an image has ended or a time is over.
func (s *slice) wait(ctx context.Context, pause time.Duration) error {
	var over <-chan time.Time
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err() // what is at work ends without us, and is written down all the same
	case <-over:
	case e := <-s.into:
		s.atWork--
		if !e.requeued {
			s.done++
			return nil
		}
		now := time.Now()
		s.notYet[e.id] = now.Add(e.delay)
		s.rest = now.Add(min(e.delay, restAfterRequeue))
	}
	return nil
}

// end ends the slice, and the job where everything was looked at.
func (s *slice) end(ctx context.Context) (worked bool, err error) {
	if !s.over || s.state != history.RescanRunning {
		return s.done > 0 && !time.Now().Before(s.rest), nil
	}
	left, err := s.store.RescanBacklog(ctx, s.job.ID, 1)
	if err != nil || len(left) > 0 {
		return false, err
	}
	job, err := s.store.FinishRescan(ctx, s.token, s.job.ID)
	if err != nil {
		return false, err
	}
	clear(s.notYet)
	s.metrics.running.Set(0)
	s.metrics.left.Set(0)
	if job.State == history.RescanFinished {
		s.metrics.jobs.WithLabelValues(string(job.State)).Inc()
		s.log.Info("rescan finished", "rescan", job.ID, "model", job.Model, "detail", job.Detail)
	}
	return true, nil
}
