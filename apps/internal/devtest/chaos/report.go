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
	losses     []loss
	posted     time.Time     // of the last post that was accepted
	gap        time.Duration // the longest time between two of them
	violations []string
}

// loss is a node of a cluster that was lost for a while.
type loss struct {
	conns int           // that led to it
	after time.Duration // from the end of the fault until the cluster was whole
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

// notePost notes that a post of paths was accepted.
func (r *Report) notePost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if !r.posted.IsZero() {
		r.gap = max(r.gap, now.Sub(r.posted))
	}
	r.posted = now
}

func (r *Report) countLoss(l loss) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.losses = append(r.losses, l)
}

// requireLosses records a violation if a node of a cluster did not have each of its faults,
// or no program was connected to it: such a run does not test what a cluster is for.
func (r *Report) requireLosses(faults []fault) {
	r.mu.Lock()
	var without []string
	for _, f := range faults {
		if r.faults[f.target][f.kind] == 0 {
			without = append(without, f.kind+" "+f.target)
		}
	}
	total, used := len(r.losses), r.usedLosses()
	r.mu.Unlock()
	if len(without) > 0 {
		r.violate("the time was too short for these faults: %s; run longer", strings.Join(without, ", "))
	}
	if used < total/2 {
		r.violate("programs were connected to the node in %d of %d faults", used, total)
	}
}

// usedLosses returns how many faults hit a node that programs were connected to. The caller
// holds mu.
func (r *Report) usedLosses() (n int) {
	for _, l := range r.losses {
		if l.conns > 0 {
			n++
		}
	}
	return n
}

// printLosses prints what the loss of nodes meant. The caller holds mu.
func (r *Report) printLosses(w io.Writer) {
	if len(r.losses) == 0 {
		return
	}
	most, longest := 0, time.Duration(0)
	for _, l := range r.losses {
		most, longest = max(most, l.conns), max(longest, l.after)
	}
	fmt.Fprintf(w, "nodes of the database: %d faults, one after the other; programs were connected to the node in %d of them, by up to %d connections; "+
		"at most %s after a fault the cluster was whole\n", len(r.losses), r.usedLosses(), most, longest.Round(100*time.Millisecond))
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
	kinds := []string{kindKill, kindPause, kindStop, kindCut, kindRefuse, kindHold, kindIsolate}
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
	r.printLosses(w)
	fmt.Fprintf(w, "longest time without an accepted post: %s\n", r.gap.Round(100*time.Millisecond))
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
