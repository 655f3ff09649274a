package report

// PauseAfter is pauseAfter.
var PauseAfter = pauseAfter
