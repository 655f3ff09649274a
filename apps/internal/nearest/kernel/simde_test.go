//go:build amd64

package kernel_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// AVX-512 is compared with AVX2 in software, by SIMDe, as few machines of tests
// have it. Where the processor has it, TestKernels judges it.
func TestAVX512InSoftware(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("compiling SIMDe takes seconds")
	}
	if _, err := os.Stat("/usr/include/simde/x86/avx512.h"); err != nil {
		t.Skip("SIMDe is not installed: apt-get install libsimde-dev")
	}
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("there is no C compiler")
	}
	program := filepath.Join(t.TempDir(), "compare")
	build := exec.CommandContext(t.Context(), compiler, "-O1", "-DROLLCALL_SIMDE", "-o", program, "testdata/compare.c", "scan_amd64.c", "-lm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	out, err := exec.CommandContext(t.Context(), program).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	t.Logf("%s", out)
}
