package webhooks

import "context"

// Measure sets the metrics of all webhooks at once, which otherwise happens each minute.
func (s *Sender) Measure(ctx context.Context) error { return s.measure(ctx) }
