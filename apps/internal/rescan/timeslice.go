package rescan

import (
	"context"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

const (
	// maxBacklog limits how many images of an interrupted slice are read at once.
	// There are as many as were being processed.
	maxBacklog = 1000
	// restAfterRequeue is the longest pause after the processor requeued an image,
	// which means that the recognizers have problems or the program is stopping.
	restAfterRequeue = 5 * time.Second
)

// result says how the processor ended one image.
type result struct {
	id       int64
	requeued bool
	delay    time.Duration
}

// ticket is the Message of an image that was handed out.
type ticket struct {
	id      int64
	results chan<- result // has room for all images in flight
}

// Finish implements Message.
func (t ticket) Finish() { t.results <- result{id: t.id} }

// Requeue implements Message.
func (t ticket) Requeue(delay time.Duration) {
	t.results <- result{id: t.id, requeued: true, delay: delay}
}

// timeSlice is the state of one call of Work.
type timeSlice struct {
	*Runner
	token     int64
	job       history.Rescan
	deadline  time.Time
	inFlight  int
	done      int
	results   chan result
	ready     []int64             // taken from the job, but not handed out yet
	exhausted bool                // the job has no more images
	state     history.RescanState // the job's state when images were last taken
}

// runSlice hands out images until the time is over or there are no more, and
// waits for those in flight.
func (r *Runner) runSlice(ctx context.Context, token int64, job history.Rescan) (worked bool, err error) {
	s := &timeSlice{
		Runner: r, token: token, job: job, deadline: time.Now().Add(r.opts.Slice),
		results: make(chan result, r.opts.Calls), state: history.RescanRunning,
	}
	if err := s.takeBacklog(ctx); err != nil {
		return false, err
	}
	for {
		pause, err := s.fill(ctx)
		if err != nil {
			return s.done > 0, err
		}
		if s.inFlight == 0 && pause == 0 {
			return s.end(ctx)
		}
		if err := s.wait(ctx, pause); err != nil {
			return s.done > 0, err
		}
	}
}

// takeBacklog takes the images of earlier slices that were not processed.
func (s *timeSlice) takeBacklog(ctx context.Context) error {
	ids, err := s.store.RescanBacklog(ctx, s.job.ID, maxBacklog)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, id := range ids {
		if now.Before(s.notBefore[id]) {
			continue
		}
		delete(s.notBefore, id)
		s.ready = append(s.ready, id)
	}
	return nil
}

// fill hands out images until Options.Calls are in flight. It returns how long to
// wait before handing out more, or 0 if nothing more is to be handed out.
func (s *timeSlice) fill(ctx context.Context) (pause time.Duration, err error) {
	for s.inFlight < s.opts.Calls {
		now := time.Now()
		if !now.Before(s.deadline) || now.Before(s.restUntil) {
			return 0, nil
		}
		if now.Before(s.nextAt) {
			return min(s.nextAt.Sub(now), s.deadline.Sub(now)), nil
		}
		if len(s.ready) == 0 && s.exhausted {
			return 0, nil
		}
		busy, err := s.store.NewWork(ctx)
		if err != nil {
			return 0, err
		}
		if busy {
			return min(s.opts.Busy, s.deadline.Sub(now)), nil
		}
		if len(s.ready) == 0 {
			if err := s.takeMore(ctx); err != nil {
				return 0, err
			}
			continue
		}
		s.handOut(now)
	}
	return time.Until(s.deadline), nil
}

func (s *timeSlice) takeMore(ctx context.Context) error {
	ids, state, err := s.store.TakeRescanImages(ctx, s.token, s.job.ID, s.opts.Calls-s.inFlight)
	if err != nil {
		return err
	}
	s.ready, s.state, s.exhausted = ids, state, len(ids) == 0
	return nil
}

func (s *timeSlice) handOut(now time.Time) {
	id := s.ready[0]
	s.ready = s.ready[1:]
	s.inFlight++
	if s.opts.Rate > 0 {
		s.nextAt = now.Add(time.Second / time.Duration(s.opts.Rate))
	}
	go s.process(id, ticket{id: id, results: s.results}) // it blocks while the processor is full
}

// wait waits until an image is done, the pause is over, or ctx ends.
func (s *timeSlice) wait(ctx context.Context, pause time.Duration) error {
	var over <-chan time.Time
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err() // the processor still stores the images in flight
	case <-over:
	case e := <-s.results:
		s.inFlight--
		if !e.requeued {
			s.done++
			return nil
		}
		now := time.Now()
		s.notBefore[e.id] = now.Add(e.delay)
		s.restUntil = now.Add(min(e.delay, restAfterRequeue))
	}
	return nil
}

// end ends the slice, and also the job if all of its images are done.
func (s *timeSlice) end(ctx context.Context) (worked bool, err error) {
	if !s.exhausted || s.state != history.RescanRunning {
		return s.done > 0 && !time.Now().Before(s.restUntil), nil
	}
	left, err := s.store.RescanBacklog(ctx, s.job.ID, 1)
	if err != nil || len(left) > 0 {
		return false, err
	}
	job, err := s.store.FinishRescan(ctx, s.token, s.job.ID)
	if err != nil {
		return false, err
	}
	clear(s.notBefore)
	s.metrics.running.Set(0)
	s.metrics.left.Set(0)
	if job.State == history.RescanFinished {
		s.metrics.jobs.WithLabelValues(string(job.State)).Inc()
		s.log.Info("rescan finished", "rescan", job.ID, "model", job.Model, "detail", job.Detail)
	}
	return true, nil
}
