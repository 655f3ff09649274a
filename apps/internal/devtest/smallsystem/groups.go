package smallsystem

import (
	"context"
	"fmt"
	"image/color"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/facefeed"
	"github.com/rollcall-faces/rollcall/apps/internal/grouping"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Option changes what Start starts.
type Option func(*System)

// WithGroups adds what a processor does in the background: unknown faces get into groups,
// and the answers follow the known pictures. Each takes a fraction of a second.
func WithGroups() Option { return func(s *System) { s.groups = true } }

// groupDistance lets colours be neighbours that differ by one step of fakeengine.Round in
// one of red, green and blue, or in two.
const groupDistance = 0.1

// poll is how often the jobs in the background look for work.
const poll = 20 * time.Millisecond

// Shade returns a colour that is n steps brighter in green. Neighbouring shades are in one
// group of unknown faces, and shades up to three steps away are the same person.
func Shade(c color.RGBA, n int) color.RGBA {
	c.G += uint8(15 * n)
	return c
}

// Draw writes a picture that shows a face of each colour. Post it to have it answered.
func (s *System) Draw(name string, people ...color.RGBA) error {
	faces := make([]fakeengine.Face, len(people))
	for i, c := range people {
		faces[i] = faceAt(112*i, c)
	}
	return write(filepath.Join(s.Unknown, name), fakeengine.PNG(fakeengine.Draw(128+112*max(0, len(people)-1), 128, faces...)))
}

// startGroups starts what WithGroups adds.
func (s *System) startGroups(db *store.Store) error {
	reg := prometheus.NewRegistry()
	rematcher := s.newRematcher()

	replicas := recognizerclient.NewReplicas(recognizerclient.Options{Address: s.recognizer, Timeout: patience})
	feeding := facefeed.Defaults()
	feeding.Poll = poll
	feeder := facefeed.New(db, replicas.List, rematcher.Leads, feeding, s.log, reg)

	options := grouping.Defaults()
	options.Poll, options.Takeover, options.Compare = poll, 0, time.Second
	grouper := grouping.New(db, replicas.List, rematcher.Token, options, s.log, reg)

	rematcher.Start()
	s.atEnd(rematcher.Stop)
	s.atEnd(func(context.Context) error { return replicas.Close() })
	feeder.Start()
	s.atEnd(feeder.Stop)
	grouper.Start()
	s.atEnd(grouper.Stop)
	return nil
}

// Group is a group of unknown faces as the database has it.
type Group = store.GroupSummary

// Groups returns the groups of unknown faces, the largest first.
func (s *System) Groups(ctx context.Context) ([]Group, error) {
	model, _, err := s.Store.ModelInUse(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the groups of a small system: %w", err)
	}
	list, _, err := s.Store.Groups(ctx, store.GroupFilter{Model: model.ID, Limit: 100, Samples: 4})
	return list, err
}
