package receiver

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/series"
)

const (
	// renderCalls is how many pictures are rendered for a receiver at the same
	// time. They wait in line with the pictures of the queue: more of them would
	// slow it down.
	renderCalls = 4
	// renderTimeout bounds a rendering, with the wait for its turn.
	renderTimeout = 30 * time.Second
	// entryOverhead is what an entry of the cache takes beside its JPEG, in bytes.
	entryOverhead = 512
)

// renderings renders pictures and keeps them for the next request. Requests for the
// same rendering at the same time are one call.
type renderings struct {
	recognizers *recognizers
	turns       *semaphore.Weighted
	flights     singleflight.Group
	cache       *renderCache
	served      *prometheus.CounterVec
}

func newRenderings(r *recognizers, memory int64, reg prometheus.Registerer) *renderings {
	rs := &renderings{
		recognizers: r, turns: semaphore.NewWeighted(renderCalls), cache: newRenderCache(memory),
		served: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_renderings_total", Help: "Pictures, thumbnails and crops that were asked for, by who had them: client, cache or recognizer.",
		}, []string{"from"}),
	}
	reg.MustRegister(series.AtZero(rs.served, "client", "cache", "recognizer"), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_render_cache_bytes", Help: "Memory of the pictures, thumbnails and crops that are kept.",
	}, func() float64 { return float64(rs.cache.size()) }))
	return rs
}

// renderingKey names the bytes of a rendering: the file's content, and how it is
// shown. It is empty if the file is unknown.
func renderingKey(f faces.File, how faces.Rendering) string {
	if f.IsZero() {
		return ""
	}
	content := f.SHA256
	if content == "" {
		content = fmt.Sprint(f.Size, f.Modified)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "1 %s %+v", content, how))
	return hex.EncodeToString(sum[:16])
}

// get returns the picture at a path as how says. file is what is known of the file.
func (r *renderings) get(ctx context.Context, path string, file faces.File, how faces.Rendering) (faces.Rendered, error) {
	return r.share(ctx, path, file, how, func(ctx context.Context, rec Recognizer) (faces.Rendered, error) {
		return rec.Render(ctx, path, how)
	})
}

// ofContent returns a picture by the bytes of its file, whose SHA-256 is sum.
func (r *renderings) ofContent(ctx context.Context, content []byte, sum string, how faces.Rendering) (faces.Rendered, error) {
	file := faces.File{Size: int64(len(content)), SHA256: sum}
	return r.share(ctx, "", file, how, func(ctx context.Context, rec Recognizer) (faces.Rendered, error) {
		rendered, err := rec.RenderContent(ctx, content, how)
		rendered.File = file
		return rendered, err
	})
}

// renderer has a recognizer render a picture.
type renderer func(context.Context, Recognizer) (faces.Rendered, error)

// share returns a rendering from the cache, or of a call that others wait for, too.
func (r *renderings) share(ctx context.Context, path string, file faces.File, how faces.Rendering, ask renderer) (faces.Rendered, error) {
	key := renderingKey(file, how)
	if rendered, ok := r.cache.get(key); ok {
		r.served.WithLabelValues("cache").Inc()
		return rendered, nil
	}
	// The call belongs to all who wait for it: it does not end with the first one.
	shared := context.WithoutCancel(ctx)
	flight := r.flights.DoChan(key+" "+path+fmt.Sprintf("%+v", how), func() (any, error) { return r.render(shared, how, ask) })
	select {
	case res := <-flight:
		if res.Err != nil {
			return faces.Rendered{}, res.Err
		}
		r.served.WithLabelValues("recognizer").Inc()
		return res.Val.(faces.Rendered), nil
	case <-ctx.Done():
		return faces.Rendered{}, ctx.Err()
	}
}

// render has a recognizer render a picture, and keeps it.
func (r *renderings) render(ctx context.Context, how faces.Rendering, ask renderer) (rendered faces.Rendered, err error) {
	defer func() {
		if p := recover(); p != nil { // it would end the program: nobody else recovers here
			err = fmt.Errorf("panic while a picture was rendered: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, renderTimeout)
	defer cancel()
	if err := r.turns.Acquire(ctx, 1); err != nil {
		return rendered, api.Errorf(api.CodeUnavailable, "too many pictures are asked for at once; try again in a moment")
	}
	defer r.turns.Release(1)
	err = r.recognizers.call(ctx, func(ctx context.Context, rec Recognizer) (err error) {
		rendered, err = ask(ctx, rec)
		return err
	})
	if err != nil {
		return faces.Rendered{}, err
	}
	if len(rendered.JPEG) == 0 {
		return faces.Rendered{}, errors.New("the recognizer answered with an empty picture")
	}
	r.cache.put(renderingKey(rendered.File, how), rendered)
	return rendered, nil
}

// renderCache keeps the renderings that were used last, up to a number of bytes. It
// is safe for concurrent use.
type renderCache struct {
	max int64

	mu      sync.Mutex // guards the fields below
	bytes   int64
	entries map[string]*list.Element // of order
	order   *list.List               // of cached, the one used last first
}

type cached struct {
	key      string
	rendered faces.Rendered
}

func (c cached) bytes() int64 { return int64(len(c.rendered.JPEG)) + entryOverhead }

func newRenderCache(memory int64) *renderCache {
	return &renderCache{max: memory, entries: map[string]*list.Element{}, order: list.New()}
}

func (c *renderCache) size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

func (c *renderCache) get(key string) (faces.Rendered, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		return faces.Rendered{}, false
	}
	c.order.MoveToFront(e)
	return e.Value.(cached).rendered, true
}

// forget drops all renderings: an erased person may be on them.
func (r *renderings) forget() { r.cache.clear() }

func (c *renderCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries, c.bytes = map[string]*list.Element{}, 0
	c.order.Init()
}

// put keeps a rendering. It does nothing without a key, and with a rendering that
// is larger than the cache.
func (c *renderCache) put(key string, rendered faces.Rendered) {
	entry := cached{key, rendered}
	if key == "" || entry.bytes() > c.max {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[key]; ok {
		return
	}
	c.entries[key] = c.order.PushFront(entry)
	for c.bytes += entry.bytes(); c.bytes > c.max; {
		last := c.order.Remove(c.order.Back()).(cached)
		delete(c.entries, last.key)
		c.bytes -= last.bytes()
	}
}
