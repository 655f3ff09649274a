// Package pipelinebench measures the cost of Rollcall without a recognizer: how
// many posts it takes per second, and what an image costs from the queue to its
// outcome. It uses a real MariaDB with default durability and a real nsqd.
// Whole measures the same pipeline with a recognizer that the caller starts.
package pipelinebench

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Options sets the size of the benchmark. Zero fields have the given defaults.
type Options struct {
	// Dir is an existing folder for the database and the queue. It is required.
	Dir     string
	Rows    int           // rows of the full table; default 1,000,000
	Bulk    int           // paths of one large post; default 10,000
	Images  int           // images from the queue to an outcome; default 20,000
	Posting time.Duration // time of single posts into each table; default 10 s
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

// The targets in the table.
const (
	targetRatio   = 0.9 // posts per second into the full table, relative to the empty one
	targetBulk    = 500 * time.Millisecond
	targetPerItem = 100 * time.Microsecond // CPU time of this process per image
)

// Run runs the benchmark and writes a Markdown table to out. It takes a minute
// or two, mostly to fill a table.
func Run(ctx context.Context, out io.Writer, opts Options) error {
	opts = opts.withDefaults()
	r, err := newRig(ctx, opts.Dir)
	if err != nil {
		return fmt.Errorf("set up the pipeline benchmark: %w", err)
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

// table writes Markdown and keeps the first error.
type table struct {
	out io.Writer
	err error
}

func (t *table) head() {
	t.line("| what | measured | target | met |\n| --- | ---: | ---: | --- |")
}

// row writes a measurement with a target.
func (t *table) row(what, measured, target string, met bool) {
	word := "yes"
	if !met {
		word = "**no**"
	}
	t.line("| %s | %s | %s | %s |", what, measured, target, word)
}

// fact writes a measurement without a target.
func (t *table) fact(what, measured string) { t.line("| %s | %s | | |", what, measured) }

func (t *table) line(format string, args ...any) {
	if _, err := fmt.Fprintf(t.out, format+"\n", args...); t.err == nil {
		t.err = err
	}
}
