package traffic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// pool has ids of images to read. It is safe for concurrent use.
type pool struct {
	mu       sync.Mutex // guards the fields below
	all      ring
	pictures ring // images whose pictures can be read
}

// ring has the newest ids.
type ring struct {
	ids  []int64
	next int
}

// pooled is how many ids of a kind are kept.
const pooled = 1000

func (r *ring) add(id int64) {
	if len(r.ids) < pooled {
		r.ids = append(r.ids, id)
		return
	}
	r.ids[r.next] = id
	r.next = (r.next + 1) % pooled
}

// fill asks for the newest images.
func (p *pool) fill(ctx context.Context, c *client.Client, pictures bool) error {
	limit, order := 200, api.Newest
	page, err := c.ListImages(ctx, api.ListImagesParams{Limit: &limit, Order: &order})
	if err != nil {
		return fmt.Errorf("list images to read: %w", err)
	}
	for _, img := range page.Images {
		p.add(img.ID)
		if img.Status == api.StatusProcessed || img.Status == api.StatusPending && !img.Waits() {
			p.answer(img.ID)
		}
	}
	switch {
	case len(p.all.ids) == 0:
		return errors.New("there are no images to get: run -mode paths or -mode upload first, or leave get and thumbnail out of -mix")
	case pictures && len(p.pictures.ids) == 0:
		return errors.New("no newer image has an answer, so there are no thumbnails: run -mode upload first, or leave thumbnail out of -mix")
	}
	return nil
}

func (p *pool) add(id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all.add(id)
}

// answer adds an image that was answered, so that it has a picture.
func (p *pool) answer(id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pictures.add(id)
}

// any returns an image. There is one, or fill has failed.
func (p *pool) any(rng *rand.Rand) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.ids[rng.IntN(len(p.all.ids))]
}

// withPicture returns an image whose picture can be read.
func (p *pool) withPicture(rng *rand.Rand) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pictures.ids[rng.IntN(len(p.pictures.ids))]
}
