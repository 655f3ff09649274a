package manifests

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/*.golden.yaml anew")

// ourImages finds the tags of our own images. A push moves them in the overlays
// alone, so they are no part of the golden files.
var ourImages = regexp.MustCompile(`(image: \S*rollcall-[a-z]+):\S+`)

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) {
			t.Parallel()
			got := ourImages.ReplaceAll(build(t, "overlays/"+overlay), []byte("$1:TAG"))
			file := filepath.Join("testdata", overlay+".golden.yaml")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
				t.Errorf("overlays/%s renders to something else than %s; if that is what you want, run 'make manifests' (-want +got):\n%s", overlay, file, diff)
			}
		})
	}
}

// TestKubectlRendersTheSame holds the kustomize inside of kubectl, which people
// apply with, against the one that Argo CD has and these tests use.
func TestKubectlRendersTheSame(t *testing.T) {
	t.Parallel()
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("there is no kubectl on this machine to compare with")
	}
	for _, folder := range append(combinations(t), overlays...) {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			var stderr bytes.Buffer
			cmd := exec.CommandContext(t.Context(), kubectl, "kustomize", filepath.Join(root, "overlays", folder))
			cmd.Stderr = &stderr
			got, err := cmd.Output()
			if err != nil || stderr.Len() > 0 {
				t.Fatalf("kubectl kustomize: %v\n%s", err, &stderr)
			}
			if diff := cmp.Diff(string(build(t, "overlays/"+folder)), string(got)); diff != "" {
				t.Errorf("kubectl renders it differently (-here +kubectl):\n%s", diff)
			}
		})
	}
}
