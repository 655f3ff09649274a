package report

import "time"

// PauseAfter is pauseAfter.
func PauseAfter(took time.Duration, err error) time.Duration { return pauseAfter(took, err) }
