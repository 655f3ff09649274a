// Package pipelinebench measures what Rollcall itself costs, without a
// recognizer: how many posts it takes, and what a picture costs on its way
// from the queue to its outcome. It uses a real MariaDB with its default
// durability and a real nsqd.
//
// This file owns the run and its table. posts.go measures the receiver,
// outcomes.go the processor, rig.go is what both stand on.
package pipelinebench

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Options say how much to measure. The zero value of a field is its default.
type Options struct {
	// Dir is for the database and the queue; it must be there.
	Dir     string
	Rows    int           // of the table that is not empty; default 1,000,000
	Bulk    int           // paths of one large post; default 10,000
	Images  int           // from the queue to an outcome; default 20,000
	Posting time.Duration // of single posts, into each table; default 10 s
}

func (o Options) withDefaults() Options {
	def := func(v *int, n int) {
		if *v == 0 {
			*v = n
		}
	}
	def(&o.Rows, 1_000_000)
	def(&o.Bulk, 10_000)
	def(&o.Images, 20_000)
	if o.Posting == 0 {
		o.Posting = 10 * time.Second
	}
	return o
}

// Targets of the table.
const (
	targetRatio   = 0.9 // posts into the full table, of those into an empty one
	targetBulk    = time.Second
	targetPerItem = 300 * time.Microsecond // CPU of this process for an image
)

// Run measures and writes a Markdown table. It takes a minute or two, most of
// it to fill a table.
func Run(ctx context.Context, out io.Writer, opts Options) error {
	opts = opts.withDefaults()
	r, err := newRig(ctx, opts.Dir)
	if err != nil {
		return fmt.Errorf("set the pipeline benchmark up: %w", err)
	}
	defer r.close()
	t := table{out: out}
	t.head()
	if err := measurePosts(ctx, r, opts, &t); err != nil {
		return fmt.Errorf("measure posts: %w", err)
	}
	if err := measureOutcomes(ctx, r, opts, &t); err != nil {
		return fmt.Errorf("measure outcomes: %w", err)
	}
	return t.err
}

// table writes Markdown and remembers the first error.
type table struct {
	out io.Writer
	err error
}

func (t *table) head() {
	t.line("| what | measured | target | met |\n| --- | ---: | ---: | --- |")
}

// row adds a measurement that has a target.
func (t *table) row(what, measured, target string, met bool) {
	word := "yes"
	if !met {
		word = "**no**"
	}
	t.line("| %s | %s | %s | %s |", what, measured, target, word)
}

// fact adds a measurement that has none.
func (t *table) fact(what, measured string) { t.line("| %s | %s | | |", what, measured) }

func (t *table) line(format string, args ...any) {
	if _, err := fmt.Fprintf(t.out, format+"\n", args...); t.err == nil {
		t.err = err
	}
}
