package child_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/child"
)

// This test binary does not call Main. As a worker it must end at once, and not run its
// tests, this one among them, again.
func TestProgramsWithoutMainRefuse(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "/proc/self/exe", child.Name).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "not defined: "+child.Name) {
		t.Errorf("error %v, output %q; want a refused flag", err, out)
	}
}
