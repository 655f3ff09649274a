package rematch

import "context"

// RunOnce works once, as the loop does every few seconds.
func (r *Rematcher) RunOnce() bool { return r.loop.Once(context.Background()) }
