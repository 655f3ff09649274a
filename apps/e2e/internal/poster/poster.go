// Package poster is the part of the walk that runs inside the cluster. It posts
// pictures, opens the dashboard and reads answers continuously, as clients do. It
// records what was accepted, what failed, which answers were wrong, and the longest
// time without a success.
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
	"github.com/rollcall-faces/rollcall/apps/e2e/internal/answers"
	"github.com/rollcall-faces/rollcall/apps/internal/schedule"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// Options configures a Poster. All fields but the last three are required.
type Options struct {
	Receiver  string        // URL of the REST API
	Dashboard string        // URL of the dashboard
	Clients   int           // number of clients that post in parallel
	Pause     time.Duration // of a client between two requests
	Repeat    int           // requests per new picture; all but the first post it again
	Path      string        // format of the pictures' paths, with one number
	Timeout   time.Duration // of one request
	// Load says when a new picture is posted, whatever became of those before: the posts
	// of many clients, each with a connection of its own. nil: Clients post one picture
	// after another, on connections that they keep.
	Load schedule.Profile

	// Expected are the right answers: picture n has that at n modulo their number.
	// Without them the poster reads no answers.
	Expected []samples.Expectation
	Key      string // API key for reading answers
}

// Target is what a request was sent to.
type Target string

// The targets of the poster.
const (
	API       Target = "api"
	Dashboard Target = "dashboard"
	Answers   Target = "answers"
)

// Count is the result of the requests to one target.
type Count struct {
	Requests int           `json:"requests"`
	Failed   int           `json:"failed"`
	Gap      time.Duration `json:"gap"` // longest time between two successes
	// Failures are the first failures, with their time.
	Failures []string `json:"failures"`
}

// Report is the result of one phase.
type Report struct {
	Counts   map[Target]*Count `json:"counts"`
	Accepted []int64           `json:"accepted"` // ids, each once
	Compared int               `json:"compared"` // answers that were compared with the expected ones
	Wrong    int               `json:"wrong"`    // of these
	// WrongAnswers are the first wrong answers, with their time.
	WrongAnswers []string `json:"wrong_answers"`
}

// keptFailures is the number of failures that a Count keeps, and of wrong answers that
// a Report keeps.
const keptFailures = 20

// newestIDs is how many images count as the newest ones.
const newestIDs = 50

// Poster sends requests until it is stopped. It is safe for concurrent use.
type Poster struct {
	opts   Options
	client *client.Client
	reader *client.Client // has the key
	http   *http.Client

	mu        sync.Mutex // guards the fields below
	sent      int
	report    Report
	accepted  map[int64]bool
	ids       []int64              // of all images that were ever accepted, each once
	numbers   map[int64]int        // of their pictures, by id
	succeeded map[Target]time.Time // the last success
}

// New returns a Poster.
func New(opts Options) *Poster {
	h := &http.Client{Timeout: opts.Timeout, Transport: &http.Transport{
		MaxIdleConnsPerHost: opts.Clients + 2, DisableKeepAlives: len(opts.Load) > 0,
	}}
	p := &Poster{
		opts: opts, http: h, client: client.New(opts.Receiver, client.WithHTTPClient(h)),
		reader:  client.New(opts.Receiver, client.WithHTTPClient(h), client.WithKey(opts.Key)),
		numbers: map[int64]int{}, succeeded: map[Target]time.Time{},
	}
	p.begin()
	return p
}

// begin starts a phase. The caller holds mu, or is New.
func (p *Poster) begin() {
	p.report = Report{Counts: map[Target]*Count{API: {}, Dashboard: {}, Answers: {}}}
	p.accepted = map[int64]bool{}
}

// Run sends requests until ctx is cancelled.
func (p *Poster) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { p.repeat(ctx, Dashboard, p.look) })
	if len(p.opts.Load) > 0 {
		all.Go(func() { p.postOnTime(ctx, &all) })
	} else {
		for range p.opts.Clients {
			all.Go(func() { p.repeat(ctx, API, p.post) })
		}
	}
	if len(p.opts.Expected) > 0 {
		all.Go(func() { p.repeat(ctx, Answers, p.read) })
	}
	all.Wait()
}

