package rematch

// RunOnce does what there is to do, as the loop does every few seconds.
func (r *Rematcher) RunOnce() bool { return r.runOnce() }
