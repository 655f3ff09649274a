package version_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../../../.."

// run runs a command in the repository's root and returns what it prints.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "MAKEFLAGS=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// The linker says nothing about a variable that does not exist, so a program is
// built and asked.
func TestMakeSetsTheVersion(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make on this machine")
	}
	program := filepath.Join(t.TempDir(), "redeemer")
	run(t, "go", "build", "-ldflags", run(t, "make", "-s", "print-LDFLAGS", "TAG=v9.8.7"), "-o", program, "./apps/redeemer")
	if got := run(t, program, "-version"); !strings.HasPrefix(got, "redeemer v9.8.7 ") {
		t.Errorf("-version says %q, want redeemer v9.8.7", got)
	}
}

// The images set the same variables, and carry the version as a label.
func TestImagesSetTheVersion(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"apps/Dockerfile", "apps/recognizer/Dockerfile"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		const variables = "github.com/rollcall-faces/rollcall/apps/internal/platform/version."
		for _, want := range []string{
			"-X " + variables + "release=$VERSION ", "-X " + variables + "revision=$REVISION",
			`org.opencontainers.image.version="$VERSION"`, `org.opencontainers.image.revision="$REVISION"`,
		} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s does not have %s", name, want)
			}
		}
	}
	args := run(t, "make", "-s", "print-IMAGE_ARGS", "TAG=v9.8.7")
	if !regexp.MustCompile(`--build-arg VERSION=v9\.8\.7 `).MatchString(args) {
		t.Errorf("make images passes %q", args)
	}
}
