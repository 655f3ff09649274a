package recognizer

// IdleDelay is how long nothing is asked before memory is given back.
const IdleDelay = idleDelay
