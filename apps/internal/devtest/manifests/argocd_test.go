package manifests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// layers are the waves of a sync, in order; what is not named is an error.
var layers = [][]string{
	{"Namespace", "ServiceAccount", "StorageClass", "PersistentVolume", "PriorityClass", "ClusterImagePolicy"},
	{"ConfigMap", "Secret", "SecretStore", "ExternalSecret", "Service", "NetworkPolicy", "Ingress", "Gateway", "HTTPRoute"},
	{"StatefulSet"},
	// A claim is with the pods that use it. The CronJob's image changes with the
	// Deployments': behind them it would wait until they are healthy, and while a
	// sync waits, Argo CD takes up no newer commit, not even a revert.
	{"Deployment", "PersistentVolumeClaim", "CronJob"},
	{"PodDisruptionBudget", "HorizontalPodAutoscaler", "ScaledObject", "PodMonitor", "PrometheusRule"},
}

func waves() []check {
	wave := []any{"metadata", "annotations", "argocd.argoproj.io/sync-wave"}
	return []check{
		{
			name: "a sync goes layer by layer",
			find: order,
			broken: []mutation{
				{name: "no wave", edit: func(l *objects) { l.drop("Deployment/receiver", wave...) }},
				{name: "database after its users", edit: func(l *objects) { l.set("StatefulSet/mysql", "1", wave...) }},
				{name: "CronJob behind what it changes with", edit: func(l *objects) { l.set("CronJob/redeemer", "2", wave...) }},
				{name: "service after its pods", edit: func(l *objects) { l.set("Service/receiver", "2", wave...) }},
				{name: "autoscaler before what it scales", overlay: "aws", edit: func(l *objects) { l.set("ScaledObject/processor", "0", wave...) }},
				{name: "claim before its pods", edit: func(l *objects) { l.set("PersistentVolumeClaim/known-people", "-1", wave...) }},
				{name: "a kind that nobody thought of", edit: func(l *objects) {
					l.add("apiVersion: v1\nkind: Pod\nmetadata: {name: x, annotations: {argocd.argoproj.io/sync-wave: '9'}}")
				}},
			},
		},
		{
			name: "a custom resource waits for its definition",
			find: func(c *cluster) (found problems) {
				for _, o := range c.objects {
					custom := strings.Contains(o.group(), ".") && (!strings.HasSuffix(o.group(), ".k8s.io") || strings.HasPrefix(o.group(), "gateway."))
					if custom && !strings.Contains(o.annotation("argocd.argoproj.io/sync-options"), "SkipDryRunOnMissingResource=true") {
						found.add("%s fails the first sync", o.ref())
					}
				}
				return found
			},
			broken: []mutation{
				{name: "not", overlay: "aws", edit: func(l *objects) {
					l.drop("ScaledObject/processor", "metadata", "annotations", "argocd.argoproj.io/sync-options")
				}},
				{name: "a route", overlay: "tests/aws-gateway", edit: func(l *objects) {
					l.drop("HTTPRoute/frontend", "metadata", "annotations", "argocd.argoproj.io/sync-options")
				}},
			},
		},
	}
}

func order(c *cluster) (found problems) {
	first, last := map[int]int{}, map[int]int{}
	for _, o := range c.objects {
		layer := slices.IndexFunc(layers, func(kinds []string) bool { return slices.Contains(kinds, o.kind()) })
		wave, err := strconv.Atoi(o.annotation("argocd.argoproj.io/sync-wave"))
		if layer < 0 || err != nil {
			found.add("%s is in no layer, or has no wave", o.ref())
			continue
		}
		if at, ok := first[layer]; !ok || wave < at {
			first[layer] = wave
		}
		if at, ok := last[layer]; !ok || wave > at {
			last[layer] = wave
		}
		if kind := o.kind(); kind == "Deployment" || kind == "PersistentVolumeClaim" || kind == "CronJob" {
			if wave != first[layer] || wave != last[layer] {
				found.add("%s: in another wave a claim waits for its consumer for ever, and a CronJob until a bad Deployment is healthy", o.ref())
			}
		}
	}
	for _, layer := range sortedKeys(first) {
		for before := range layer {
			if at, ok := last[before]; ok && at >= first[layer] {
				found.add("%v are in wave %d, %v in %d", layers[layer], first[layer], layers[before], at)
			}
		}
	}
	return found
}

