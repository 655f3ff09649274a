package manifests

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
)

func availability() []check {
	return []check{
		{
			name: "a drain takes one at a time, and is never stuck",
			find: budgets,
			broken: []mutation{
				{name: "one must stay, of one", overlay: "aws", edit: func(l *objects) {
					l.drop("PodDisruptionBudget/receiver", "spec", "maxUnavailable")
					l.set("PodDisruptionBudget/receiver", 1, "spec", "minAvailable")
				}},
				{name: "a node of the database that gives its data away goes", overlay: "tests/aws-galera", edit: func(l *objects) {
					l.set("PodDisruptionBudget/mysql", "AlwaysAllow", "spec", "unhealthyPodEvictionPolicy")
				}},
				{name: "broken pods stay", overlay: "aws", edit: func(l *objects) { l.drop("PodDisruptionBudget/receiver", "spec", "unhealthyPodEvictionPolicy") }},
				{name: "nobody's", overlay: "aws", edit: func(l *objects) {
					l.set("PodDisruptionBudget/receiver", "api", "spec", "selector", "matchLabels", "app.kubernetes.io/name")
				}},
				{name: "missing", overlay: "aws", edit: func(l *objects) { l.remove("PodDisruptionBudget/recognizer") }},
			},
		},
		{
			name: "replicas are spread",
			only: available,
			find: spread,
			broken: []mutation{
				{name: "not at all", overlay: "aws", edit: func(l *objects) {
					l.drop("Deployment/receiver", "spec", "template", "spec", "topologySpreadConstraints")
				}},
				{name: "from others", overlay: "aws", edit: func(l *objects) {
					l.set("Deployment/receiver", "frontend", "spec", "template", "spec", "topologySpreadConstraints", 0, "labelSelector", "matchLabels", "app.kubernetes.io/name")
				}},
				{name: "over nodes only", overlay: "aws", edit: func(l *objects) {
					l.drop("Deployment/receiver", "spec", "template", "spec", "topologySpreadConstraints", 0)
				}},
			},
		},
		{
			name: "one owner of the number of replicas",
			find: owners,
			broken: []mutation{
				{name: "git, too", overlay: "aws", edit: func(l *objects) { l.set("Deployment/receiver", 2, "spec", "replicas") }},
				{name: "nobody", edit: func(l *objects) { l.drop("Deployment/receiver", "spec", "replicas") }},
				{name: "two autoscalers", overlay: "aws", edit: func(l *objects) {
					l.set("HorizontalPodAutoscaler/receiver", "processor", "spec", "scaleTargetRef", "name")
				}},
				{name: "of nothing", overlay: "aws", edit: func(l *objects) { l.set("ScaledObject/processor", "worker", "spec", "scaleTargetRef", "name") }},
				{name: "down to one", overlay: "aws", edit: func(l *objects) { l.set("HorizontalPodAutoscaler/receiver", 1, "spec", "minReplicas") }},
				{name: "never", overlay: "aws", edit: func(l *objects) { l.set("HorizontalPodAutoscaler/receiver", 2, "spec", "maxReplicas") }},
				{name: "by a container that is not there", overlay: "aws", edit: func(l *objects) {
					l.set("HorizontalPodAutoscaler/receiver", "api", "spec", "metrics", 0, "containerResource", "container")
				}},
				{name: "by the whole pod", overlay: "aws", edit: func(l *objects) {
					l.set("HorizontalPodAutoscaler/receiver", "Resource", "spec", "metrics", 0, "type")
				}},
			},
		},
		{
			name: "the queue's scaler speaks KEDA's language",
			find: scaler,
			broken: []mutation{
				{name: "down to none", overlay: "aws", edit: func(l *objects) { l.set("ScaledObject/processor", float64(0), "spec", "minReplicaCount") }},
				{name: "no fallback", overlay: "aws", edit: func(l *objects) { l.drop("ScaledObject/processor", "spec", "fallback") }},
				{name: "unknown key", overlay: "aws", edit: func(l *objects) { l.set("ScaledObject/processor", "5", "spec", "triggers", 0, "metadata", "depth") }},
				{name: "number for text", overlay: "aws", edit: func(l *objects) {
					l.set("ScaledObject/processor", 200, "spec", "triggers", 0, "metadata", "depthThreshold")
				}},
				{name: "other queue", overlay: "aws", edit: func(l *objects) { l.set("ScaledObject/processor", "kafka", "spec", "triggers", 0, "type") }},
				{name: "a pause that only a step to none has", overlay: "aws", edit: func(l *objects) {
					l.set("ScaledObject/processor", float64(300), "spec", "cooldownPeriod")
				}},
				{name: "the default pause", overlay: "aws", edit: func(l *objects) { l.drop("ScaledObject/processor", "spec", "advanced") }},
			},
		},
		{
			name: "processors keep all engines busy, and wait for none of them until a call times out",
			find: calls,
			broken: []mutation{
				{name: "many processors, few recognizers", overlay: "aws", edit: func(l *objects) {
					l.set("ScaledObject/processor", float64(10), "spec", "maxReplicaCount")
				}},
				{name: "many calls of each", overlay: "aws", edit: func(l *objects) {
					l.set("Deployment/processor", map[string]any{"name": "ROLLCALL_CALLS", "value": "24"}, "spec", "template", "spec", "containers", 0, "env", end)
				}},
				{name: "recognizers that nobody asks", overlay: "aws", edit: func(l *objects) {
					l.set("HorizontalPodAutoscaler/recognizer", 20, "spec", "maxReplicas")
				}},
			},
		},
	}
}

