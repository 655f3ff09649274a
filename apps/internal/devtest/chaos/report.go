package chaos

// This file owns what a run has to tell.

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Report is what a run found. Its methods that count are safe for concurrent
// use; its fields are to be read when the run is over.
type Report struct {
	Seed     uint64
	Posted   int // different paths
	Accepted int // of these
	Stored   int // rows that no client was told of
	Rows     int
	During   int // outcomes that were there when the last fault was over
	Outcomes map[faces.Reason]int
	Steps    map[string]int // of images' states, by kind
	Took     time.Duration
	Settled  time.Duration // from the last fault to the last outcome
	begin    time.Time

	mu         sync.Mutex // guards the fields below
	faults     map[string]map[string]int
	answers    map[string]int
	violations []string
}

func newReport(opts Options) *Report {
	return &Report{
		Seed: opts.Seed, Posted: opts.Images, Outcomes: map[faces.Reason]int{}, Steps: map[string]int{}, begin: time.Now(),
		faults: map[string]map[string]int{}, answers: map[string]int{},
	}
}

func (r *Report) countFault(kind, target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.faults[target] == nil {
		r.faults[target] = map[string]int{}
	}
	r.faults[target][kind]++
}

func (r *Report) countAnswer(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[what]++
}

// violate notes something that must not be.
func (r *Report) violate(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, fmt.Sprintf(format, args...))
}

// Violations returns everything that should not have been.
func (r *Report) Violations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.violations)
}

// Faults returns how many faults of each kind were injected into a target.
func (r *Report) Faults() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := 0
	for _, kinds := range r.faults {
		for _, n := range kinds {
			sum += n
		}
	}
	return sum
}

// maxShown bounds the list of violations: they tend to be of a kind.
const maxShown = 50

// Print writes the report.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "\nseed %d: %d paths posted, %d accepted, %d rows (%d that no client was told of), %d outcomes amid the faults\n",
		r.Seed, r.Posted, r.Accepted, r.Rows, r.Stored, r.During)
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(w, "answers:  %s\noutcomes: %s\nsteps:    %s\n", counts(r.answers), counts(r.Outcomes), counts(r.Steps))
	fmt.Fprintln(w, "faults injected:")
	kinds := []string{kindKill, kindPause, kindStop, kindCut, kindRefuse, kindHold}
	tw := tabwriter.NewWriter(w, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "target\t%s\t\n", strings.Join(kinds, "\t"))
	for _, target := range slices.Sorted(maps.Keys(r.faults)) {
		fmt.Fprint(tw, target)
		for _, kind := range kinds {
			fmt.Fprintf(tw, "\t%s", orDash(r.faults[target][kind]))
		}
		fmt.Fprintln(tw, "\t")
	}
	tw.Flush() //nolint:errcheck // w is a terminal or a buffer
	fmt.Fprintf(w, "took %s; the last outcome came %s after the last fault\n", r.Took.Round(time.Second), r.Settled.Round(100*time.Millisecond))
	if len(r.violations) == 0 {
		fmt.Fprintln(w, "PASS: every accepted image has its outcome, exactly one")
		return
	}
	for _, v := range r.violations[:min(len(r.violations), maxShown)] {
		fmt.Fprintln(w, "  -", v)
	}
	fmt.Fprintf(w, "FAIL: %d violation(s)\n", len(r.violations))
}

func orDash(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// counts lists what was counted, the most frequent first.
func counts[K ~string](m map[K]int) string {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b K) int {
		return cmp.Or(m[b]-m[a], strings.Compare(string(a), string(b)))
	})
	var words []string
	for _, k := range keys {
		words = append(words, fmt.Sprintf("%d %s", m[k], k))
	}
	return strings.Join(words, ", ")
}
