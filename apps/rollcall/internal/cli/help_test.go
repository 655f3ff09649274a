package cli_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
)

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-h"}, {"--help"}, {"help"}, {}} {
		r := run(t.Context(), t, nil, cli.Streams{}, args...).expect(cli.ExitOK, "rollcall enrol ~/team", "Exit codes: 0", "config.yaml", "--version")
		for _, s := range cli.Settings() {
			r.expect(cli.ExitOK, s.Name)
		}
	}
	for _, flag := range []string{"-version", "--version"} {
		run(t.Context(), t, nil, cli.Streams{}, flag).expect(cli.ExitOK, "rollcall "+version.Read().Version+" ")
	}
	run(t.Context(), t, nil, cli.Streams{}, "enroll").expect(cli.ExitFailed, "enrol")
	run(t.Context(), t, nil, cli.Streams{}, "-nonsense").expect(cli.ExitFailed, "rollcall -h")
}

// Each command has a page of help, and each that does something has an example that
// begins with a command that exists.
func TestEveryCommandTeaches(t *testing.T) {
	t.Parallel()
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
		}
		if c.Short == "" || c.HasParent() && !c.HasSubCommands() && c.Example == "" && c.Name() != "hide" && c.Name() != "show" {
			t.Errorf("%s has no description or no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			words := strings.Fields(line)
			i := slices.Index(words, "rollcall")
			if i < 0 {
				continue
			}
			if found, _, err := cli.Command().Find(words[i+1:]); err != nil || !found.HasParent() {
				t.Errorf("the example %q is no command: %v", strings.TrimSpace(line), err)
			}
		}
	}
	visit(cli.Command())
}

func TestReadme(t *testing.T) {
	t.Parallel()
	const readme = "../../README.md"
	want := map[string]string{}
	for _, s := range cli.Settings() {
		want[s.Name] = s.Default
	}
	if diff := cmp.Diff(want, commandtest.Documented(t, readme)); diff != "" {
		t.Errorf("the settings of README.md and -h differ (-program +README):\n%s", diff)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cli.Command().Commands() {
		if !strings.Contains(string(text), "`rollcall "+c.Name()) {
			t.Errorf("README.md does not name rollcall %s", c.Name())
		}
	}
}

func TestManualAndCompletion(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "man1")
	run(t.Context(), t, nil, cli.Streams{}, "man", dir).expect(cli.ExitOK)
	page, err := os.ReadFile(filepath.Join(dir, "rollcall-people-undo-merge.1"))
	if err != nil || !strings.Contains(string(page), "undo") {
		t.Errorf("manual page: %v\n%s", err, page)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		run(t.Context(), t, nil, cli.Streams{}, "completion", shell).expect(cli.ExitOK, "rollcall")
	}
	run(t.Context(), t, nil, cli.Streams{}, "__complete", "enrol", "x", "--accept", "").expect(cli.ExitOK, "blurred")
}
