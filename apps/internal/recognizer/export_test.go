package recognizer

// IdleDelay is how long the engines must be idle before memory is released.
const IdleDelay = idleDelay
