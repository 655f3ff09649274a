package manifests

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// measured is a figure in a cell of the table.
var measured = regexp.MustCompile(`(\d+) MiB`)

// The page for operators has what each container asks for, and none asks for less memory
// than it was seen to hold: the kubelet ends those first that have more than they asked for.
func TestRequestsPage(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(readText(t, "docs/operations.md"), "| container | at rest | some work | busy | asks for | at most |")
	text, _, _ = strings.Cut(text, "\n\n")
	table := map[string][]string{}
	for line := range strings.Lines(text) {
		if cells := strings.Split(strings.Trim(line, "|\n "), " | "); len(cells) == 6 && cells[0] != "---" {
			table[strings.Trim(cells[0], "` ")] = cells
		}
	}
	seen := 0
	for _, w := range load(t, "tests/minikube-everything", nil).workloads {
		for _, in := range w.containers() {
			name := in.Name
			if w.job {
				name = w.name
			}
			cells, ok := table[name]
			if !ok {
				t.Errorf("docs/operations.md does not say what %s asks for", name)
				continue
			}
			seen++
			checkRequests(t, name, in.Resources, cells)
		}
	}
	if seen != len(table) {
		t.Errorf("docs/operations.md has %d containers, and there are %d", len(table), seen)
	}
}

func checkRequests(t *testing.T, name string, r corev1.ResourceRequirements, cells []string) {
	t.Helper()
	asks := fmt.Sprintf("%s, %s", r.Requests.Cpu(), r.Requests.Memory())
	if got := cells[4]; got != asks {
		t.Errorf("docs/operations.md says that %s asks for %s, and it asks for %s", name, got, asks)
	}
	if got := strings.TrimSpace(cells[5]); got != r.Limits.Memory().String() {
		t.Errorf("docs/operations.md says that %s gets %s at most, and it gets %s", name, got, r.Limits.Memory())
	}
	for _, cell := range cells[1:4] {
		for _, m := range measured.FindAllStringSubmatch(cell, -1) {
			mib, err := strconv.ParseInt(m[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if mib<<20 > r.Requests.Memory().Value() {
				t.Errorf("%s held %d MiB, and asks for %s", name, mib, r.Requests.Memory())
			}
		}
	}
}
