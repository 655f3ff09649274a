package facefeed

import "context"

// RunOnce runs one round.
func (f *Feeder) RunOnce(ctx context.Context) (more bool) { return f.loop.Once(ctx) }
