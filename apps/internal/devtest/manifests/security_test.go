package manifests

import (
	"crypto/sha256"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
)

func security() []check {
	pod := []any{"spec", "template", "spec"}
	in := func(c string, rest ...any) []any {
		return append(append([]any{}, append(pod, "containers", c)...), rest...)
	}
	return []check{
		{
			name: "Pod Security restricted takes every pod",
			find: restricted,
			broken: []mutation{
				{name: "root", edit: func(l *objects) {
					l.set("Deployment/receiver", false, append(pod, "securityContext", "runAsNonRoot")...)
				}},
				{name: "capability", edit: func(l *objects) { l.drop("Deployment/receiver", in("receiver", "securityContext", "capabilities")...) }},
				{name: "more rights", edit: func(l *objects) {
					l.drop("Deployment/receiver", in("receiver", "securityContext", "allowPrivilegeEscalation")...)
				}},
				{name: "no seccomp", edit: func(l *objects) { l.drop("StatefulSet/mysql", append(pod, "securityContext", "seccompProfile")...) }},
				{name: "folder of the node", edit: func(l *objects) {
					l.set("Deployment/recognizer", map[string]any{"name": "known-people", "hostPath": map[string]any{"path": "/"}}, append(pod, "volumes", "known-people")...)
				}},
				{name: "port of the node", edit: func(l *objects) { l.set("Deployment/receiver", 80, in("receiver", "ports", "http", "hostPort")...) }},
				{name: "network of the node", edit: func(l *objects) { l.set("Deployment/receiver", true, append(pod, "hostNetwork")...) }},
				{name: "the cron job, too", edit: func(l *objects) {
					l.drop("CronJob/redeemer", "spec", "jobTemplate", "spec", "template", "spec", "securityContext", "seccompProfile")
				}},
			},
		},
		{
			name: "the namespace asks for it",
			find: func(c *cluster) (found problems) {
				for _, o := range c.objects {
					if o.kind() == "Namespace" && (o.label("pod-security.kubernetes.io/enforce") != "restricted" || o.label("pod-security.kubernetes.io/enforce-version") == "") {
						found.add("the namespace takes any pod")
					}
				}
				return found
			},
			broken: []mutation{{name: "baseline", edit: func(l *objects) {
				l.set("Namespace/rollcall", "baseline", "metadata", "labels", "pod-security.kubernetes.io/enforce")
			}}},
		},
		{
			name: "containers cannot write, and are nobody",
			find: confined,
			broken: []mutation{
				{name: "root file system", edit: func(l *objects) {
					l.drop("Deployment/receiver", in("receiver", "securityContext", "readOnlyRootFilesystem")...)
				}},
				{name: "a user of the node", edit: func(l *objects) { l.set("Deployment/receiver", 1000, append(pod, "securityContext", "runAsUser")...) }},
				{name: "the group root", edit: func(l *objects) { l.set("Deployment/receiver", 0, append(pod, "securityContext", "runAsGroup")...) }},
				{name: "no end of a folder", edit: func(l *objects) {
					l.set("Deployment/receiver", map[string]any{}, append(pod, "volumes", "nsqd-data", "emptyDir")...)
				}},
				{name: "default account", edit: func(l *objects) { l.set("Deployment/receiver", "default", append(pod, "serviceAccountName")...) }},
				{name: "account of another", edit: func(l *objects) { l.set("Deployment/receiver", "frontend", append(pod, "serviceAccountName")...) }},
				{name: "token", edit: func(l *objects) { l.drop("Deployment/receiver", append(pod, "automountServiceAccountToken")...) }},
				{name: "token of the account", edit: func(l *objects) { l.drop("ServiceAccount/receiver", "automountServiceAccountToken") }},
			},
		},
		{
			name: "no secret where it can be read",
			find: secrecy,
			broken: []mutation{
				{name: "in a variable", edit: func(l *objects) {
					l.set("Deployment/receiver", map[string]any{"name": "MYSQL_USERPASSWORD", "value": "root:x"}, in("receiver", "env", "MYSQL_USERPASSWORD_FILE")...)
				}},
				{name: "in an argument", edit: func(l *objects) {
					l.set("StatefulSet/mysql", "--password=$(MYSQL_PASSWORD)", in("mysql", "args", end)...)
				}},
				{name: "in the config map", edit: func(l *objects) { l.set("ConfigMap/pipeline", "root:x", "data", "MYSQL_USERPASSWORD") }},
				{name: "in git, not marked", edit: func(l *objects) {
					l.drop("Secret/mysql-credentials", "metadata", "labels", "rollcall.dev/insecure")
				}},
				{name: "in git, for the cloud", overlay: "aws", edit: func(l *objects) {
					l.add("apiVersion: v1\nkind: Secret\nmetadata: {name: mysql-credentials}\ndata: {userpassword: eA==}")
				}},
			},
		},
		{
			name: "the REST API asks for keys, and public ones are for development",
			find: apiKeys,
			broken: []mutation{
				{name: "no keys", edit: func(l *objects) { l.drop("Deployment/receiver", in("receiver", "env", "ROLLCALL_KEYS_FILE")...) }},
				{name: "an open API", edit: func(l *objects) {
					l.set("Deployment/receiver", map[string]any{"name": "ROLLCALL_OPEN_API", "value": "true"}, in("receiver", "env", end)...)
				}},
				{name: "open to posts in the cloud", overlay: "aws", edit: func(l *objects) {
					l.set("Deployment/receiver", map[string]any{"name": "ROLLCALL_OPEN_INGEST", "value": "true"}, in("receiver", "env", end)...)
				}},
				{name: "a file that the receiver refuses", edit: func(l *objects) { l.set("Secret/api-keys", "eA==", "data", "keys.json") }},
				{name: "another key for scripts", edit: func(l *objects) { l.set("Secret/api-keys", "eA==", "data", "key") }},
			},
		},
		{
			name: "every container says what it needs and where it ends",
			// The trial slows recognizers down on purpose.
			only: func(folder string) bool { return folder != "tests/minikube-autoscaling" },
			find: resources,
			broken: []mutation{
				{name: "no request", edit: func(l *objects) { l.drop("Deployment/receiver", in("receiver", "resources", "requests", "cpu")...) }},
				{name: "no limit", edit: func(l *objects) { l.drop("Deployment/receiver", in("receiver", "resources", "limits", "memory")...) }},
				{name: "more than the limit", edit: func(l *objects) {
					l.set("Deployment/receiver", "1Gi", in("receiver", "resources", "requests", "memory")...)
				}},
				{name: "no disk", edit: func(l *objects) {
					l.drop("CronJob/redeemer", "spec", "jobTemplate", "spec", "template", "spec", "containers", 0, "resources", "limits", "ephemeral-storage")
				}},
				{name: "queue larger than its container may be", edit: func(l *objects) {
					l.set("Deployment/receiver", "2Gi", append(pod, "volumes", "nsqd-data", "emptyDir", "sizeLimit")...)
				}},
				{name: "CPU cut off", edit: func(l *objects) {
					l.set("Deployment/recognizer", "1", in("recognizer", "resources", "limits", "cpu")...)
				}},
			},
		},
		{
			name: "a recognizer may use all of its budgets at once",
			find: budgeted,
			broken: []mutation{
				{name: "one more worker", edit: func(l *objects) {
					l.set("Deployment/recognizer", "3", in("recognizer", "env", "ROLLCALL_ENGINES", "value")...)
				}},
				{name: "less than its workers", overlay: "aws", edit: func(l *objects) {
					l.set("Deployment/recognizer", "2Gi", in("recognizer", "resources", "limits", "memory")...)
				}},
				{name: "a larger index", edit: func(l *objects) {
					l.set("Deployment/recognizer", map[string]any{"name": "ROLLCALL_FACE_INDEX_MEMORY", "value": "1024"}, in("recognizer", "env", end)...)
				}},
			},
		},
		{
			name: "minikube with two CPUs and 6 GB has room for two of each, and for an update",
			only: func(folder string) bool { return folder == "tests/minikube-availability" },
			find: roomForUpdates,
			broken: []mutation{{name: "a third recognizer", overlay: "tests/minikube-availability", edit: func(l *objects) {
				l.set("Deployment/recognizer", "500m", in("recognizer", "resources", "requests", "cpu")...)
			}}},
		},
		{
			name: "minikube with two CPUs and 4 GB has room",
			only: oneReplica,
			find: func(c *cluster) (found problems) {
				cpu, memory := c.requests()
				if limit := resource.MustParse("1500m"); cpu.Cmp(limit) > 0 {
					found.add("the pods ask for %s CPU", cpu.String())
				}
				if limit := resource.MustParse("3Gi"); memory.Cmp(limit) > 0 {
					found.add("the pods ask for %s of memory", memory.String())
				}
				return found
			},
			broken: []mutation{
				{name: "CPU", edit: func(l *objects) {
					l.set("Deployment/recognizer", "2", in("recognizer", "resources", "requests", "cpu")...)
				}},
				{name: "memory of a sidecar", edit: func(l *objects) {
					l.set("Deployment/receiver", "2Gi", append(pod, "initContainers", "nsqd", "resources", "requests", "memory")...)
				}},
				{name: "memory of an init container", edit: func(l *objects) {
					l.set("Deployment/receiver", "3Gi", append(pod, "initContainers", "migrate", "resources", "requests", "memory")...)
				}},
			},
		},
	}
}

