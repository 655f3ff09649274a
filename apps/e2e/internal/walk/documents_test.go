package walk

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/docs"
)

const root = "../../../.."

// recordCalls puts a kubectl and a curl on PATH that write down their arguments and
// what they read, each call on a line of its own. It returns the file.
func recordCalls(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	record := filepath.Join(dir, "record")
	script := `#!/bin/sh
{ echo "$(basename "$0") $*"; case " $* " in *" exec -i "* | *" -f - "*) cat ;; esac; } >>"` + record + `"
case "$*" in *--output=name*) echo pod/receiver-1 ;; esac
`
	for _, name := range []string{"kubectl", "curl", "rollcall", "grep"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return record
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func newWalk() *Walk {
	return &Walk{out: &bytes.Buffer{}, makeClient: recordingCommandLine, opts: Options{Root: root, Overlay: "overlays/tests/kind", Namespace: "other", Tag: "e2e", Patience: time.Minute}}
}

// recordingCommandLine puts the rollcall of recordCalls where the pages call it.
func recordingCommandLine(_ context.Context, tree string) error {
	path, err := exec.LookPath("rollcall")
	if err != nil {
		return err
	}
	folder := filepath.Join(tree, "build", "bin")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.Symlink(path, filepath.Join(folder, "rollcall"))
}

// The first page deploys, copies the samples, and enrols the sample people.
func TestFirstCommands(t *testing.T) {
	record := recordCalls(t)
	if err := newWalk().firstCommands(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	got := read(t, record)
	for _, want := range []string{
		"kubectl apply -k overlays/tests/kind\n",
		"kubectl -n other rollout status statefulset/mysql\n",
		"kubectl -n other cp apps/standalone/samples/unknown/. files:/unknown_people/\n",
		"metadata: {name: files}\n",
		"rollcall enrol apps/standalone/samples/known\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
	if !regexp.MustCompile(`port-forward service/receiver \d+:8000\n`).MatchString(got) || strings.Contains(got, "127.0.0.1:8000") {
		t.Errorf("the API's port is not a free one:\n%s", got)
	}
}

func allPages(t *testing.T) []string {
	t.Helper()
	list, err := pages(root)
	if err != nil || len(list) < 20 {
		t.Fatalf("got %q, %v", list, err)
	}
	return list
}

// Every page has other commands than those that enrol.
func TestRestOfCommands(t *testing.T) {
	w := newWalk()
	for _, page := range allPages(t) {
		record := recordCalls(t)
		blocks, err := w.blocks(page)
		if err != nil {
			t.Fatal(err)
		}
		if blocks = inSection(blocks, firstSection, false); len(blocks) == 0 {
			t.Errorf("%s has no commands for a cluster", page)
			continue
		}
		if err := w.runBlocks(t.Context(), blocks); err != nil {
			t.Error(err)
		}
		if got := read(t, record); !strings.Contains(got, "kubectl ") || strings.Contains(got, "INSERT") {
			t.Errorf("%s runs\n%s", page, got)
		}
	}
}

// All pages with commands for a cluster are walked, and a change of one starts a walk.
func TestPagesAreAllPages(t *testing.T) {
	workflow := read(t, filepath.Join(root, ".github/workflows/e2e.yaml"))
	walked := allPages(t)
	for _, page := range walked {
		if ok, err := path.Match(runbookPages, page); err != nil || ok {
			page = runbookPages
		}
		if n := strings.Count(workflow, ", "+strconv.Quote(page)) + strings.Count(workflow, ", "+page); n != 2 {
			t.Errorf("%s is %d times in the paths of e2e.yaml, want 2", page, n)
		}
	}
	all, err := docs.Documents(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		blocks, err := docs.Read(root, name)
		if err != nil {
			t.Fatal(err)
		}
		if len(docs.At(docs.Cluster, blocks)) > 0 && !slices.Contains(walked, name) {
			t.Errorf("the walk does not run the commands of %s", name)
		}
	}
}

// The commands apply the images of this walk in its namespace, and leave the source
// tree alone.
func TestTree(t *testing.T) {
	w := newWalk()
	dir, err := w.tree()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for _, overlay := range []string{"overlays/minikube", "overlays/tests/kind"} {
		result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(dir, overlay))
		if err != nil {
			t.Fatal(err)
		}
		text, err := result.AsYaml()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`image: \S*rollcall-\S+`).FindAllString(string(text), -1) {
			if !strings.HasSuffix(m, ":e2e-1") {
				t.Errorf("%s: %s", overlay, m)
			}
		}
		if strings.Contains(string(text), "namespace: rollcall\n") {
			t.Errorf("%s: something is in the namespace rollcall, want %s", overlay, w.opts.Namespace)
		}
	}
}

// What the commands of the pages apply and what the walk applies ask for the same share of a
// processor: a difference would restart everything, and MySQL with it.
func TestSmallRequests(t *testing.T) {
	t.Parallel()
	w := newWalk()
	w.opts.Overlay, w.kube, w.names = "overlays/minikube", &kube{namespace: w.opts.Namespace}, map[string]string{}
	for _, p := range programs() {
		w.names[p] = "rollcall-" + p
	}
	dir, err := w.tree()
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err != nil {
		t.Fatal(err)
	}
	if err := w.writeOverlay(t.Context(), dir, allAt(w.first())); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Deployment/frontend": "10m", "Deployment/processor": "10m", "Deployment/receiver": "10m", "Deployment/recognizer": "10m",
		"StatefulSet/mysql": "10m", "StatefulSet/nsqlookupd": "10m",
	}
	for _, overlay := range []string{w.opts.Overlay, w.overlayFolder()} {
		if diff := cmp.Diff(want, requests(t, filepath.Join(dir, overlay))); diff != "" {
			t.Errorf("%s asks for (-want +got):\n%s", overlay, diff)
		}
	}
}

// requests returns the request of the first container of each Deployment and StatefulSet.
func requests(t *testing.T, overlay string) map[string]string {
	t.Helper()
	result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), overlay)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, r := range result.Resources() {
		if kind := r.GetKind(); kind == "Deployment" || kind == "StatefulSet" {
			cpu, err := r.GetFieldValue("spec.template.spec.containers.0.resources.requests.cpu")
			if err != nil {
				t.Fatal(err)
			}
			list[kind+"/"+r.GetName()] = fmt.Sprint(cpu)
		}
	}
	return list
}
