package workflows

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rhysd/actionlint" // as its authors run it, and no program to install
	"sigs.k8s.io/yaml"
)

const root = "../../../.."

// files returns the workflows by their path.
func files(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yaml"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	texts := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	return texts
}

func TestActionlint(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	linter, err := actionlint.NewLinter(&out, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := linter.LintFiles(slices.Sorted(maps.Keys(files(t))), nil); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 0 {
		t.Error(out.String())
	}
}

// workflow is what the tests read of a file.
type workflow struct {
	Permissions any `json:"permissions"`
	Jobs        map[string]struct {
		Permissions map[string]string `json:"permissions"`
		Concurrency map[string]any    `json:"concurrency"`
		Timeout     int               `json:"timeout-minutes"`
	} `json:"jobs"`
}

// problems returns what is wrong with one workflow.
func problems(text string) []string {
	var w workflow
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		return []string{err.Error()}
	}
	var out []string
	for line := range strings.Lines(text) {
		if _, action, ok := strings.Cut(strings.TrimSpace(line), "uses: "); ok && !pinned.MatchString(action) {
			out = append(out, "not pinned by a commit with its version behind it: "+action)
		}
	}
	if p, ok := w.Permissions.(map[string]any); !ok || len(p) != 1 || p["contents"] != "read" {
		out = append(out, "the workflow's own permissions are not just contents: read")
	}
	if strings.Contains(text, "pull_request_target") {
		out = append(out, "pull_request_target gives strangers' code our rights")
	}
	for name, job := range w.Jobs {
		if job.Timeout == 0 {
			out = append(out, name+" has no timeout-minutes")
		}
		if job.Permissions["contents"] == "write" && job.Concurrency["cancel-in-progress"] != false {
			out = append(out, name+" pushes, and could be cancelled or overtaken while it does")
		}
	}
	slices.Sort(out)
	return out
}

var pinned = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)

func TestWorkflows(t *testing.T) {
	t.Parallel()
	for name, text := range files(t) {
		for _, p := range problems(text) {
			t.Errorf("%s: %s", filepath.Base(name), p)
		}
	}
}

// Every check finds what it is there for.
func TestProblems(t *testing.T) {
	t.Parallel()
	const good = `on: [push]
permissions:
  contents: read
jobs:
  push:
    timeout-minutes: 5
    permissions: {contents: write}
    concurrency: {group: x, cancel-in-progress: false}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
`
	if got := problems(good); len(got) > 0 {
		t.Fatalf("the good one: %q", got)
	}
	tests := []struct{ name, old, new, want string }{
		{"a tag", "3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "v7", "not pinned"},
		{"a hash without a version", " # v7.0.1", "", "not pinned"},
		{"a short hash", "3d3c42e5aac5ba805825da76410c181273ba90b1", "3d3c42e", "not pinned"},
		{"rights for everybody", "  contents: read\njobs", "  contents: write\njobs", "permissions"},
		{"more rights", "  contents: read\njobs", "  contents: read\n  packages: write\njobs", "permissions"},
		{"no permissions", "permissions:\n  contents: read\njobs", "jobs", "permissions"},
		{"strangers", "[push]", "[pull_request_target]", "strangers"},
		{"no timeout", "    timeout-minutes: 5\n", "", "timeout"},
		{"a push that is cancelled", "cancel-in-progress: false", "cancel-in-progress: true", "cancelled"},
		{"a push beside another", "    concurrency: {group: x, cancel-in-progress: false}\n", "", "overtaken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bad := strings.Replace(good, tt.old, tt.new, 1)
			if bad == good {
				t.Fatal("the fixture changes nothing")
			}
			got := problems(bad)
			if len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("got %q, want one about %q", got, tt.want)
			}
		})
	}
}