// callsPerEngine is how many calls there may be for each engine. A picture may take that
// part of the time limit of a call (30 s), or all calls time out while they wait.
const callsPerEngine = 8

// calls compares what all processors ask at once with the engines of all recognizers.
func calls(c *cluster) (found problems) {
	asking, _ := c.workload("processor")
	answering, _ := c.workload("recognizer")
	in, _ := asking.container("processor")
	each := processor.ReadOptions(config.NewReader(config.Map(c.env(in)))).Calls
	in, _ = answering.container("recognizer")
	engines, err := strconv.Atoi(c.env(in)["ROLLCALL_ENGINES"])
	if err != nil {
		found.add("the recognizers' engines: %v", err)
	}
	most := each * c.most(asking)
	if least := engines * c.least(answering); most > callsPerEngine*least {
		found.add("%d calls at once for %d engines, while there are the fewest recognizers", most, least)
	}
	if all := engines * c.most(answering); most < all {
		found.add("%d calls at once for %d engines, while there are the most recognizers", most, all)
	}
	return found
}

// least is how few replicas there can be.
func (c *cluster) least(w workload) int {
	for _, h := range c.autoscalers {
		if h.Spec.ScaleTargetRef.Name == w.name && h.Spec.MinReplicas != nil {
			return int(*h.Spec.MinReplicas)
		}
	}
	return c.most(w)
}

// served lists what must not go all at once.
func served(c *cluster) []workload {
	return slices.DeleteFunc(slices.Clone(c.workloads), func(w workload) bool {
		several := w.name == "mysql" && *w.replicas > 1
		return w.kind != "Deployment" && w.name != "nsqlookupd" && !several
	})
}

func budgets(c *cluster) (found problems) {
	for _, b := range c.budgets {
		if b.Spec.MaxUnavailable == nil || b.Spec.MaxUnavailable.IntValue() != 1 || b.Spec.MinAvailable != nil {
			found.add("PodDisruptionBudget/%s may keep a node from being drained", b.Name)
		}
		want := policyv1.AlwaysAllow
		if b.Name == "mysql" { // one that gives its data to another one is not ready, and not broken
			want = policyv1.IfHealthyBudget
		}
		if p := b.Spec.UnhealthyPodEvictionPolicy; p == nil || *p != want {
			found.add("PodDisruptionBudget/%s must say %s of pods that are not ready", b.Name, want)
		}
	}
	if len(c.budgets) == 0 || len(c.budgets) == 1 && c.budgets[0].Name == "mysql" { // one replica of each program
		return found
	}
	for _, w := range served(c) {
		if !slices.ContainsFunc(c.budgets, func(b policyv1.PodDisruptionBudget) bool {
			return maps.Equal(b.Spec.Selector.MatchLabels, w.selector.MatchLabels)
		}) {
			found.add("%s may lose all its pods at once", w)
		}
	}
	if len(c.budgets) != len(served(c)) {
		found.add("%d budgets for %d", len(c.budgets), len(served(c)))
	}
	return found
}