// readFile reads a file of YAML documents of the repository.
func readFile(t *testing.T, name string) objects {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	list, err := parse(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return list
}

// withEachComponent renders every overlay as it is, and with each component that
// it does not have yet.
func withEachComponent(t *testing.T) []*cluster {
	t.Helper()
	dir := t.TempDir()
	for _, top := range []string{"base", "overlays"} {
		if err := os.CopyFS(filepath.Join(dir, top), os.DirFS(filepath.Join(root, top))); err != nil {
			t.Fatal(err)
		}
	}
	components, err := os.ReadDir(filepath.Join(root, "overlays/components"))
	if err != nil {
		t.Fatal(err)
	}
	var renders []*cluster
	for _, overlay := range overlays {
		renders = append(renders, load(t, overlay, nil))
		has, _ := readKustomization(t, "overlays/"+overlay)["components"].([]any)
		for _, c := range components {
			if slices.Contains(has, any("../components/"+c.Name())) {
				continue
			}
			renders = append(renders, withComponent(t, dir, overlay, c.Name()))
		}
	}
	return renders
}

// withComponent renders an overlay of the copy in dir with one component more.
func withComponent(t *testing.T, dir, overlay, component string) *cluster {
	t.Helper()
	folder := filepath.Join(dir, "overlays", overlay+"-"+component)
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: %s\nresources: [../%s]\ncomponents: [../components/%s]\n",
		namespace, overlay, component)
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	yaml, err := kustomize(folder)
	if err != nil {
		t.Fatalf("render %s with %s: %v", overlay, component, err)
	}
	list, err := parse(yaml)
	if err != nil {
		t.Fatal(err)
	}
	c, err := read(list)
	if err != nil {
		t.Fatalf("read %s with %s: %v", overlay, component, err)
	}
	return c
}

func TestArgoCD(t *testing.T) {
	t.Parallel()
	everything := withEachComponent(t)
	for _, c := range []struct {
		name   string
		broken func(project, app objects)
	}{
		{name: "as it is"},
		{"default project", func(_, app objects) { app.set("Application/rollcall", "default", "spec", "project") }},
		{"path that is not there", func(_, app objects) { app.set("Application/rollcall", "overlays/eks", "spec", "source", "path") }},
		{"repository that the project does not know", func(_, app objects) {
			app.set("Application/rollcall", "https://example.com/x.git", "spec", "source", "repoURL")
		}},
		{"other namespace", func(_, app objects) { app.set("Application/rollcall", "default", "spec", "destination", "namespace") }},
		{"nothing is pruned", func(_, app objects) { app.drop("Application/rollcall", "spec", "syncPolicy", "automated", "prune") }},
		{"changes by hand stay", func(_, app objects) {
			app.set("Application/rollcall", false, "spec", "syncPolicy", "automated", "selfHeal")
		}},
		{"may render to nothing", func(_, app objects) {
			app.set("Application/rollcall", true, "spec", "syncPolicy", "automated", "allowEmpty")
		}},
		{"no retry", func(_, app objects) { app.drop("Application/rollcall", "spec", "syncPolicy", "retry") }},
		{"what is ignored is overwritten", func(_, app objects) { app.drop("Application/rollcall", "spec", "syncPolicy", "syncOptions", 3) }},
		{"replicas of one not ignored", func(_, app objects) { app.drop("Application/rollcall", "spec", "ignoreDifferences", 2) }},
		{"more ignored", func(_, app objects) {
			app.set("Application/rollcall", "/spec", "spec", "ignoreDifferences", 0, "jsonPointers", 0)
		}},
		{"a revert that goes unseen", func(_, app objects) {
			app.set("Application/rollcall", "/base;/overlays/aws", "metadata", "annotations", "argocd.argoproj.io/manifest-generate-paths")
		}},
		{"the bad commit again and again", func(_, app objects) { app.drop("Application/rollcall", "spec", "syncPolicy", "retry", "refresh") }},
		{"long waits between tries", func(_, app objects) {
			app.set("Application/rollcall", "3m", "spec", "syncPolicy", "retry", "backoff", "maxDuration")
		}},
		{"any repository", func(project, _ objects) { project.set("AppProject/rollcall", "*", "spec", "sourceRepos", 0) }},
		{"any namespace", func(project, _ objects) {
			project.set("AppProject/rollcall", "*", "spec", "destinations", 0, "namespace")
		}},
		{"any kind", func(project, _ objects) {
			project.set("AppProject/rollcall", "*", "spec", "clusterResourceWhitelist", 0, "kind")
		}},
		{"a component's kind that is not allowed", func(project, _ objects) {
			project.set("AppProject/rollcall", "ServiceMonitor", "spec", "namespaceResourceWhitelist", 14, "kind")
		}},
		{"volumes that are not allowed", func(project, _ objects) { project.drop("AppProject/rollcall", "spec", "clusterResourceWhitelist", 1) }},
		{"a kind that is not allowed", func(project, _ objects) { project.drop("AppProject/rollcall", "spec", "namespaceResourceWhitelist", 3) }},
		{"a kind that is not there", func(project, _ objects) {
			project.set("AppProject/rollcall", map[string]any{"group": "", "kind": "Pod"}, "spec", "namespaceResourceWhitelist", end)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			project := readFile(t, "argocd/project.yaml")
			var found problems
			for _, overlay := range overlays {
				app := readFile(t, "argocd/"+overlay+".yaml")
				if c.broken != nil && overlay == "aws" {
					c.broken(project, app)
				}
				found = append(found, application(overlay, app[0], project[0], load(t, overlay, nil))...)
			}
			found = append(found, projects(project[0], everything...)...)
			if got, want := len(found) > 0, c.broken != nil; got != want {
				t.Errorf("found %q, broken: %v", found, want)
			}
		})
	}
}

