package smallsystem

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/rematch"
)

// StartRematching adds what a processor does when the known people change, or when
// somebody asks for a re-match. It looks for work every few milliseconds.
// WithGroups does so, too.
func (s *System) StartRematching() {
	r := s.newRematcher()
	r.Start()
	s.atEnd(r.Stop)
}

func (s *System) newRematcher() *rematch.Rematcher {
	opts := rematch.Defaults()
	opts.Poll, opts.Delay = poll, 0
	return rematch.New(s.Store, s.recognizers, "small", opts, s.log, prometheus.NewRegistry())
}
