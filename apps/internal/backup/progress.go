package backup

import (
	"log/slog"
	"time"
)

// progressEvery is the time between two lines about what goes on.
const progressEvery = 5 * time.Second

// progress logs what goes on, by numbers only.
type progress struct {
	log  *slog.Logger
	last time.Time
}

func newProgress(log *slog.Logger) *progress { return &progress{log: log, last: time.Now()} }

// tick logs what goes on, if it is time.
func (p *progress) tick(what string, numbers ...any) {
	if time.Since(p.last) < progressEvery {
		return
	}
	p.last = time.Now()
	p.log.Info(what, numbers...)
}
