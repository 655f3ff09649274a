package gallery

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// builder makes the next gallery from the last one, the cache, and the engines.
type builder struct {
	model   faces.Model
	workers int // pictures read and described at a time
	cache   *cache
	read    func(name string) ([]byte, error)
	// describe describes the one face of a known picture.
	describe func(ctx context.Context, content []byte) ([]faces.Descriptor, error)
	// progress is called after each picture, one call at a time.
	progress func(done, total int)

	old       *Gallery
	removed   map[ContentID]outcome // contents that the last change removed
	now       listing
	byContent func() map[ContentID]string // of old, made when it is first needed
	once      singleflight.Group          // by content: copies of a picture are described once

	mu    sync.Mutex // guards the fields below
	next  *Gallery
	index *nearest.Builder
	done  int
}

// build returns the gallery for what is in the folder. Where ctx ends it, what
// has been described so far is in the cache.
func (b *builder) build(ctx context.Context) (*Gallery, error) {
	b.next = &Gallery{read: true, pictures: make([]knownPicture, len(b.now.files)), problems: map[string]problem{}}
	var todo []int
	for i, f := range b.now.files {
		b.next.pictures[i].file = f
		if text := b.now.problems[f.name]; text != "" {
			b.next.problems[f.name] = problem{text: text}
		} else if p, ok := b.old.has(f); ok {
			b.next.pictures[i] = p
			if p, ok := b.old.problems[f.name]; ok {
				b.next.problems[f.name] = p
			}
		} else {
			todo = append(todo, i)
		}
	}
	b.index = b.old.index.Change(b.keeps)
	b.byContent = sync.OnceValue(b.old.byContent)
	if err := b.settleAll(ctx, todo); err != nil {
		return nil, err
	}
	b.next.index = b.index.Finish()
	b.next.version = b.next.versionFor(b.model.ID)
	return b.next, nil
}

// keeps reports whether a picture of the old gallery is to stay as it is.
func (b *builder) keeps(name string) bool {
	at, ok := b.next.find(name)
	if !ok {
		return false
	}
	_, ok = b.old.has(b.next.pictures[at].file)
	return ok
}

// byContent returns a name for each content that the gallery knows.
func (g *Gallery) byContent() map[ContentID]string {
	names := make(map[ContentID]string, len(g.pictures))
	for _, p := range g.pictures {
		if !g.problems[p.file.name].transient {
			names[p.content] = p.file.name
		}
	}
	delete(names, ContentID{}) // of what could not be read
	return names
}

func (b *builder) settleAll(ctx context.Context, todo []int) error {
	// In another order in every recognizer: those that begin at once on a shared
	// cache then take work off each other.
	rand.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(b.workers)
	for _, i := range todo {
		group.Go(func() error {
			content, out := b.settle(ctx, b.now.files[i])
			if ctx.Err() != nil {
				return ctx.Err()
			}
			b.put(i, len(todo), content, out)
			return nil
		})
	}
	return group.Wait()
}

// put enters a picture into the gallery.
func (b *builder) put(i, todo int, content ContentID, out outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.now.files[i]
	b.next.pictures[i] = knownPicture{file: f, content: content}
	if out.problem.text != "" {
		b.next.problems[f.name] = out.problem
	} else {
		b.index.Add(f.name, out.descriptors)
	}
	b.done++
	b.progress(b.done, todo)
}

// settle returns a picture's content and outcome with the least work: from the
// cache, from a copy, or by describing it.
func (b *builder) settle(ctx context.Context, f knownFile) (ContentID, outcome) {
	if content, ok := b.cache.content(f); ok {
		if out, ok := b.remembered(content); ok {
			return content, out
		}
	}
	data, err := b.read(f.name)
	if err != nil {
		return ContentID{}, outcome{problem: problemOf(err)}
	}
	content := ContentID(sha256.Sum256(data))
	if int64(len(data)) == f.size { // else it has changed since we listed it
		b.cache.putFile(f, content)
	}
	result, _, _ := b.once.Do(string(content[:]), func() (any, error) {
		if out, ok := b.remembered(content); ok {
			return out, nil
		}
		list, err := b.describeChecked(ctx, data)
		out := outcome{descriptors: list}
		if err != nil {
			out = outcome{problem: problemOf(err)}
		}
		if !out.problem.transient { // also if ctx has ended: the work is done
			b.cache.putOutcome(content, out)
		}
		return out, nil
	})
	return content, result.(outcome)
}

// describeChecked describes a picture. An engine whose descriptors have another
// length than the model set's is not the one that the set describes.
func (b *builder) describeChecked(ctx context.Context, data []byte) ([]faces.Descriptor, error) {
	list, err := b.describe(ctx, data)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		if len(d) != b.model.Size {
			return nil, fmt.Errorf("the engine made a descriptor of %d numbers, model set %s has %d", len(d), b.model.ID, b.model.Size)
		}
	}
	return list, nil
}

// remembered returns the known outcome of a content.
func (b *builder) remembered(content ContentID) (outcome, bool) {
	if out, ok := b.removed[content]; ok {
		b.cache.putOutcome(content, out) // the cache may have dropped it
		return out, true
	}
	if name, ok := b.byContent()[content]; ok {
		return b.old.outcome(name), true
	}
	return b.cache.outcome(content)
}

// outcome returns the outcome of one of the pictures.
func (g *Gallery) outcome(name string) outcome {
	if p, ok := g.problems[name]; ok {
		return outcome{problem: p}
	}
	return outcome{descriptors: g.index.Descriptors(name)}
}

// maxRemoved bounds the outcomes kept of removed pictures, to a few megabytes.
const maxRemoved = 10_000

// removedFrom returns the outcomes of contents that an old gallery had and its
// successor has not. A listing made while a picture is being moved finds it under
// neither name; the next one finds it under the new name.
func removedFrom(old, now *Gallery) map[ContentID]outcome {
	if !lost(old, now) {
		return nil
	}
	left := old.byContent()
	for _, p := range now.pictures {
		delete(left, p.content)
	}
	removed := map[ContentID]outcome{}
	for content, name := range left {
		if len(removed) == maxRemoved {
			break
		}
		removed[content] = old.outcome(name)
	}
	return removed
}
