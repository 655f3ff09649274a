package chaos

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

// Report is the result of a run. Its counting methods are safe for concurrent
// use. Read its fields after the run.
type Report struct {
	Seed     uint64
	Posted   int // number of different paths
	Accepted int // paths that a client got an id for
	Stored   int // rows that no client got an id for
	Rows     int
	Pairs    int // pairs of people who were merged and split

	Corrected, Corrections, Undone int // images of which a face was corrected; confirmed corrections, and those that were undone
	Uploads                        int // files that a client got an id for
	UploadRows, UploadFiles        int // of uploads, also of those whose client hung up
	Leftovers                      int // files of interrupted uploads, which are deleted later

	During   int // outcomes written before the last fault ended
	Outcomes map[faces.Reason]int
	Steps    map[string]int // changes of state, by kind
	Events   map[string]int // that each consumer has seen
	Away     time.Duration  // for how long each consumer was stopped once
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
		Seed: opts.Seed, Away: opts.away(), Posted: opts.Images, Outcomes: map[faces.Reason]int{}, Steps: map[string]int{}, Events: map[string]int{}, begin: time.Now(),
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

// requireFaults records a violation if no fault was injected, or not those that a
// consumer of events must live through: such a run tests nothing.
func (r *Report) requireFaults(consumers []consumer) {
	r.mu.Lock()
	injected := len(r.faults)
	var without []string
	for _, c := range consumers {
		if r.faults[c.name][kindKill] == 0 || r.faults[c.name][kindStop] == 0 || r.faults[c.link.name][kindCut] == 0 {
			without = append(without, c.name)
		}
	}
	r.mu.Unlock()
	if injected == 0 {
		r.violate("no fault was injected, so the run tests nothing; run longer")
	}
	for _, name := range without {
		r.violate("the %s was not killed, stopped and cut off; run longer", name)
	}
}

func (r *Report) countAnswer(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[what]++
}

// violate records something that must not happen.
func (r *Report) violate(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, fmt.Sprintf(format, args...))
}

// Violations returns all violations.
func (r *Report) Violations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.violations)
}

// maxShown is the maximum number of violations printed. They tend to repeat.
const maxShown = 50

// Print writes the report.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "\nseed %d: %d paths posted, %d accepted, %d rows (%d of them without an answer to the client), %d outcomes during the faults\n",
		r.Seed, r.Posted, r.Accepted, r.Rows, r.Stored, r.During)
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(w, "%d pairs of people merged and split\n", r.Pairs)
	fmt.Fprintf(w, "%d corrections confirmed in %d images, %d of them undone\n", r.Corrections, r.Corrected, r.Undone)
	fmt.Fprintf(w, "%d uploaded files accepted; %d rows and %d whole files, %d of interrupted requests\n",
		r.Uploads, r.UploadRows, r.UploadFiles, r.Leftovers)
	fmt.Fprintf(w, "answers:  %s\noutcomes: %s\nsteps:    %s\n", counts(r.answers), counts(r.Outcomes), counts(r.Steps))
	fmt.Fprintf(w, "events:   %s; each consumer was killed, cut off, and stopped for %s\n", counts(r.Events), r.Away.Round(time.Second))
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
		fmt.Fprintln(w, "PASS: every accepted image has exactly one outcome, nothing that was confirmed is lost, and the consumers of events have seen each change in its order")
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

// counts lists the counts, largest first.
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
