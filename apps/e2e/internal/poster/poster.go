// Package poster is the part of the walk that runs inside of the cluster: it
// posts pictures and looks at the dashboard without a pause, as clients do, and
// remembers what was accepted, what failed, and how long nothing succeeded.
package poster

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// Options say what to post where.
type Options struct {
	Receiver  string        // address
	Dashboard string        // address
	Clients   int           // that post at the same time
	Pause     time.Duration // of a client between two requests
	Repeat    int           // requests for each new picture; the others post it again
	Path      string        // a format with one number: the pictures' paths
	Timeout   time.Duration // of a request
}

// Target names what a request was for.
type Target string

// The targets of the poster.
const (
	API       Target = "api"
	Dashboard Target = "dashboard"
)

// Count is what happened to the requests for one target.
type Count struct {
	Requests int           `json:"requests"`
	Failed   int           `json:"failed"`
	Gap      time.Duration `json:"gap"` // longest time from one success to the next
	// Failures are the first ones, to look at.
	Failures []string `json:"failures"`
}

// Report is what happened in one phase.
type Report struct {
	Counts   map[Target]*Count `json:"counts"`
	Accepted []int64           `json:"accepted"` // ids, each once
}

const keptFailures = 20

// Poster posts. Phase may be called while Run runs.
type Poster struct {
	opts   Options
	client *client.Client
	http   *http.Client

	mu        sync.Mutex // guards the fields below
	sent      int
	report    Report
	accepted  map[int64]bool
	succeeded map[Target]time.Time // the last success
}

// New returns a Poster that keeps its connections, as most clients do.
func New(opts Options) *Poster {
	h := &http.Client{Timeout: opts.Timeout, Transport: &http.Transport{MaxIdleConnsPerHost: opts.Clients + 1}}
	p := &Poster{opts: opts, http: h, client: client.New(opts.Receiver, client.WithHTTPClient(h)), succeeded: map[Target]time.Time{}}
	p.begin()
	return p
}

// begin starts a phase. It is called with mu held, or by New.
func (p *Poster) begin() {
	p.report = Report{Counts: map[Target]*Count{API: {}, Dashboard: {}}}
	p.accepted = map[int64]bool{}
}

// Run posts until ctx ends.
func (p *Poster) Run(ctx context.Context) {
	var all sync.WaitGroup
	loop := func(target Target, request func(context.Context) error) {
		all.Go(func() {
			for ctx.Err() == nil {
				err := request(ctx)
				if ctx.Err() != nil {
					return // cut off by us
				}
				p.see(target, err)
				select {
				case <-time.After(p.opts.Pause):
				case <-ctx.Done():
				}
			}
		})
	}
	for range p.opts.Clients {
		loop(API, p.post)
	}
	loop(Dashboard, p.look)
	all.Wait()
}

// post posts one picture, or now and then a few.
func (p *Poster) post(ctx context.Context) error {
	p.mu.Lock()
	newest := p.sent / p.opts.Repeat
	p.sent++
	p.mu.Unlock()
	path := fmt.Sprintf(p.opts.Path, newest)
	if rand.IntN(2) == 0 {
		img, err := p.client.PostImage(ctx, path)
		return p.keep([]api.PostedEntry{{PostedImage: img}}, err)
	}
	older := fmt.Sprintf(p.opts.Path, rand.IntN(newest+1))
	images, err := p.client.PostImages(ctx, path, older)
	return p.keep(images, err)
}

// keep remembers what was accepted; a path that was refused is a failure.
func (p *Poster) keep(images []api.PostedEntry, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, img := range images {
		switch {
		case img.ID > 0:
			p.accepted[img.ID] = true
		case err == nil && img.Error != nil:
			err = fmt.Errorf("%s was refused: %s", img.Path, img.Error.Code)
		case err == nil:
			err = fmt.Errorf("%s got no id", img.Path)
		}
	}
	return err
}

func (p *Poster) look(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.opts.Dashboard, nil)
	if err != nil {
		return err
	}
	res, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("dashboard: %s", res.Status)
	}
	return nil
}

func (p *Poster) see(target Target, err error) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	count := p.report.Counts[target]
	count.Requests++
	if err != nil {
		count.Failed++
		if len(count.Failures) < keptFailures {
			count.Failures = append(count.Failures, now.UTC().Format("15:04:05.000 ")+err.Error())
		}
		return
	}
	if last := p.succeeded[target]; !last.IsZero() {
		count.Gap = max(count.Gap, now.Sub(last))
	}
	p.succeeded[target] = now
}

// Phase returns what happened since the call before, and begins anew.
func (p *Poster) Phase() Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.report
	for id := range p.accepted {
		r.Accepted = append(r.Accepted, id)
	}
	slices.Sort(r.Accepted)
	p.begin()
	return r
}
