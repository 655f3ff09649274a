package manifests

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// A component at the end of an overlay's list does what it does on top of the
// overlay, which is how overlays/tests and so all other checks have it.
func TestComponentsInTheOverlay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ overlay, component, combination string }{
		{"minikube", "availability", "minikube-availability"},
		{"minikube", "minikube-mount", "minikube-mount"},
		{"minikube", "network-policies", "minikube-network-policies"},
		{"aws", "backup", "aws-backup"},
		{"aws", "external-mysql", "aws-rds"},
		{"aws", "monitoring", "aws-monitoring"},
		{"aws", "galera", "aws-galera"},
		{"aws", "openid", "aws-openid"},
		{"aws", "tracing", "aws-tracing"},
		{"aws", "verify-images", "aws-verify-images"},
	} {
		t.Run(tt.overlay+" with "+tt.component, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, folder := range []string{"base", "overlays"} {
				if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join(root, folder))); err != nil {
					t.Fatal(err)
				}
			}
			overlay := filepath.Join(dir, "overlays", tt.overlay)
			addComponent(t, filepath.Join(overlay, "kustomization.yaml"), "../components/"+tt.component)
			got, err := kustomize(overlay)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(build(t, "overlays/tests/"+tt.combination)), string(got)); diff != "" {
				t.Errorf("(-on top of the overlay +in it):\n%s", diff)
			}
		})
	}
}

// addComponent is `kustomize edit add component`.
func addComponent(t *testing.T, file, component string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var kustomization map[string]any
	if err := yaml.Unmarshal(text, &kustomization); err != nil {
		t.Fatal(err)
	}
	list, _ := kustomization["components"].([]any)
	kustomization["components"] = append(list, component)
	if text, err = yaml.Marshal(kustomization); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