// dig returns what lies at a path.
func dig[T any](o object, path ...string) T {
	var at any = map[string]any(o)
	for _, key := range path {
		m, _ := at.(map[string]any)
		at = m[key]
	}
	v, _ := at.(T)
	return v
}

func application(overlay string, app, project object, c *cluster) (found problems) {
	policy := dig[map[string]any](app, "spec", "syncPolicy")
	automated := dig[map[string]any](app, "spec", "syncPolicy", "automated")
	if automated["prune"] != true || automated["selfHeal"] != true || automated["allowEmpty"] != false {
		found.add("%s: git does not decide: %v", overlay, automated)
	}
	for _, option := range []string{"PruneLast=true", "ServerSideApply=true", "ApplyOutOfSyncOnly=true", "RespectIgnoreDifferences=true"} {
		if options, _ := policy["syncOptions"].([]any); !slices.Contains(options, any(option)) {
			found.add("%s: without %s", overlay, option)
		}
	}
	if limit := dig[float64](app, "spec", "syncPolicy", "retry", "limit"); limit < 3 {
		found.add("%s: tried %v times again", overlay, limit)
	}
	if app.text("spec", "project") != project.name() {
		found.add("%s is of project %s", overlay, app.text("spec", "project"))
	}
	if path := app.text("spec", "source", "path"); path != "overlays/"+overlay {
		found.add("%s deploys %s", overlay, path)
	}
	if paths := app.annotation("argocd.argoproj.io/manifest-generate-paths"); paths != "" {
		found.add("%s: a revert changes nothing in %s and would not be seen", overlay, paths)
	}
	if dig[bool](app, "spec", "syncPolicy", "retry", "refresh") != true {
		found.add("%s: a bad commit is tried again, although there is a newer one", overlay)
	}
	wait, err := time.ParseDuration(app.text("spec", "syncPolicy", "retry", "backoff", "maxDuration"))
	if err != nil || wait > 30*time.Second {
		found.add("%s: a revert may wait for %s between two tries", overlay, wait)
	}
	if repo := app.text("spec", "source", "repoURL"); !slices.Contains(dig[[]any](project, "spec", "sourceRepos"), any(repo)) {
		found.add("%s: the project does not know %s", overlay, repo)
	}
	target := fmt.Sprint(dig[map[string]any](app, "spec", "destination"))
	if list := dig[[]any](project, "spec", "destinations"); len(list) != 1 || fmt.Sprint(list[0]) != target {
		found.add("%s: the project does not go to %s", overlay, target)
	}
	var ignored []string
	for _, e := range dig[[]any](app, "spec", "ignoreDifferences") {
		ignored = append(ignored, fmt.Sprint(e))
	}
	var want []string
	for _, name := range sortedKeys(scalers(c)) {
		want = append(want, fmt.Sprint(map[string]any{"group": "apps", "kind": "Deployment", "name": name, "jsonPointers": []any{"/spec/replicas"}}))
	}
	if !slices.Equal(ignored, want) {
		found.add("%s ignores %v, scaled are %v", overlay, ignored, want)
	}
	return found
}

func projects(project object, renders ...*cluster) (found problems) {
	want := map[string]bool{}
	for _, c := range renders {
		for _, o := range c.objects {
			list := "namespaceResourceWhitelist"
			// kustomize gives each kind that it does not know a namespace. API server and Argo CD drop it.
			if o.text("metadata", "namespace") == "" || o.kind() == "ClusterImagePolicy" {
				list = "clusterResourceWhitelist"
			}
			want[list+" "+o.group()+"/"+o.kind()] = true
		}
	}
	for _, list := range []string{"clusterResourceWhitelist", "namespaceResourceWhitelist"} {
		for _, e := range dig[[]any](project, "spec", list) {
			m, _ := e.(map[string]any)
			key := fmt.Sprintf("%s %v/%v", list, m["group"], m["kind"])
			if !want[key] {
				found.add("the project allows %s, which is nowhere", key)
			}
			delete(want, key)
		}
	}
	for key := range want {
		found.add("the project does not allow %s", key)
	}
	if strings.Contains(fmt.Sprint(project["spec"]), "*") {
		found.add("the project allows anything")
	}
	return found
}