func spread(c *cluster) (found problems) {
	for _, w := range served(c) {
		over := map[string]bool{}
		for _, t := range w.pod.Spec.TopologySpreadConstraints {
			strict := w.name == "mysql" && t.TopologyKey == corev1.LabelHostname // see nodes
			if (strict || t.WhenUnsatisfiable == corev1.ScheduleAnyway) && t.MaxSkew == 1 && maps.Equal(t.LabelSelector.MatchLabels, w.selector.MatchLabels) {
				over[t.TopologyKey] = true
			}
		}
		if !over[corev1.LabelTopologyZone] || !over[corev1.LabelHostname] {
			found.add("%s is spread over %v", w, sortedKeys(over))
		}
	}
	return found
}

// scalers counts the autoscalers of each Deployment.
func scalers(c *cluster) map[string]int {
	count := map[string]int{}
	for _, h := range c.autoscalers {
		count[h.Spec.ScaleTargetRef.Name]++
	}
	for _, o := range c.objects {
		if o.kind() == "ScaledObject" {
			count[o.text("spec", "scaleTargetRef", "name")]++
		}
	}
	return count
}

func owners(c *cluster) (found problems) {
	scaled := scalers(c)
	for _, d := range c.deployments {
		switch {
		case scaled[d.Name] > 1:
			found.add("Deployment/%s has two autoscalers", d.Name)
		case (scaled[d.Name] == 1) == (d.Spec.Replicas != nil):
			found.add("Deployment/%s: the number of replicas is somebody's, and of one only", d.Name)
		}
		delete(scaled, d.Name)
	}
	for name := range scaled {
		found.add("an autoscaler is for %s, which is not there", name)
	}
	for _, h := range c.autoscalers {
		if h.Spec.MinReplicas == nil || *h.Spec.MinReplicas < 2 || h.Spec.MaxReplicas <= *h.Spec.MinReplicas {
			found.add("HorizontalPodAutoscaler/%s does not scale", h.Name)
		}
		w, _ := c.workload(h.Spec.ScaleTargetRef.Name)
		for _, m := range h.Spec.Metrics {
			// A sidecar's idleness would hide what the program has to do.
			if m.Type != autoscalingv2.ContainerResourceMetricSourceType || m.ContainerResource == nil {
				found.add("HorizontalPodAutoscaler/%s looks at the whole pod", h.Name)
				continue
			}
			in, ok := w.container(m.ContainerResource.Container)
			if _, asked := in.Resources.Requests[m.ContainerResource.Name]; !ok || !asked {
				found.add("HorizontalPodAutoscaler/%s looks at %s of %q, which asks for none", h.Name, m.ContainerResource.Name, m.ContainerResource.Container)
			}
		}
	}
	return found
}

func scaler(c *cluster) (found problems) {
	known := []string{"type", "nsqLookupdHTTPAddresses", "topic", "channel", "depthThreshold", "activationDepthThreshold", "useHttps", "unsafeSsl"}
	for _, o := range c.objects {
		if o.kind() != "ScaledObject" {
			continue
		}
		spec, _ := o["spec"].(map[string]any)
		if least, _ := spec["minReplicaCount"].(float64); least < 1 || spec["fallback"] == nil {
			found.add("%s: messages in flight would be nobody's", o.ref())
		}
		if spec["cooldownPeriod"] != nil || !hasPause(o) {
			found.add("%s: the pause before it scales down is not said, or not where it counts", o.ref())
		}
		list, _ := spec["triggers"].([]any)
		for _, t := range list {
			trigger, _ := t.(map[string]any)
			meta, _ := trigger["metadata"].(map[string]any)
			if trigger["type"] != "nsq" {
				found.add("%s is of type %v", o.ref(), trigger["type"])
			}
			for key, value := range meta {
				if _, ok := value.(string); !ok || !slices.Contains(known, key) {
					found.add("%s: KEDA knows no %s: %v", o.ref(), key, value)
				}
			}
		}
	}
	return found
}

// hasPause reports whether the HPA that KEDA makes is told how long to wait before it
// scales down. KEDA's own cooldownPeriod is for the step to no replica at all.
func hasPause(o object) bool {
	var spec struct {
		Advanced struct {
			HPA struct {
				Behavior autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior"`
			} `json:"horizontalPodAutoscalerConfig"`
		} `json:"advanced"`
	}
	text, err := json.Marshal(o["spec"])
	if err == nil {
		err = json.Unmarshal(text, &spec)
	}
	down := spec.Advanced.HPA.Behavior.ScaleDown
	return err == nil && down != nil && down.StabilizationWindowSeconds != nil
}

