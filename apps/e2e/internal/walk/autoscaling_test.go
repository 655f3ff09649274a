package walk

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/rollcall-faces/rollcall/apps/e2e/internal/scaling"
)

// scriptedKubectl puts a script on PATH as kubectl.
func scriptedKubectl(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// KEDA asks nsqlookupd from its own namespace, so its address has the namespace that the
// walk deploys into.
func TestAutoscalingInAnotherNamespace(t *testing.T) {
	scriptedKubectl(t, "")
	dir := t.TempDir()
	for _, folder := range []string{"base", "overlays"} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join(root, folder))); err != nil {
			t.Fatal(err)
		}
	}
	w := newWalk()
	w.opts.Root, w.opts.Overlay, w.kube = dir, "overlays/minikube", &kube{namespace: "other"}
	w.names = map[string]string{}
	for _, p := range programs() {
		w.names[p] = "rollcall-" + p
	}
	d := allAt("e2e-1")
	d.availability, d.autoscaling = true, true
	if err := w.apply(t.Context(), d); err != nil {
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
	for _, want := range []string{"nsqlookupd-0.nsqlookupd.other.svc.cluster.local:4161,nsqlookupd-1.nsqlookupd.other.svc.cluster.local:4161", "kind: HorizontalPodAutoscaler"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%q is missing", want)
		}
	}
	if bytes.Contains(text, []byte(".rollcall.svc")) {
		t.Error("something asks in the namespace rollcall")
	}
}

// Without KEDA or metrics-server the whole walk goes on, and the step alone fails.
func TestAutoscalersMissing(t *testing.T) {
	tests := []struct {
		name, script, only string
		wantErr            bool
	}{
		{"the whole walk", "", "", false},
		{"the step alone", "", "autoscaling", true},
		{"one of them", `case "$*" in *external*) ;; *) echo True ;; esac`, "autoscaling", true},
		{"one that does not answer", "echo False", "autoscaling", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			scriptedKubectl(t, tt.script)
			w, out := newWalk(), &bytes.Buffer{}
			w.kube, w.out, w.opts.Only = &kube{namespace: "other"}, out, tt.only
			err := w.autoscale(t.Context())
			said := out.String()
			if err != nil {
				said = err.Error()
			}
			if (err != nil) != tt.wantErr || !strings.Contains(said, "external.metrics.k8s.io") || !strings.Contains(said, "install.sh") {
				t.Errorf("got %v, said %q", err, said)
			}
		})
	}
}

const twoDeployments = `{"items":[{"metadata":{"name":"processor"},"spec":{"replicas":2}},{"metadata":{"name":"receiver"},"spec":{"replicas":1}}]}`

const fourPods = `{"items":[
{"metadata":{"name":"processor-0","labels":{"app.kubernetes.io/name":"processor"}},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}},
{"metadata":{"name":"processor-1","labels":{"app.kubernetes.io/name":"processor"}},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"False"}]}},
{"metadata":{"name":"processor-2","labels":{"app.kubernetes.io/name":"processor"},"deletionTimestamp":"2026-11-30T00:00:00Z"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}},
{"metadata":{"name":"mysql-0","labels":{"app.kubernetes.io/name":"mysql"}},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}]}`

// apiServer answers as the proxy of kubectl does.
func apiServer(t *testing.T) *kube {
	t.Helper()
	mux := http.NewServeMux()
	for path, text := range map[string]string{
		"/apis/apps/v1/namespaces/other/deployments":                   twoDeployments,
		"/api/v1/namespaces/other/pods":                                fourPods,
		"/api/v1/namespaces/other/pods/processor-0:9001/proxy/metrics": "# TYPE a gauge\na{state=\"waiting\"} 17\na{state=\"deferred\"} 3\n",
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &kube{namespace: "other", proxy: server.URL}
}

func TestReplicas(t *testing.T) {
	t.Parallel()
	count, pods, err := apiServer(t).replicas(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]scaling.Replicas{"processor": {Wanted: 2, Ready: 1, Stopping: 1}, "receiver": {Wanted: 1}}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"processor": "processor-0"}, pods); diff != "" {
		t.Errorf("a ready pod of each (-want +got):\n%s", diff)
	}
}

func TestGauge(t *testing.T) {
	t.Parallel()
	w := newWalk()
	w.kube = apiServer(t)
	tests := []struct {
		name, pod, series string
		want              float64
	}{
		{"there", "processor-0", `a{state="waiting"}`, 17},
		{"no such series", "processor-0", "b", math.NaN()},
		{"no such pod", "processor-9", `a{state="waiting"}`, math.NaN()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := w.gauge(t.Context(), tt.pod, 9001, tt.series); got != tt.want && !(math.IsNaN(got) && math.IsNaN(tt.want)) {
				t.Errorf("got %g, want %g", got, tt.want)
			}
		})
	}
}

// The poster is told the load of the schedule.
func TestLoadAsText(t *testing.T) {
	t.Parallel()
	if got := steps(scaleLoad()[:2]); got != "0.5:30s,20:1m0s" {
		t.Errorf("got %q", got)
	}
}
