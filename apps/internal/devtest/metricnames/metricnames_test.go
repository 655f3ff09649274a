package metricnames_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/metricnames"
)

// What the board and the alerts look at is on the page, which running programs are
// compared with.
func TestPageHasWhatIsUsed(t *testing.T) {
	t.Parallel()
	listed, err := metricnames.Page()
	if err != nil {
		t.Fatal(err)
	}
	used, err := metricnames.Used()
	if err != nil {
		t.Fatal(err)
	}
	if len(listed) < 80 || len(used) < 40 {
		t.Fatalf("read %d metrics and %d queries", len(listed), len(used))
	}
	for _, e := range used {
		for _, name := range e.Names() {
			if _, ok := listed[name]; !ok && strings.HasPrefix(name, "rollcall_") {
				t.Errorf("%s looks at %s, which is not on the page", e.From, name)
			}
		}
	}
	known := []string{"receiver", "processor", "recognizer", "frontend"}
	for _, m := range listed {
		for _, p := range m.Programs {
			if !slices.Contains(known, p) {
				t.Errorf("%s: there is no program %q", m.Name, p)
			}
		}
	}
}

func TestCompareFindsDifferences(t *testing.T) {
	t.Parallel()
	const text = `# HELP rollcall_a_total A.
# TYPE rollcall_a_total counter
rollcall_a_total{program="x",result="ok"} 1
# TYPE rollcall_b_seconds histogram
rollcall_b_seconds_bucket{le="1"} 0
rollcall_b_seconds_count 0
# TYPE rollcall_c gauge
rollcall_c 1
# TYPE go_goroutines gauge
go_goroutines 1
`
	metric := func(name, program string, later bool, labels ...string) metricnames.Metric {
		return metricnames.Metric{Name: name, Programs: []string{program}, Labels: labels, Later: later}
	}
	listed := map[string]metricnames.Metric{
		"rollcall_a_total":   metric("rollcall_a_total", "x", false, "kind"),
		"rollcall_b_seconds": metric("rollcall_b_seconds", "y", false),
		"rollcall_d":         metric("rollcall_d", "x", false),
		"rollcall_e":         metric("rollcall_e", "x", true),
		"rollcall_f":         metric("rollcall_f", "y", false),
	}
	want := []string{
		"rollcall_a_total has the labels [result], and on the page [kind]",
		"rollcall_d is on the page, and x does not export it",
		"x exports rollcall_b_seconds, and the page does not list it for that program",
		"x exports rollcall_c, which is not on the page",
	}
	if diff := cmp.Diff(want, metricnames.Compare("x", text, listed)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
