package rematch

// Turn does what there is to do, as the loop does every few seconds.
func (r *Rematcher) Turn() bool { return r.turn() }