// budgeted adds up what docs/operations.md says of a recognizer's memory. The index counts
// twice, because Go collects when the heap has doubled.
func budgeted(c *cluster) (found problems) {
	w, _ := c.workload("recognizer")
	in, _ := w.container("recognizer")
	cfg := recognizer.ReadConfig(config.NewReader(config.Map(c.env(in))))
	o := cfg.Options
	need := int64(o.Engines)*cfg.Worker.PictureMemory + o.FileMemory + o.CallMemory + 2*max(o.FaceIndexMemory, 0)
	if limit := in.Resources.Limits.Memory(); limit.Value() < need {
		found.add("%s may have %s, and its budgets are %d MiB", w, limit, need>>20)
	}
	return found
}

// roomForUpdates adds to what runs the pod more that an update of each Deployment
// brings: were there no room for it, the update would wait for ever.
func roomForUpdates(c *cluster) (found problems) {
	cpu, memory := c.requests()
	for _, d := range c.deployments {
		one := int32(1)
		w, _ := c.workload(d.Name)
		w.replicas = &one
		for range d.Spec.Strategy.RollingUpdate.MaxSurge.IntValue() {
			moreCPU, moreMemory := (&cluster{workloads: []workload{w}}).requests()
			cpu.Add(moreCPU)
			memory.Add(moreMemory)
		}
	}
	if limit := resource.MustParse("1250m"); cpu.Cmp(limit) > 0 { // kube-system asks for 750m
		found.add("the pods ask for %s CPU while all are updated", cpu.String())
	}
	if limit := resource.MustParse("5Gi"); memory.Cmp(limit) > 0 {
		found.add("the pods ask for %s of memory while all are updated", memory.String())
	}
	return found
}

