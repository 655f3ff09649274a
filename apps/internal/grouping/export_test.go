package grouping

import "context"

// RunOnce works once.
func (r *Runner) RunOnce(ctx context.Context) (more bool) { return r.loop.Once(ctx) }
