package manifests

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// kustomizations lists the folders below base/ and overlays/ that hold one.
func kustomizations(t *testing.T) []string {
	t.Helper()
	var folders []string
	for _, top := range []string{"base", "overlays"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(name string, _ fs.DirEntry, err error) error {
			if err == nil && filepath.Base(name) == "kustomization.yaml" {
				folder, relErr := filepath.Rel(root, filepath.Dir(name))
				folders = append(folders, filepath.ToSlash(folder))
				return relErr
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return folders
}

func readKustomization(t *testing.T, folder string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, folder, "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var k map[string]any
	if err := yaml.UnmarshalStrict(text, &k); err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	return k
}

func TestEachBaseBuildsAlone(t *testing.T) {
	t.Parallel()
	for _, folder := range kustomizations(t) {
		if strings.HasPrefix(folder, "base/") {
			t.Run(folder, func(t *testing.T) {
				t.Parallel()
				build(t, folder)
			})
		}
	}
}

// kustomizationProblems says what is wrong with a kustomization.
func kustomizationProblems(k map[string]any) (found problems) {
	for _, field := range []string{"commonLabels", "bases", "vars", "patchesStrategicMerge", "patchesJson6902"} {
		if k[field] != nil {
			found.add("%s is of the past, and commonLabels writes selectors, which can never change", field)
		}
	}
	for _, field := range []string{"resources", "components"} {
		list, _ := k[field].([]any)
		for _, e := range list {
			if name, _ := e.(string); strings.Contains(name, "://") || strings.Contains(name, "github.com") {
				found.add("%s is fetched from the network", name)
			}
		}
	}
	return found
}

func TestKustomizations(t *testing.T) {
	t.Parallel()
	for _, folder := range kustomizations(t) {
		for _, problem := range kustomizationProblems(readKustomization(t, folder)) {
			t.Errorf("%s: %s", folder, problem)
		}
	}
	for name, broken := range map[string]map[string]any{
		"old field": {"commonLabels": map[string]any{"a": "b"}},
		"network":   {"resources": []any{"https://example.com/x.yaml"}},
	} {
		if len(kustomizationProblems(broken)) == 0 {
			t.Errorf("broken: %s: nothing is found", name)
		}
	}
}

// imagesOf lists the names of our images in images: of an overlay's kustomization. Those
// of others may be there, pinned by digest.
func imagesOf(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	list, _ := readKustomization(t, folder)["images"].([]any)
	for _, e := range list {
		image, _ := e.(map[string]any)
		if name, _ := image["name"].(string); strings.HasPrefix(name, "rollcall-") {
			names = append(names, name)
		}
	}
	return names
}

// TestImageNames holds the names that CI moves the tags of against the bases:
// one that matches nothing would be no error, and no new version would run.
func TestImageNames(t *testing.T) {
	t.Parallel()
	base := map[string]bool{}
	for _, folder := range kustomizations(t) {
		if !strings.HasPrefix(folder, "base/") {
			continue
		}
		for _, w := range rendered(t, folder).cluster.workloads {
			for _, in := range w.containers() {
				if in.program() == "" {
					continue
				}
				if repository, tag := split(in.Image); tag != "" || strings.Contains(repository, "/") {
					t.Errorf("%s, %s names %s; registry and tag are the overlays'", folder, w, in.Image)
				}
				base[in.Image] = true
			}
		}
	}
	for _, overlay := range overlays {
		if got, want := imagesOf(t, "overlays/"+overlay), sortedKeys(base); !slices.Equal(got, want) {
			t.Errorf("overlays/%s sets the tags of %q, there are %q", overlay, got, want)
		}
	}
}

// TestNewTag does what CI does, and sees that the render changes in the lines of
// that image and nowhere else.
func TestNewTag(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, top := range []string{"base", "overlays"} {
		if err := os.CopyFS(filepath.Join(dir, top), os.DirFS(filepath.Join(root, top))); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "overlays/aws/kustomization.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(text), "- name: rollcall-receiver\n")
	at := strings.Index(after, "newTag: ")
	if !ok || at < 0 {
		t.Fatal("the overlay sets no tag for the receiver")
	}
	changed := before + "- name: rollcall-receiver\n" + after[:at] + "newTag: probe" + after[at+strings.Index(after[at:], "\n"):]
	if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := kustomize(filepath.Join(dir, "overlays/aws"))
	if err != nil {
		t.Fatal(err)
	}
	was, is := strings.Split(string(build(t, "overlays/aws")), "\n"), strings.Split(string(got), "\n")
	if len(was) != len(is) {
		t.Fatalf("%d lines became %d", len(was), len(is))
	}
	moved := 0
	for i := range is {
		if was[i] == is[i] {
			continue
		}
		moved++
		if tagged, _, _ := strings.Cut(is[i], "@"); !strings.HasSuffix(tagged, "rollcall-receiver:probe") {
			t.Errorf("%q became %q", was[i], is[i])
		}
	}
	if moved != 2 { // the receiver and its migration
		t.Errorf("%d lines changed, want 2", moved)
	}
}

// TestSelectorsAreTheSame: a selector can never change, so an overlay must not
// have one of its own.
func TestSelectorsAreTheSame(t *testing.T) {
	t.Parallel()
	one, other := load(t, "minikube", nil), load(t, "aws", nil)
	for _, w := range one.workloads {
		if w.job {
			continue
		}
		if twin, ok := other.workload(w.name); !ok || !maps.Equal(w.selector.MatchLabels, twin.selector.MatchLabels) {
			t.Errorf("%s selects %v on minikube, %v on aws", w, w.selector, twin.selector)
		}
	}
}