func restricted(c *cluster) (found problems) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		found.add("%v", err)
		return found
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, w := range c.workloads {
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &w.pod.ObjectMeta, &w.pod.Spec))
		if !result.Allowed {
			found.add("%s: %s", w, result.ForbiddenDetail())
		}
	}
	return found
}

func confined(c *cluster) (found problems) {
	for _, a := range c.accounts {
		if a.AutomountServiceAccountToken == nil || *a.AutomountServiceAccountToken {
			found.add("ServiceAccount/%s hands out its token", a.Name)
		}
	}
	for _, w := range c.workloads {
		s := w.pod.Spec
		if s.ServiceAccountName != w.name || s.AutomountServiceAccountToken == nil || *s.AutomountServiceAccountToken {
			found.add("%s runs as %q, and may have its token", w, s.ServiceAccountName)
		}
		user, group := int64(10000), int64(10000)
		if w.name == "mysql" {
			user, group = 999, 999 // the image's
		}
		ctx := s.SecurityContext
		if ctx == nil || ctx.RunAsUser == nil || *ctx.RunAsUser < user || ctx.RunAsGroup == nil || *ctx.RunAsGroup < group {
			found.add("%s is no user of its own", w)
		}
		for _, in := range w.containers() {
			if sc := in.SecurityContext; sc == nil || sc.ReadOnlyRootFilesystem == nil || !*sc.ReadOnlyRootFilesystem || sc.RunAsUser != nil {
				found.add("%s, %s can write to its image, or is another user", w, in.Name)
			}
		}
		for _, v := range s.Volumes {
			if v.EmptyDir != nil && v.EmptyDir.SizeLimit == nil {
				found.add("%s: %s may fill the node", w, v.Name)
			}
		}
	}
	return found
}

var (
	secretName = regexp.MustCompile(`(?i)pass|secret|token|dsn`)
	expanded   = regexp.MustCompile(`\$\(([A-Z_]+)\)`)
)

