package recognizer

// RestAfter is how long nothing is asked before memory is given back.
const RestAfter = restAfter
