package processor

import "time"

// FeedTimeout bounds each call that fills a recognizer's index of stored faces. One that
// hangs must not keep the others waiting for long.
const FeedTimeout = 5 * time.Second