func secrecy(c *cluster) (found problems) {
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			for _, e := range in.Env {
				if secretName.MatchString(e.Name) && !strings.HasSuffix(e.Name, "_FILE") {
					found.add("%s, %s: %s is shown by kubectl describe", w, in.Name, e.Name)
				}
			}
			for _, arg := range slices.Concat(in.Args, in.Command) {
				if m := expanded.FindStringSubmatch(arg); m != nil && secretName.MatchString(m[1]) {
					found.add("%s, %s: every process of the node sees %s", w, in.Name, arg)
				}
			}
		}
	}
	for _, m := range c.configMaps {
		for key := range m.Data {
			if secretName.MatchString(key) {
				found.add("ConfigMap/%s has %s", m.Name, key)
			}
		}
	}
	external := false
	for _, o := range c.objects {
		external = external || o.kind() == "ExternalSecret"
	}
	for _, s := range c.secrets {
		if external || s.Labels["rollcall.dev/insecure"] != "true" {
			found.add("Secret/%s is in git", s.Name)
		}
	}
	return found
}

func resources(c *cluster) (found problems) {
	for _, w := range c.workloads {
		disk := resource.Quantity{}
		for _, v := range w.pod.Spec.Volumes {
			if v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil {
				disk.Add(*v.EmptyDir.SizeLimit)
			}
		}
		limits := resource.Quantity{}
		for _, in := range w.containers() {
			r := in.Resources
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
				request, ok := r.Requests[name]
				if !ok {
					found.add("%s, %s asks for no %s", w, in.Name, name)
				}
				limit, limited := r.Limits[name]
				switch {
				case name == corev1.ResourceCPU && limited:
					found.add("%s, %s is slowed down at %s CPU though nobody else may want it", w, in.Name, limit.String())
				case name != corev1.ResourceCPU && (!limited || request.Cmp(limit) > 0):
					found.add("%s, %s may have any %s, or less than it asks for", w, in.Name, name)
				}
			}
			limits.Add(r.Limits[corev1.ResourceEphemeralStorage])
		}
		if disk.Cmp(limits) > 0 {
			found.add("%s has folders of %s, and is thrown out at %s", w, disk.String(), limits.String())
		}
	}
	return found
}

// requests adds up as the scheduler does: a pod needs its containers and
// sidecars together, or its largest init container where that is more.
func (c *cluster) requests() (cpu, memory resource.Quantity) {
	for _, w := range c.workloads {
		n := 1
		if w.replicas != nil {
			n = int(*w.replicas)
		}
		for _, sum := range []struct {
			name  corev1.ResourceName
			total *resource.Quantity
		}{{corev1.ResourceCPU, &cpu}, {corev1.ResourceMemory, &memory}} {
			var runs, begins resource.Quantity
			for _, in := range w.containers() {
				switch request := in.Resources.Requests[sum.name]; {
				case in.serves || w.job:
					runs.Add(request)
				case request.Cmp(begins) > 0:
					begins = request
				}
			}
			if begins.Cmp(runs) > 0 {
				runs = begins
			}
			for range n {
				sum.total.Add(runs)
			}
		}
	}
	return cpu, memory
}

func apiKeys(c *cluster) (found problems) {
	w, ok := c.workload("receiver")
	if !ok {
		return found
	}
	env := map[string]string{}
	for _, in := range w.containers() {
		if in.Name == "receiver" {
			env = c.env(in)
		}
	}
	if env["ROLLCALL_KEYS_FILE"] == "" {
		found.add("%s does not know the file of keys", w)
	}
	if v, ok := env["ROLLCALL_OPEN_API"]; ok {
		found.add("%s: ROLLCALL_OPEN_API is %s", w, v)
	}
	public := false
	for _, s := range c.secrets {
		if s.Labels["app.kubernetes.io/name"] != "api-keys" {
			continue
		}
		public = true
		if problem := checkPublicKeys(s.Data); problem != nil {
			found.add("Secret/api-keys: %v", problem)
		}
	}
	if open := env["ROLLCALL_OPEN_INGEST"] == "true"; open != public {
		found.add("%s takes pictures without a key: %v; its keys are public: %v", w, open, public)
	}
	return found
}

// checkPublicKeys checks that a receiver takes the declared keys, and that scripts
// find the one that may do everything.
func checkPublicKeys(data map[string][]byte) error {
	file, err := os.CreateTemp("", "keys-*.json")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(data["keys.json"])
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	keys, err := access.ReadFile(file.Name())
	if err != nil {
		return err
	}
	id, secret, ok := access.ParseKey(string(data["key"]))
	if !ok || keys[id].Hash != sha256.Sum256([]byte(secret)) || !keys[id].Scopes.Has(access.Admin) {
		return errors.New("key is not one of keys.json with the scope admin")
	}
	return nil
}
