package workflows

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func exceptions(t *testing.T, args ...string) (string, error) {
	t.Helper()
	script, err := filepath.Abs(filepath.Join(root, ".github/scripts/exceptions.sh"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "bash", append([]string{script}, args...)...).CombinedOutput()
	return string(out), err
}

// The list that is there is one that the scan can read.
func TestExceptionsAreValid(t *testing.T) {
	t.Parallel()
	if out, err := exceptions(t, filepath.Join(root, ".github/vulnerability-exceptions")); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestExceptions(t *testing.T) {
	t.Parallel()
	const always = "only-fixed: true\nfail-on-severity: high\n"
	for _, tt := range []struct {
		name, list, want, problem string
	}{
		{name: "none", list: "# a comment\n\n", want: always},
		{name: "one", list: "CVE-2026-1 2026-10-01 2026-12-01 @a it is not called\n", want: always + "ignore:\n- vulnerability: CVE-2026-1\n"},
		{name: "on its last day", list: "CVE-2026-1 2026-10-01 2026-11-30 @a it is not called\n", want: always + "ignore:\n- vulnerability: CVE-2026-1\n"},
		{name: "ended", list: "GHSA-ab-cd 2026-10-01 2026-11-29 @a it is not called\n", want: always + "exceptions: GHSA-ab-cd, decided by @a, ended on 2026-11-29\n"},
		{name: "for ever", list: "CVE-2026-1 2026-10-01 2027-10-01 @a it is not called\n", problem: "longer than 90 days"},
		{name: "no reason", list: "CVE-2026-1 2026-10-01 2026-12-01 @a\n", problem: "want ID SINCE UNTIL WHO WHY"},
		{name: "no day", list: "CVE-2026-1 soonish 2026-12-01 @a because\n", problem: "soonish is no day"},
		{name: "everything", list: "* 2026-10-01 2026-12-01 @a because\n", problem: "is not the id of a hole"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "exceptions")
			if err := os.WriteFile(file, []byte(tt.list), 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exceptions(t, file, "2026-11-30")
			switch {
			case tt.problem != "" && (err == nil || !strings.Contains(out, tt.problem)):
				t.Errorf("%v: %q, want a failure that says %q", err, out, tt.problem)
			case tt.problem == "" && (err != nil || out != tt.want):
				t.Errorf("%v: got %q, want %q", err, out, tt.want)
			}
		})
	}
}
