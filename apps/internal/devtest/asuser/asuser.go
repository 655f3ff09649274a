// Package asuser runs tests without the rights of root. Root may read and write
// every file, so a test of a file that cannot be read would not test anything in a
// container, where tests usually run as root.
//
//	func TestUnreadableFile(t *testing.T) {
//		t.Parallel()
//		asuser.Run(t, func(t *testing.T) {
//			...
//		})
//	}
package asuser

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// nobody is the user and group that own nothing, by convention.
const nobody = 65534

// Run runs f, which is all that a test does. As root, it runs the same test again in
// a child process that is nobody, and there f. The child's temporary folders are its
// own; files that root made before Run are not.
func Run(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if os.Geteuid() != 0 {
		f(t)
		return
	}
	out, err := child(t).CombinedOutput()
	switch ran := strings.Contains(string(out), "--- PASS: "+t.Name()+" "); {
	case err != nil:
		t.Fatalf("as nobody: %v\n%s", err, out)
	case !ran:
		t.Fatalf("as nobody, the test did not run to its end:\n%s", out)
	}
}

// child returns the command that runs the test t again as nobody.
func child(t *testing.T) *exec.Cmd {
	t.Helper()
	// By this link, because go test builds the binary in a folder that only its user may enter.
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.count=1", "-test.run", pattern(t.Name()))
	cmd.Env = append(os.Environ(), "TMPDIR="+folder(t), "GOCOVERDIR=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd
}

// folder makes a temporary folder that belongs to nobody. The one that t.TempDir
// makes is inside a folder that only root may enter.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "asuser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pattern returns the value of -test.run that matches one test or subtest.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}
