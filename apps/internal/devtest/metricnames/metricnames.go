// Package metricnames knows which metrics docs/metrics.md lists, which ones the board and
// the alerts use, and which ones a program exports, so that tests can hold them together.
package metricnames

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
)

const (
	page       = "docs/metrics.md"
	monitoring = "overlays/components/monitoring"
)

// Metric is a line of the page.
type Metric struct {
	Name     string
	Labels   []string
	Programs []string
	Later    bool // it need not be there from the start
}

// Page returns the metrics that the page lists, by name.
func Page() (map[string]Metric, error) {
	text, err := read(page)
	if err != nil {
		return nil, err
	}
	start, later, ok := strings.Cut(text, "\n## Not there from the start\n")
	if !ok {
		return nil, fmt.Errorf("%s does not say which metrics are not there from the start", page)
	}
	list := map[string]Metric{}
	for line := range strings.Lines(start) {
		cells := strings.Split(strings.TrimSpace(line), "|") // with an empty one at both ends
		if len(cells) < 3 {
			continue
		}
		name := ofBackquotes(cells[1])
		if len(name) != 1 || !strings.HasPrefix(name[0], "rollcall_") {
			continue
		}
		m := Metric{Name: name[0]}
		if _, twice := list[m.Name]; twice || len(cells) != 7 {
			return nil, fmt.Errorf("%s: the line of %s has %d cells, want 5, or is there twice", page, m.Name, len(cells)-2)
		}
		m.Labels, m.Programs = ofBackquotes(cells[2]), strings.Split(strings.TrimSpace(cells[3]), ", ")
		list[m.Name] = m
	}
	for line := range strings.Lines(later) {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		for _, name := range ofBackquotes(first) {
			m, ok := list[name]
			if !ok {
				return nil, fmt.Errorf("%s: %s is not there from the start, and nowhere else on the page", page, name)
			}
			m.Later = true
			list[name] = m
		}
	}
	return list, nil
}

var backquoted = regexp.MustCompile("`([a-z_]+)`")

func ofBackquotes(text string) (words []string) {
	for _, m := range backquoted.FindAllStringSubmatch(text, -1) {
		words = append(words, m[1])
	}
	return words
}

// Expression is a query of the board or an alert.
type Expression struct {
	From  string // the alert or the panel
	Query string
}

// named matches the names of metrics that Rollcall's programs export.
var named = regexp.MustCompile(`\b(?:rollcall|process|go)_[a-z_]+`)

// Names returns the names of the metrics that the query looks at, without the endings of
// histograms.
func (e Expression) Names() []string {
	names := map[string]bool{}
	for _, name := range named.FindAllString(e.Query, -1) {
		for _, ending := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, ending)
		}
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Used returns all queries of the board and the alerts.
func Used() ([]Expression, error) {
	board, err := read(monitoring + "/dashboard.json")
	if err != nil {
		return nil, err
	}
	var panels struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(board), &panels); err != nil {
		return nil, fmt.Errorf("read the board: %w", err)
	}
	var list []Expression
	for _, p := range panels.Panels {
		for _, t := range p.Targets {
			list = append(list, Expression{From: "the panel " + p.Title, Query: t.Expr})
		}
	}
	rule, err := readRule()
	if err != nil {
		return nil, err
	}
	for _, g := range rule.Spec.Groups {
		for _, r := range g.Rules {
			list = append(list, Expression{From: "the alert " + r.Alert, Query: r.Expr})
		}
	}
	return list, nil
}

// Rules returns the alerts as a file of rules for Prometheus.
func Rules() ([]byte, error) {
	text, err := read(monitoring + "/prometheusrule.yaml")
	if err != nil {
		return nil, err
	}
	var rule struct {
		Spec map[string]any `json:"spec"`
	}
	if err := yaml.Unmarshal([]byte(text), &rule); err != nil {
		return nil, fmt.Errorf("read the alerts: %w", err)
	}
	return yaml.Marshal(rule.Spec)
}

type rule struct {
	Spec struct {
		Groups []struct {
			Rules []struct {
				Alert string `json:"alert"`
				Expr  string `json:"expr"`
			} `json:"rules"`
		} `json:"groups"`
	} `json:"spec"`
}

func readRule() (r rule, err error) {
	text, err := read(monitoring + "/prometheusrule.yaml")
	if err != nil {
		return r, err
	}
	if err := yaml.Unmarshal([]byte(text), &r); err != nil {
		return r, fmt.Errorf("read the alerts: %w", err)
	}
	return r, nil
}

var label = regexp.MustCompile(`([a-z_]+)="`)

// Exported returns the metrics in the text of /metrics, each with the labels that it
// has, but for those that Prometheus and standalone add.
func Exported(text string) map[string][]string {
	labels := map[string]map[string]bool{}
	var name string
	for line := range strings.Lines(text) {
		if typed, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, _, _ = strings.Cut(typed, " ")
			labels[name] = map[string]bool{}
			continue
		}
		series, _, ok := strings.Cut(line, "} ")
		if strings.HasPrefix(line, "#") || !ok {
			continue
		}
		for _, m := range label.FindAllStringSubmatch(series, -1) {
			labels[name][m[1]] = true
		}
	}
	list := map[string][]string{}
	for name, set := range labels {
		delete(set, "le")
		delete(set, "program")
		list[name] = slices.Sorted(maps.Keys(set))
	}
	return list
}

// Compare says how what a program exports differs from the page. program is empty for
// standalone, which is all programs.
func Compare(program, text string, listed map[string]Metric) (problems []string) {
	exported := Exported(text)
	for name, m := range listed {
		switch labels, ok := exported[name]; {
		case program != "" && !slices.Contains(m.Programs, program):
			if ok {
				problems = append(problems, fmt.Sprintf("%s exports %s, and the page does not list it for that program", program, name))
			}
		case !ok && !m.Later:
			problems = append(problems, fmt.Sprintf("%s is on the page, and %s does not export it", name, program))
		case ok && !slices.Equal(labels, slices.Sorted(slices.Values(m.Labels))):
			problems = append(problems, fmt.Sprintf("%s has the labels %v, and on the page %v", name, labels, m.Labels))
		}
	}
	for name := range exported {
		if _, ok := listed[name]; strings.HasPrefix(name, "rollcall_") && !ok {
			problems = append(problems, fmt.Sprintf("%s exports %s, which is not on the page", program, name))
		}
	}
	slices.Sort(problems)
	return problems
}

// Await waits until a program exports what the page lists for it. Some metrics come with
// the first look at something.
func Await(tb testing.TB, program string, listed map[string]Metric, get func() string) {
	tb.Helper()
	var problems []string
	defer func() {
		for _, p := range problems {
			tb.Error(p)
		}
	}()
	wait.Until(tb, "the metrics are those of "+page, func() bool {
		problems = Compare(program, get(), listed)
		return len(problems) == 0
	})
}

// read reads a file of the repository.
func read(name string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(root, name))
	return string(text), err
}

// Root returns the folder of the repository.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", errors.New("no folder above has a go.mod")
		}
		dir = above
	}
}
