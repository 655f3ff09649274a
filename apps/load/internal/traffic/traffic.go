// Package traffic makes the requests: posts of paths, uploads of pictures, and reads.
package traffic

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/load/internal/drive"
)

// Kind is a kind of requests.
type Kind string

// The kinds.
const (
	Post      Kind = "post" // paths, or files if there are pictures
	List      Kind = "list"
	Get       Kind = "get"
	Thumbnail Kind = "thumbnail"
)

// Share is how much of the requests are of a kind, compared with the others.
type Share struct {
	Kind   Kind
	Weight float64
}

// Mix says how much of the requests are of which kind.
type Mix []Share

// ParseMix reads kinds and weights, such as post=6,list=2,get=3,thumbnail=1.
func ParseMix(text string) (Mix, error) {
	var m Mix
	sum := 0.0
	for part := range strings.SplitSeq(text, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), "=")
		kind := Kind(name)
		w, err := strconv.ParseFloat(weight, 64)
		switch {
		case !slices.Contains([]Kind{Post, List, Get, Thumbnail}, kind):
			return nil, fmt.Errorf("the mix has %q; the kinds are post, list, get and thumbnail, such as post=6,list=2", name)
		case err != nil || !(w >= 0 && w <= 1e6):
			return nil, fmt.Errorf("the weight %q of %s is not a number from 0 up", weight, kind)
		case m.has(kind):
			return nil, fmt.Errorf("the mix has %s twice", kind)
		}
		m, sum = append(m, Share{kind, w}), sum+w
	}
	if sum == 0 {
		return nil, fmt.Errorf("all weights of the mix %q are 0", text)
	}
	return m, nil
}

func (m Mix) has(kind Kind) bool {
	return slices.ContainsFunc(m, func(s Share) bool { return s.Kind == kind })
}

// Wants reports whether the mix has requests of one of the kinds.
func (m Mix) Wants(kinds ...Kind) bool {
	return slices.ContainsFunc(m, func(s Share) bool { return s.Weight > 0 && slices.Contains(kinds, s.Kind) })
}

// pick returns a kind for a number from 0 to below 1.
func (m Mix) pick(at float64) Kind {
	sum := 0.0
	for _, s := range m {
		sum += s.Weight
	}
	at *= sum
	for _, s := range m {
		if at -= s.Weight; at < 0 {
			return s.Kind
		}
	}
	return m[len(m)-1].Kind
}

// Options configures Traffic. Client, Mix, Rand and Outcomes are required.
type Options struct {
	Client   *client.Client
	Mix      Mix
	Batch    int                // paths or files of a post; 0 means 1
	Path     func(n int) string // the path of the nth image; required without Pictures
	Pictures []Picture          // files to upload in place of posting paths
	Run      string             // names the run, so that its pictures are others than those of any other run
	Rand     *rand.Rand
	Outcomes *Outcomes
}

// Traffic makes requests.
type Traffic struct {
	Options
	posted int // images
	pool   *pool
}

// New returns a Traffic. If the mix reads images, it asks for the newest ones.
func New(ctx context.Context, o Options) (*Traffic, error) {
	o.Batch = max(1, o.Batch)
	t := &Traffic{Options: o, pool: &pool{}}
	if o.Mix.Wants(Get, Thumbnail) {
		if err := t.pool.fill(ctx, o.Client, o.Mix.Wants(Thumbnail)); err != nil {
			return nil, err
		}
	}
	o.Outcomes.answered = t.pool.answer
	return t, nil
}

// Next returns the request that is due at a time. It is not safe for concurrent use.
func (t *Traffic) Next(at time.Duration) drive.Request {
	kind := t.Mix[0].Kind
	if len(t.Mix) > 1 {
		kind = t.Mix.pick(t.Rand.Float64())
	}
	r := drive.Request{Kind: string(kind)}
	switch kind {
	case Post:
		r.Send = t.post(at)
		if len(t.Pictures) > 0 {
			r.Kind = "upload"
		}
	case List:
		limit, order := listed, api.Newest
		r.Send = read(func(ctx context.Context) error {
			_, err := t.Client.ListImages(ctx, api.ListImagesParams{Limit: &limit, Order: &order})
			return err
		})
	case Get:
		id := t.pool.any(t.Rand)
		r.Send = read(func(ctx context.Context) error {
			_, err := t.Client.GetImage(ctx, id)
			return err
		})
	case Thumbnail:
		id := t.pool.withPicture(t.Rand)
		r.Send = read(func(ctx context.Context) error {
			_, err := t.Client.GetThumbnail(ctx, id, api.GetThumbnailParams{})
			return err
		})
	}
	return r
}

// listed is how many images a list has: a page of the dashboard has about as many.
const listed = 50

func read(ask func(context.Context) error) func(context.Context, time.Time) string {
	return func(ctx context.Context, _ time.Time) string { return Code(ask(ctx)) }
}

// post returns what sends the next images.
func (t *Traffic) post(at time.Duration) func(context.Context, time.Time) string {
	first := t.posted
	t.posted += t.Batch
	return func(ctx context.Context, due time.Time) string {
		sent := time.Now()
		entries, err := t.sendPost(ctx, first)
		if err != nil {
			return Code(err)
		}
		answered := time.Now()
		code := ""
		var images []api.PostedImage
		for _, e := range entries {
			if e.Error == nil {
				images = append(images, e.PostedImage)
				t.pool.add(e.ID)
			} else if code == "" {
				code = clean(string(e.Error.Code))
			}
		}
		t.Outcomes.posted(images, Times{At: at, Due: due, Sent: sent, Answered: answered})
		return code
	}
}

// sendPost sends the images that begin with a number.
func (t *Traffic) sendPost(ctx context.Context, first int) ([]api.PostedEntry, error) {
	if len(t.Pictures) > 0 {
		kind, body, err := form(t.Pictures, t.Run, first, t.Batch)
		if err != nil {
			return nil, err
		}
		return t.Client.UploadBody(ctx, kind, body)
	}
	if t.Batch == 1 {
		image, err := t.Client.PostImage(ctx, t.Path(first))
		return []api.PostedEntry{{PostedImage: image}}, err
	}
	paths := make([]string, t.Batch)
	for i := range paths {
		paths[i] = t.Path(first + i)
	}
	return t.Client.PostImages(ctx, paths...)
}
