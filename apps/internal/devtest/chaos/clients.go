package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// job is one request: one path to the route for one, or several.
type job struct {
	paths []string // as they are sent
	// patience of a client that hangs up after this time and does not try again:
	// its images may or may not be stored. 0 for those who try until they succeed.
	patience time.Duration
}

// posts are all requests of a run, and what the clients were told.
type posts struct {
	client *client.Client
	root   string // the folder of the paths
	jobs   []job
	report *Report
	stop   context.CancelFunc
	ended  chan struct{} // closed when the last client has ended

	mu       sync.Mutex // guards the fields below
	accepted map[string]int64
	paths    map[int64]string
}

const (
	requestTimeout = 20 * time.Second
	mostPatience   = 50 * time.Millisecond
	largestPost    = 50 // paths
	retryPause     = 50 * time.Millisecond
	maxRetryPause  = time.Second
)

func newPosts(opts Options, url, root string, report *Report) *posts {
	return &posts{
		client: client.New(url, client.WithHTTPClient(&http.Client{Timeout: requestTimeout})), report: report,
		root:     root,
		jobs:     makeJobs(opts.Images, root, rand.New(rand.NewPCG(opts.Seed, 2))),
		ended:    make(chan struct{}),
		accepted: map[string]int64{}, paths: map[int64]string{},
	}
}

// makeJobs splits the paths into requests: most for one path, some for many,
// some for what another one posts as well, at once or later.
func makeJobs(images int, root string, rnd *rand.Rand) []job {
	var jobs []job
	for next := 0; next < images; {
		size := 1
		if rnd.IntN(8) == 0 {
			size = 2 + rnd.IntN(largestPost-1)
		}
		var j job
		if rnd.IntN(8) == 0 {
			j.patience = 1 + time.Duration(rnd.Int64N(int64(mostPatience)))
		}
		for range min(size, images-next) {
			j.paths = append(j.paths, fmt.Sprintf("chaos/%06d.jpg", next))
			next++
		}
		jobs = append(jobs, j)
		switch rnd.IntN(30) {
		case 0: // twice at once, once in full
			again := job{paths: make([]string, len(j.paths))}
			for i, p := range j.paths {
				again.paths[i] = path.Join(root, p)
			}
			jobs = append(jobs, again)
		case 1: // one of those before
			jobs = append(jobs, jobs[rnd.IntN(len(jobs))])
		}
	}
	return jobs
}

// start begins to post, spread over a time. It does not wait for the end.
func (p *posts) start(ctx context.Context, spread time.Duration) {
	ctx, p.stop = context.WithCancel(ctx)
	queue := make(chan job)
	go func() {
		defer close(queue)
		begin := time.Now()
		for i, j := range p.jobs {
			due := begin.Add(spread * time.Duration(i) / time.Duration(len(p.jobs)))
			pause(ctx, time.Until(due))
			select {
			case queue <- j:
			case <-ctx.Done():
				return
			}
		}
	}()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for j := range queue {
				p.see(ctx, j)
			}
		})
	}
	go func() {
		all.Wait()
		close(p.ended)
	}()
}

// finish waits until every post is accepted.
func (p *posts) finish(ctx context.Context) {
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.report.violate("not all posts were accepted in time")
	}
	p.stop()
	<-p.ended
}

// see posts until the answer is that the images are accepted.
func (p *posts) see(ctx context.Context, j job) {
	for wait := retryPause; ctx.Err() == nil; wait = min(2*wait, maxRetryPause) {
		images, err := p.post(ctx, j)
		var refused *api.Error
		switch {
		case err == nil:
			p.report.countAnswer(fmt.Sprint(http.StatusAccepted))
			p.report.notePost()
			p.note(j, images)
			return
		case errors.As(err, &refused):
			p.report.countAnswer(fmt.Sprint(refused.Status))
		default:
			p.report.countAnswer("no answer")
		}
		switch {
		case refused != nil && refused.Status != http.StatusServiceUnavailable:
			// Whatever dies is the service's trouble: "try again later".
			p.report.violate("a post of %v was refused: %v", j.paths[0], err)
			return
		case j.patience > 0:
			p.report.countAnswer("given up")
			return
		}
		pause(ctx, wait/2+rand.N(wait))
	}
}

// post sends one request: to the route for one path or to the one for several.
func (p *posts) post(ctx context.Context, j job) ([]api.PostedEntry, error) {
	if j.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.patience)
		defer cancel()
	}
	if len(j.paths) > 1 {
		return p.client.PostImages(ctx, j.paths...)
	}
	img, err := p.client.PostImage(ctx, j.paths[0])
	return []api.PostedEntry{{PostedImage: img}}, err
}

// note remembers what was accepted, and checks it against what was before.
func (p *posts) note(j job, images []api.PostedEntry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, img := range images {
		p.noteOne(j.paths[i], img)
	}
}

func (p *posts) noteOne(sent string, img api.PostedEntry) {
	want := sent
	if !strings.HasPrefix(sent, "/") {
		want = path.Join(p.root, sent)
	}
	if img.Error != nil || img.ID < 1 || img.Path != want {
		p.report.violate("%s was answered with id %d, path %s, error %+v", sent, img.ID, img.Path, img.Error)
		return
	}
	if id, ok := p.accepted[want]; ok && id != img.ID {
		p.report.violate("%s was answered with id %d and with %d", want, id, img.ID)
	}
	if before, ok := p.paths[img.ID]; ok && before != want {
		p.report.violate("id %d was answered for %s and for %s", img.ID, before, want)
	}
	p.accepted[want], p.paths[img.ID] = img.ID, want
}

// result returns the accepted ids by path.
func (p *posts) result() map[string]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.accepted)
}

// sent returns the paths that were posted.
func (p *posts) sent() map[string]bool {
	all := map[string]bool{}
	for _, j := range p.jobs {
		for _, s := range j.paths {
			if !strings.HasPrefix(s, "/") {
				s = path.Join(p.root, s)
			}
			all[s] = true
		}
	}
	return all
}
