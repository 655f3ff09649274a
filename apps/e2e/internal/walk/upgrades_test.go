package walk

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/rollcall-faces/rollcall/apps/e2e/internal/poster"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// newUpgrade returns a walk in a small repository of its own, whose only commit is the
// release before.
func newUpgrade(t *testing.T) *Walk {
	t.Helper()
	w := newWalk()
	tree := t.TempDir()
	for _, folder := range []string{"base", "overlays", "argocd"} {
		if err := os.CopyFS(filepath.Join(tree, folder), os.DirFS(filepath.Join(root, folder))); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "--all"}, {"commit", "--quiet", "--message=before"}} {
		if _, err := git(t.Context(), tree, args...); err != nil {
			t.Fatal(err)
		}
	}
	w.kube = &kube{namespace: "rollcall"}
	w.opts.Root, w.opts.Overlay, w.opts.Previous, w.opts.PreviousTag = tree, "overlays/minikube", "HEAD", "old-1"
	w.names = map[string]string{}
	for _, p := range programs() {
		w.names[p] = "rollcall-" + p
	}
	return w
}

// rendered returns what Argo CD makes of the branch.
func rendered(t *testing.T, w *Walk, r *repository) string {
	t.Helper()
	dir := t.TempDir()
	if _, err := git(t.Context(), dir, "clone", "--quiet", r.origin, "."); err != nil {
		t.Fatal(err)
	}
	result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(dir, w.overlayFolder()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := result.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The branch has the manifests of the release before with its tag, then those of this
// tree as they are, and so on in turns.
func TestVersionsInTurns(t *testing.T) {
	t.Parallel()
	w := newUpgrade(t)
	config := filepath.Join(w.opts.Root, "base/config/pipeline.env")
	if err := os.WriteFile(config, append([]byte(read(t, config)), "\nROLLCALL_NEW=1\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := w.newRepository(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, tag := range []string{"old-1", "e2e-1", "old-1", "e2e-1"} {
		if i > 0 {
			commit, err := r.pushOther(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.deployed(t.Context()); err != nil || got != commit {
				t.Errorf("pushed %s, %v; the branch is at %s", commit, err, got)
			}
		}
		text := rendered(t, w, r)
		images := regexp.MustCompile(`image: (\S*rollcall-\S+)`).FindAllString(text, -1)
		for _, image := range images {
			if !strings.HasSuffix(image, ":"+tag) {
				t.Errorf("commit %d has %s, want %s", i+1, image, tag)
			}
		}
		if len(images) == 0 || strings.Contains(text, "ROLLCALL_NEW") != (tag == "e2e-1") || !strings.Contains(text, "PodDisruptionBudget") || strings.Count(text, "maxSurge: 2\n") != len(deployments()) {
			t.Errorf("commit %d does not have the manifests of %s", i+1, tag)
		}
	}
}

// Application and project are those of argocd/, but for the repository.
func TestApplicationOfTheWalk(t *testing.T) {
	t.Parallel()
	text, err := newUpgrade(t).argoObjects("/tmp/origin.git")
	if err != nil {
		t.Fatal(err)
	}
	for want, times := range map[string]int{
		"file:///tmp/origin.git\n": 2, "path: build/e2e/other\n": 1, "namespace: other\n": 2, "kind: AppProject\n": 1, "kind: Application\n": 1,
		"github.com/rollcall-faces/rollcall.git\n": 0, "selfHeal: true\n": 1,
	} {
		if got := strings.Count(text, want); got != times {
			t.Errorf("%q is there %d times, want %d", want, got, times)
		}
	}
}

// kubectlSays puts a kubectl on PATH that prints a text, or fails if it is empty.
func kubectlSays(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\nexit 1\n"
	if text != "" {
		script = "#!/bin/sh\ncat <<'END'\n" + text + "\nEND\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestPodsOfOtherVersions(t *testing.T) {
	for _, tt := range []struct{ name, pods, missing string }{
		{"all new", "receiver-1|rollcall-receiver:v2|\nprocessor-1|rollcall-processor:v2|", ""},
		{"an old one that was asked to stop", "receiver-1|rollcall-receiver:v2|\nreceiver-0|rollcall-receiver:v1|2026-11-30T09:00:00Z", ""},
		{"an old one", "receiver-1|rollcall-receiver:v2|\nreceiver-0|rollcall-receiver:v1|", "receiver-0"},
		{"none", " ", "0 pods"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kubectlSays(t, tt.pods)
			got, err := newUpgrade(t).otherVersions(t.Context(), "v2")
			if err != nil || (got == "") != (tt.missing == "") || !strings.Contains(got, tt.missing) {
				t.Errorf("got %q, %v; want %q", got, err, tt.missing)
			}
		})
	}
}

// Without a release before or without Argo CD the step is skipped, and says why.
func TestUpgradesAreSkipped(t *testing.T) {
	kubectlSays(t, "")
	for _, tt := range []struct{ name, previous, tag, want string }{
		{"no revision", "", "old-1", "-previous"},
		{"no tag", "HEAD", "", "-previous-tag"},
		{"no Argo CD", "HEAD", "old-1", "no Argo CD"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, out := newUpgrade(t), &bytes.Buffer{}
			w.out, w.opts.Previous, w.opts.PreviousTag = out, tt.previous, tt.tag
			if err := w.upgrades(t.Context()); err != nil || !strings.Contains(out.String(), "skipped") || !strings.Contains(out.String(), tt.want) {
				t.Errorf("said %q, %v", out, err)
			}
		})
	}
}

func TestExpectationOfALink(t *testing.T) {
	t.Parallel()
	expected, err := samples.Expected()
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"/unknown_people/unknown0003.jpg": "unknown0003.jpg",
		"/unknown_people/load/00000.jpg":  "unknown0001.jpg",
		"/unknown_people/load/00012.jpg":  "unknown0003.jpg",
		"/unknown_people/load/12009.jpg":  "unknown0010.jpg",
	} {
		got, err := expectedAt(file, expected)
		if err != nil || got.Reason != expected[want].Reason || got.Faces != expected[want].Faces || strings.Join(got.People, ",") != strings.Join(expected[want].People, ",") {
			t.Errorf("%s: got %+v, %v; want that of %s", file, got, err, want)
		}
	}
	if _, err := expectedAt("/unknown_people/other.jpg", expected); err == nil {
		t.Error("a picture that is no sample has an expectation")
	}
}

// A wrong answer fails the walk as a failed request does, and both are told.
func TestWantRightAnswers(t *testing.T) {
	t.Parallel()
	report := func(failed, wrong int) poster.Report {
		return poster.Report{
			Counts: map[poster.Target]*poster.Count{
				poster.API: {Requests: 9, Failed: failed, Gap: 1500 * time.Millisecond, Failures: []string{"refused"}}, poster.Dashboard: {Requests: 5}, poster.Answers: {Requests: 7},
			},
			Compared: 6, Wrong: wrong, WrongAnswers: []string{"got Bruno"},
		}
	}
	if err := wantRightAnswers(report(0, 0)); err != nil {
		t.Error(err)
	}
	if err := wantRightAnswers(report(1, 1)); err == nil || !strings.Contains(err.Error(), "refused") || !strings.Contains(err.Error(), "got Bruno") {
		t.Errorf("got %v", err)
	}
	if got, want := rowOf(3, "v2", 41*time.Second, report(1, 2)), "| 3 | v2 | 41 s | 9 | 1 | 1.5 s | 7 | 0 | 6 | 2 | 5 | 0 |"; got != want {
		t.Errorf("the row is %s, want %s", got, want)
	}
}
