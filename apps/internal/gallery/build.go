package gallery

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
)

// builder builds the next gallery from the current one, the cache and the
// engines.
type builder struct {
	model   faces.Model
	workers int // pictures read and described concurrently
	cache   *cache
	read    func(name string) ([]byte, error)
	// describe returns the descriptors of the one face in a known picture.
	describe func(ctx context.Context, content []byte) ([]faces.Descriptor, error)
	// progress is called after each picture. Calls do not overlap.
	progress func(done, total int)

	old       *Gallery
	removed   map[ContentID]outcome // outcomes of pictures removed by the last change
	now       listing
	byContent func() map[ContentID]string // names in old, computed on first use
	once      singleflight.Group          // keyed by content: copies of a picture are described once

	mu    sync.Mutex // guards the fields below
	next  *Gallery
	index *nearest.Builder
	done  int
}

// build returns the gallery for the listing. If ctx ends first, the cache has
// what was described so far.
func (b *builder) build(ctx context.Context) (*Gallery, error) {
	b.next = &Gallery{read: true, pictures: make([]knownPicture, len(b.now.files)), problems: map[string]problem{}}
	var todo []int
	for i, f := range b.now.files {
		b.next.pictures[i].file = f
		if p, ok := b.now.problems[f.name]; ok {
			b.next.problems[f.name] = p
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
	if err := b.resolveAll(ctx, todo); err != nil {
		return nil, err
	}
	b.next.index = b.index.Finish()
	b.next.version = b.next.versionFor(b.model.ID)
	return b.next, nil
}

// keeps reports whether a picture of the old gallery is unchanged.
func (b *builder) keeps(name string) bool {
	at, ok := b.next.find(name)
	if !ok {
		return false
	}
	_, ok = b.old.has(b.next.pictures[at].file)
	return ok
}

// byContent maps each content that the gallery knows to the name of a
// picture.
func (g *Gallery) byContent() map[ContentID]string {
	names := make(map[ContentID]string, len(g.pictures))
	for _, p := range g.pictures {
		if !g.problems[p.file.name].transient {
			names[p.content] = p.file.name
		}
	}
	delete(names, ContentID{}) // stands for pictures that could not be read
	return names
}

func (b *builder) resolveAll(ctx context.Context, todo []int) error {
	// A random order: recognizers that start at the same time on a shared
	// cache then describe different pictures.
	rand.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(b.workers)
	for _, i := range todo {
		group.Go(func() error {
			content, out, err := b.resolve(ctx, b.now.files[i])
			if err := cmp.Or(ctx.Err(), err); err != nil {
				return err
			}
			b.put(i, len(todo), content, out)
			return nil
		})
	}
	return group.Wait()
}

// put adds a picture and its outcome to the gallery.
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

// resolve returns a picture's content and outcome. It looks in the cache
// first, then for a copy of the picture, and describes the picture last. It
// fails if the folder is away.
func (b *builder) resolve(ctx context.Context, f knownFile) (ContentID, outcome, error) {
	if content, ok := b.cache.content(f); ok {
		if out, ok := b.remembered(content); ok {
			return content, out, nil
		}
	}
	data, err := b.read(f.name)
	if errors.Is(err, picturefiles.ErrAway) {
		return ContentID{}, outcome{}, err
	}
	if err != nil {
		return ContentID{}, outcome{problem: problemOf(err)}, nil
	}
	content := ContentID(sha256.Sum256(data))
	if int64(len(data)) == f.size { // otherwise it changed after it was listed
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
		if !out.problem.transient { // even if ctx has ended: the work is done
			b.cache.putOutcome(content, out)
		}
		return out, nil
	})
	return content, result.(outcome), nil
}

// describeChecked describes a picture. It fails if the length of a descriptor
// is not that of the model set, which means that the wrong engine is running.
func (b *builder) describeChecked(ctx context.Context, data []byte) ([]faces.Descriptor, error) {
	list, err := b.describe(ctx, data)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		if len(d) != b.model.Size {
			return nil, fmt.Errorf("the engine returned a descriptor of %d numbers, but descriptors of model set %s have %d", len(d), b.model.ID, b.model.Size)
		}
	}
	return list, nil
}

// remembered returns the outcome of a content if it is already known.
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

// outcome returns the outcome of the picture called name.
func (g *Gallery) outcome(name string) outcome {
	if p, ok := g.problems[name]; ok {
		return outcome{problem: p}
	}
	return outcome{descriptors: g.index.Descriptors(name)}
}

// maxRemoved bounds how many outcomes of removed pictures are kept: a few MB.
const maxRemoved = 10_000

// removedFrom returns the outcomes of the contents that are in old but no
// longer in now. A picture that is being moved may be missing from one
// listing under both names. The next listing finds it under the new name, and
// its outcome here.
func removedFrom(old, now *Gallery) map[ContentID]outcome {
	if !removedAny(old, now) {
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