// repeat sends one request after another.
func (p *Poster) repeat(ctx context.Context, target Target, request func(context.Context) error) {
	for ctx.Err() == nil {
		p.send(ctx, target, request)
		select {
		case <-time.After(p.opts.Pause):
		case <-ctx.Done():
		}
	}
}

// send sends a request and records its result.
func (p *Poster) send(ctx context.Context, target Target, request func(context.Context) error) {
	if err := request(ctx); ctx.Err() == nil { // else it was cancelled by us
		p.see(target, err)
	}
}

// postOnTime posts a new picture each time that one is due.
func (p *Poster) postOnTime(ctx context.Context, posts *sync.WaitGroup) {
	begin, n := time.Now(), 0
	for at := range p.opts.Load.Poisson(rand.New(rand.NewPCG(1, 1))) {
		select {
		case <-time.After(time.Until(begin.Add(at))):
		case <-ctx.Done():
			return
		}
		number := n
		n++
		posts.Go(func() { p.send(ctx, API, func(ctx context.Context) error { return p.postOne(ctx, number) }) })
	}
}

// post posts one path, or sometimes two.
func (p *Poster) post(ctx context.Context) error {
	p.mu.Lock()
	newest := p.sent / p.opts.Repeat
	p.sent++
	p.mu.Unlock()
	path := fmt.Sprintf(p.opts.Path, newest)
	if rand.IntN(2) == 0 {
		return p.postOne(ctx, newest)
	}
	older := rand.IntN(newest + 1)
	images, err := p.client.PostImages(ctx, path, fmt.Sprintf(p.opts.Path, older))
	return p.keep(images, err, newest, older)
}

func (p *Poster) postOne(ctx context.Context, number int) error {
	img, err := p.client.PostImage(ctx, fmt.Sprintf(p.opts.Path, number))
	return p.keep([]api.PostedEntry{{PostedImage: img}}, err, number)
}

// keep remembers what was accepted, by the numbers of the pictures; a path that was
// refused is a failure.
func (p *Poster) keep(images []api.PostedEntry, err error, numbers ...int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, img := range images[:min(len(images), len(numbers))] {
		switch {
		case img.ID > 0:
			p.accept(img.ID, numbers[i])
		case err == nil && img.Error != nil:
			err = fmt.Errorf("%s was refused: %s", img.Path, img.Error.Code)
		case err == nil:
			err = fmt.Errorf("%s got no id", img.Path)
		}
	}
	return err
}

// look opens the dashboard.
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

// accept remembers an image that was accepted. The caller holds mu.
func (p *Poster) accept(id int64, number int) {
	p.accepted[id] = true
	if _, known := p.numbers[id]; !known {
		p.ids = append(p.ids, id)
	}
	p.numbers[id] = number
}

// read reads an image that was accepted at some time. One that still waits has no
// answer to compare.
func (p *Poster) read(ctx context.Context) error {
	id, number, ok := p.pick()
	if !ok {
		return nil
	}
	img, err := p.reader.GetImage(ctx, id)
	if err != nil || img.Waits() {
		return err
	}
	wrong := answers.Difference(img, p.opts.Expected[number%len(p.opts.Expected)])
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report.Compared++
	if wrong == "" {
		return nil
	}
	p.report.Wrong++
	if len(p.report.WrongAnswers) < keptFailures {
		p.report.WrongAnswers = append(p.report.WrongAnswers, fmt.Sprintf("%s image %d: %s", now.UTC().Format("15:04:05.000"), id, wrong))
	}
	return nil
}

// pick returns an accepted image and the number of its picture: every second time one
// of the newest.
func (p *Poster) pick() (id int64, number int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ids) == 0 {
		return 0, 0, false
	}
	from := 0
	if rand.IntN(2) == 0 {
		from = max(0, len(p.ids)-newestIDs)
	}
	id = p.ids[from+rand.IntN(len(p.ids)-from)]
	return id, p.numbers[id], true
}

// see records the result of a request.
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

// Phase returns the report since the last call and starts a new phase.
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