func jobs() []check {
	spec := []any{"spec"}
	job := []any{"spec", "jobTemplate", "spec"}
	return []check{{
		name: "the cron job neither piles up nor stops for good",
		find: cronJobs,
		broken: []mutation{
			{name: "two at once", edit: func(l *objects) { l.drop("CronJob/redeemer", append(spec, "concurrencyPolicy")...) }},
			{name: "stops after 100 missed", edit: func(l *objects) { l.drop("CronJob/redeemer", append(spec, "startingDeadlineSeconds")...) }},
			{name: "into the next one", edit: func(l *objects) { l.set("CronJob/redeemer", 600, append(job, "activeDeadlineSeconds")...) }},
			{name: "a restore that is ended in the middle", overlay: "tests/aws-backup", edit: func(l *objects) { l.set("CronJob/restore", 14400, append(job, "activeDeadlineSeconds")...) }},
			{name: "the node's time", edit: func(l *objects) { l.drop("CronJob/redeemer", append(spec, "timeZone")...) }},
			{name: "again and again", edit: func(l *objects) { l.drop("CronJob/redeemer", append(job, "backoffLimit")...) }},
			{name: "gone before it is counted", edit: func(l *objects) { l.set("CronJob/redeemer", 60, append(job, "ttlSecondsAfterFinished")...) }},
			{name: "holds back a rollout", edit: func(l *objects) {
				l.drop("CronJob/redeemer", "metadata", "annotations", "argocd.argoproj.io/ignore-healthcheck")
			}},
			{name: "a sidecar that never ends", edit: func(l *objects) {
				l.set("CronJob/redeemer", []any{map[string]any{"name": "nsqd", "image": "nsqio/nsq:v1.3.0", "restartPolicy": "Always"}}, append(job, "template", "spec", "initContainers")...)
			}},
		},
	}}
}

// periodOf returns the seconds between two runs. A suspended job runs on request.
func periodOf(s batchv1.CronJobSpec) (int64, error) {
	fields := strings.Fields(s.Schedule)
	minutes, often := strings.CutPrefix(fields[0], "*/")
	n, err := strconv.Atoi(minutes)
	switch {
	case err != nil:
		return 0, fmt.Errorf("its period is not known: %w", err)
	case often:
		return int64((time.Duration(n) * time.Minute).Seconds()), nil
	case strings.HasSuffix(s.Schedule, " * * *") || s.Suspend != nil && *s.Suspend:
		return int64((24 * time.Hour).Seconds()), nil
	default:
		return 0, fmt.Errorf("its period is not known: %s", s.Schedule)
	}
}

func cronJobs(c *cluster) (found problems) {
	for _, j := range c.cronJobs {
		period, err := periodOf(j.Spec)
		if err != nil {
			found.add("CronJob/%s: %v", j.Name, err)
			continue
		}
		s, t := j.Spec, j.Spec.JobTemplate.Spec
		if s.ConcurrencyPolicy != batchv1.ForbidConcurrent {
			found.add("CronJob/%s runs beside itself", j.Name)
		}
		if s.StartingDeadlineSeconds == nil || *s.StartingDeadlineSeconds < 60 || *s.StartingDeadlineSeconds > period {
			found.add("CronJob/%s may stop for good", j.Name)
		}
		if s.TimeZone == nil || s.SuccessfulJobsHistoryLimit == nil || *s.SuccessfulJobsHistoryLimit > 3 || s.FailedJobsHistoryLimit == nil || *s.FailedJobsHistoryLimit > 3 {
			found.add("CronJob/%s has no time zone, or keeps too much", j.Name)
		}
		// What somebody starts by hand is to end by itself: half a restore is no system.
		ends := t.ActiveDeadlineSeconds != nil && *t.ActiveDeadlineSeconds < period
		if s.Suspend != nil && *s.Suspend {
			ends = t.ActiveDeadlineSeconds == nil
		}
		if !ends || t.BackoffLimit == nil || *t.BackoffLimit > 2 ||
			t.TTLSecondsAfterFinished != nil || t.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
			found.add("CronJob/%s: a pass does not end before the next one, or leaves no trace", j.Name)
		}
		if j.Annotations["argocd.argoproj.io/ignore-healthcheck"] != "true" {
			found.add("CronJob/%s: a pass that failed would hold back a rollout", j.Name)
		}
	}
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			if w.job && in.sidecar {
				found.add("%s has a sidecar, and would never end", w)
			}
		}
	}
	return found
}
