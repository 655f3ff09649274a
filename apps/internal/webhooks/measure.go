package webhooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// measure sets the metrics of all webhooks. What cannot be read has no value: its last one
// would say that all is as it was.
func (s *Sender) measure(ctx context.Context) error {
	list, newest, err := s.newest(ctx)
	var problems []error
	ages := map[int64]float64{}
	for _, w := range list {
		age, err := s.oldestOf(ctx, w, newest)
		if err != nil {
			problems = append(problems, fmt.Errorf("the oldest event of webhook %d: %w", w.ID, err))
			continue
		}
		ages[w.ID] = age
	}
	s.states.Reset()
	s.behind.Reset()
	s.oldest.Reset()
	if err != nil {
		return err
	}
	counts := map[faces.WebhookState]int{faces.WebhookActive: 0, faces.WebhookPaused: 0, faces.WebhookDead: 0}
	for _, w := range list {
		counts[w.State]++
		s.behind.WithLabelValues(fmt.Sprint(w.ID)).Set(float64(newest - w.Delivered))
		if age, ok := ages[w.ID]; ok {
			s.oldest.WithLabelValues(fmt.Sprint(w.ID)).Set(age)
		}
	}
	for state, n := range counts {
		s.states.WithLabelValues(string(state)).Set(float64(n))
	}
	return errors.Join(problems...)
}

// newest returns all webhooks, and the number of the newest event.
func (s *Sender) newest(ctx context.Context) ([]faces.Webhook, int64, error) {
	list, err := s.store.Webhooks(ctx)
	if err != nil {
		return nil, 0, err
	}
	page, err := s.store.Events(ctx, 0, nil, 1)
	if err != nil {
		return nil, 0, err
	}
	return list, page.Has.Newest, nil
}

// oldestOf returns the age of the oldest event that a webhook has still to get, in seconds.
// Of one that is paused or dead nothing is late: it gets nothing until somebody resumes it.
func (s *Sender) oldestOf(ctx context.Context, w faces.Webhook, newest int64) (float64, error) {
	if w.Delivered >= newest || w.State != faces.WebhookActive {
		return 0, nil
	}
	next, err := s.store.Events(ctx, w.Delivered, nil, 1)
	if err != nil || len(next.Events) == 0 {
		return 0, err
	}
	return max(0, time.Since(next.Events[0].CreatedAt).Seconds()), nil
}

func (s *Sender) count(d faces.Delivery) {
	result := "failed"
	if d.OK {
		result = "ok"
	}
	s.delivered.WithLabelValues(result).Inc()
	s.seconds.Observe(d.Took.Seconds())
}
