package smallsystem

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/rematch"
)

// StartRematching adds what a processor does when the known people change, or when
// somebody asks for a re-match. It looks for work every few milliseconds.
func (s *System) StartRematching() {
	opts := rematch.Defaults()
	opts.Poll, opts.Delay = 20*time.Millisecond, 0
	r := rematch.New(s.Store, s.recognizers, "small", opts, s.log, prometheus.NewRegistry())
	r.Start()
	s.atEnd(r.Stop)
}
