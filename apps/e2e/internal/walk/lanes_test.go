package walk

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestLinesDoNotMix writes lines of two lanes at the same time, in pieces.
func TestLinesDoNotMix(t *testing.T) {
	t.Parallel()
	const lines = 200
	var out bytes.Buffer
	var printing sync.Mutex
	var all sync.WaitGroup
	for _, name := range []string{"one", "two"} {
		all.Go(func() {
			w := newLines(name, &out, &printing)
			defer w.flush()
			for n := range lines {
				fmt.Fprintf(w, "line ")
				fmt.Fprintf(w, "%d\nthe next ", n)
			}
		})
	}
	all.Wait()
	for _, name := range []string{"one", "two"} {
		var got, want []string
		for line := range strings.Lines(out.String()) {
			if strings.HasPrefix(line, name) {
				got = append(got, strings.TrimSpace(line))
			}
		}
		for n := range lines {
			want = append(want, strings.TrimSpace(fmt.Sprintf("%-9s %sline %d", name, strings.Repeat("the next ", min(n, 1)), n)))
		}
		want = append(want, fmt.Sprintf("%-9s the next", name))
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestLanesHaveNamespacesOfTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, l := range lanes() {
		if seen[l.suffix] {
			t.Errorf("two lanes have the suffix %q", l.suffix)
		}
		seen[l.suffix] = true
	}
	if !seen[""] {
		t.Error("no lane has the namespace of the overlay, which the documents name")
	}
}
