package measure

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Recorder opens engines that cache their results, so that each picture is
// processed once although it is asked about with many galleries.
type Recorder struct {
	model string
	open  func() (engine.Engine, error)
	dir   string // "" keeps results in memory only

	mu     sync.Mutex // guards memory
	memory map[string]*snapshot
}

// snapshot is the result of an engine for one picture.
type snapshot struct {
	Seen  engine.Seen
	Again map[int]again // by the number of the face
}

// again is the reference's description of a face; nil if it finds no face.
type again struct{ Descriptor faces.Descriptor }

// NewRecorder returns a Recorder for engines of the model set. dir is a cache
// folder; "" keeps the results in memory only. Empty the folder after a change
// of the engine or the models.
func NewRecorder(model faces.Model, open func() (engine.Engine, error), dir string) *Recorder {
	return &Recorder{model: model.ID, open: open, dir: dir, memory: map[string]*snapshot{}}
}

// Open returns an engine. The real engine is opened when it is first needed.
func (r *Recorder) Open() (engine.Engine, error) { return &recorded{recorder: r}, nil }

func (r *Recorder) load(key string) (*snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.memory[key]; ok {
		return s, nil
	}
	if r.dir == "" {
		return nil, nil
	}
	data, err := os.ReadFile(filepath.Join(r.dir, key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the cached result: %w", err)
	}
	s := &snapshot{}
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(s); err != nil {
		return nil, nil // the file was cut off: process the picture again
	}
	r.memory[key] = s
	return s, nil
}

func (r *Recorder) save(key string, s *snapshot) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.memory[key] = s
	if r.dir == "" {
		return nil
	}
	var data bytes.Buffer
	if err := gob.NewEncoder(&data).Encode(s); err != nil {
		return fmt.Errorf("cache a result: %w", err)
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return fmt.Errorf("cache a result: %w", err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, key), data.Bytes(), 0o644); err != nil {
		return fmt.Errorf("cache a result: %w", err)
	}
	return nil
}

// recorded is an engine with a cache.
type recorded struct {
	recorder *Recorder
	inner    engine.Engine // nil until it is needed

	// The last picture.
	file    []byte
	purpose engine.Purpose
	key     string
	last    *snapshot
	shown   bool // inner has processed it
}

// Look implements engine.Engine.
func (e *recorded) Look(ctx context.Context, file []byte, purpose engine.Purpose) (engine.Seen, error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %x", e.recorder.model, purpose, sha256.Sum256(file)))
	e.file, e.purpose, e.key, e.shown = file, purpose, hex.EncodeToString(sum[:16]), false
	var err error
	if e.last, err = e.recorder.load(e.key); err != nil || e.last != nil {
		return e.seen(), err
	}
	seen, err := e.show(ctx)
	if err != nil {
		return seen, err
	}
	e.last = &snapshot{Seen: seen, Again: map[int]again{}}
	return e.seen(), e.recorder.save(e.key, e.last)
}

func (e *recorded) seen() engine.Seen {
	if e.last == nil {
		return engine.Seen{}
	}
	return e.last.Seen
}

// show makes the real engine process the picture.
func (e *recorded) show(ctx context.Context) (engine.Seen, error) {
	if e.inner == nil {
		inner, err := e.recorder.open()
		if err != nil {
			return engine.Seen{}, fmt.Errorf("open an engine: %w", err)
		}
		e.inner = inner
	}
	seen, err := e.inner.Look(ctx, e.file, e.purpose)
	e.shown = err == nil
	return seen, err
}

// Reexamine implements engine.Engine.
func (e *recorded) Reexamine(ctx context.Context, numbers []int) ([]faces.Descriptor, error) {
	if e.last == nil {
		return nil, errors.New("reexamine faces: Look was not called")
	}
	known := map[int]again{}
	var missing []int
	for _, n := range numbers {
		if a, ok := e.last.Again[n]; ok {
			known[n] = a
		} else {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		list, err := e.ask(ctx, missing)
		if err != nil {
			return nil, err
		}
		for i, n := range missing {
			known[n] = again{list[i]}
		}
		if err := e.remember(known); err != nil {
			return nil, err
		}
	}
	out := make([]faces.Descriptor, len(numbers))
	for i, n := range numbers {
		out[i] = known[n].Descriptor
	}
	return out, nil
}

func (e *recorded) ask(ctx context.Context, numbers []int) ([]faces.Descriptor, error) {
	if !e.shown {
		if _, err := e.show(ctx); err != nil {
			return nil, err
		}
	}
	return e.inner.Reexamine(ctx, numbers)
}

// remember adds descriptors to the snapshot of the last picture. It replaces
// the snapshot, because other engines may be reading the old one.
func (e *recorded) remember(more map[int]again) error {
	next := &snapshot{Seen: e.last.Seen, Again: map[int]again{}}
	for n, a := range e.last.Again {
		next.Again[n] = a
	}
	for n, a := range more {
		next.Again[n] = a
	}
	e.last = next
	return e.recorder.save(e.key, next)
}

// Close implements engine.Engine.
func (e *recorded) Close() {
	if e.inner != nil {
		e.inner.Close()
	}
}
