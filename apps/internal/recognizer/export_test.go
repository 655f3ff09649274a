package recognizer

// IdleDelay is how long the engines must be idle before memory is released.
const IdleDelay = idleDelay

// Waiting returns how many callers wait for an engine.
func (r *Recognizer) Waiting() int {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	return len(r.pool.waiting[urgent]) + len(r.pool.waiting[patient])
}
