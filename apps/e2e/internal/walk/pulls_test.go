package walk

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeKubectl puts a kubectl on PATH that prints these pods, and whose rollouts
// and waits take an hour.
func fakeKubectl(t *testing.T, pods string) {
	t.Helper()
	dir := t.TempDir()
	script := `#!/bin/sh
case "$*" in
*"get pods --output=json"*) cat "$0.pods" ;;
*"config current-context"*) echo somewhere ;;
*"get deployments,statefulsets"*) echo Deployment/receiver ;;
*"rollout status"* | *" wait "*) exec sleep 3600 ;;
*"get pod rollcall-e2e-probe"*) echo "Pending ErrImageNeverPull" ;;
esac
`
	for name, text := range map[string]string{"kubectl": script, "kubectl.pods": pods, "docker": "#!/bin/sh\n[ \"$1\" != import ] || cat >/dev/null\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func podsThatWait(list, reason string) string {
	return `{"items":[{"metadata":{"name":"receiver-1"},"status":{"` + list + `":[{"image":"rollcall-receiver:e2e-1","state":{"waiting":{"reason":"` + reason + `"}}}]}}]}`
}

func TestImageThatCannotBePulled(t *testing.T) {
	for _, tt := range []struct{ name, pods string }{
		{"back-off", podsThatWait("containerStatuses", "ImagePullBackOff")},
		{"first try", podsThatWait("containerStatuses", "ErrImagePull")},
		{"never pulled", podsThatWait("initContainerStatuses", "ErrImageNeverPull")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fakeKubectl(t, tt.pods)
			start := time.Now()
			err := (&kube{namespace: "rollcall"}).settled(t.Context(), time.Hour)
			if err == nil || !strings.Contains(err.Error(), "receiver-1") || !strings.Contains(err.Error(), "rollcall-receiver:e2e-1") || !strings.Contains(err.Error(), "ROLLCALL_E2E_LOAD") {
				t.Errorf("got %v", err)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestWaitingForOtherReasonsIsNoFailure(t *testing.T) {
	fakeKubectl(t, podsThatWait("containerStatuses", "ContainerCreating"))
	if err := (&kube{namespace: "rollcall"}).notPulled(t.Context()); err != nil {
		t.Error(err)
	}
}

// Nothing is built before an image has reached the nodes.
func TestWayToTheNodesIsTriedFirst(t *testing.T) {
	for _, tt := range []struct{ name, load, want string }{
		{"no way known", "", "ROLLCALL_E2E_LOAD"},
		{"a command that fails", "false", "false"},
		{"a command that does nothing", "true", "does not have"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fakeKubectl(t, `{"items":[]}`)
			w := &Walk{opts: Options{Root: t.TempDir(), Load: tt.load, Build: true, Tag: "t"}, out: &bytes.Buffer{}, kube: &kube{namespace: "rollcall"}}
			start := time.Now()
			if err := w.images(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want one about %q", err, tt.want)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
