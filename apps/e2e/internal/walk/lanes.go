package walk

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"
)

// lane is a part of the walk that runs beside the others, with a deployment in a
// namespace of its own.
type lane struct {
	name   string // before each line that it prints
	suffix string // of its namespace, after the name in the options
	steps  func(*Walk) []step
}

// lanes returns all lanes. The first has the namespace of the overlay, because the
// documents name it.
func lanes() []lane {
	return []lane{
		{"rollouts", "", (*Walk).rollouts},
		{"troubles", "-troubles", (*Walk).troubles},
	}
}

// runAll takes the common steps, and then all lanes at the same time.
func (w *Walk) runAll(ctx context.Context) error {
	if err := w.take(ctx, w.common()); err != nil {
		return err
	}
	var printing sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range lanes() {
		group.Go(func() error {
			out := newLines(l.name, w.out, &printing)
			defer out.flush()
			if err := l.run(ctx, out, w.opts); err != nil {
				return fmt.Errorf("lane %s: %w", l.name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// run takes the steps of a lane.
func (l lane) run(ctx context.Context, out io.Writer, opts Options) error {
	w, stop, err := openWalk(ctx, out, opts, opts.Namespace+l.suffix)
	if err != nil {
		return err
	}
	defer stop()
	if err := w.take(ctx, append(w.beginning(), l.steps(w)...)); err != nil {
		return err
	}
	return w.clean(ctx)
}

// lines writes whole lines, each with a prefix, so that those of several lanes do not
// mix. mu is shared by all that write to out.
type lines struct {
	prefix string
	out    io.Writer
	mu     *sync.Mutex
	rest   []byte // a line that has no end yet
}

// newLines returns a writer whose lines begin with a name.
func newLines(name string, out io.Writer, printing *sync.Mutex) *lines {
	return &lines{prefix: fmt.Sprintf("%-9s", name), out: out, mu: printing}
}

// Write implements io.Writer.
func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, text...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(text), nil
		}
		if _, err := fmt.Fprintf(l.out, "%s %s\n", l.prefix, line); err != nil {
			return 0, err
		}
		l.rest = rest
	}
}

// flush ends the last line.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		_, _ = l.Write([]byte("\n")) // it is for a person who reads along
	}
}
