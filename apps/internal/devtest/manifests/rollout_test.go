package manifests

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

func rollout() []check {
	return []check{
		{
			name: "on one node an update takes nothing away, and never waits for a recognizer's room",
			only: oneReplica,
			find: func(c *cluster) (found problems) {
				for _, d := range c.deployments {
					s := d.Spec.Strategy
					surge, away := 1, 0
					if d.Name == "recognizer" {
						surge, away = 0, 1 // its memory is there once
					}
					if d.Spec.Replicas == nil || *d.Spec.Replicas != 1 || s.RollingUpdate == nil ||
						s.RollingUpdate.MaxSurge.IntValue() != surge || s.RollingUpdate.MaxUnavailable.IntValue() != away {
						found.add("Deployment/%s: want %d pod(s) more, %d away", d.Name, surge, away)
					}
				}
				return found
			},
			broken: []mutation{
				{name: "surge", edit: func(l *objects) { l.set("Deployment/recognizer", 1, "spec", "strategy", "rollingUpdate", "maxSurge") }},
				{name: "the only receiver away", edit: func(l *objects) {
					l.set("Deployment/receiver", 1, "spec", "strategy", "rollingUpdate", "maxUnavailable")
				}},
				{name: "the default strategy", edit: func(l *objects) { l.drop("Deployment/recognizer", "spec", "strategy") }},
				{name: "three of them", edit: func(l *objects) { l.set("Deployment/recognizer", 3, "spec", "replicas") }},
			},
		},
		{
			name: "where there are two, an update takes none away",
			only: available,
			find: func(c *cluster) (found problems) {
				for _, d := range c.deployments {
					s := d.Spec.Strategy.RollingUpdate
					if s == nil || s.MaxSurge.IntValue() != 1 || s.MaxUnavailable.String() != "0" || d.Spec.MinReadySeconds < 5 {
						found.add("Deployment/%s: a new pod must be ready for a while before an old one leaves", d.Name)
					}
					if d.Spec.Replicas != nil && *d.Spec.Replicas < 2 {
						found.add("Deployment/%s has %d replica", d.Name, *d.Spec.Replicas)
					}
				}
				return found
			},
			broken: []mutation{
				{name: "one away", overlay: "aws", edit: func(l *objects) {
					l.set("Deployment/receiver", 1, "spec", "strategy", "rollingUpdate", "maxUnavailable")
				}},
				{name: "ready at once", overlay: "aws", edit: func(l *objects) { l.drop("Deployment/receiver", "spec", "minReadySeconds") }},
				{name: "one replica", overlay: "tests/minikube-availability", edit: func(l *objects) { l.set("Deployment/receiver", 1, "spec", "replicas") }},
			},
		},
		{
			name: "a start that fails is noticed, and one that is slow is not taken for it",
			find: deadlines,
			broken: []mutation{
				{name: "sooner than the start may take", edit: func(l *objects) { l.set("Deployment/recognizer", 200, "spec", "progressDeadlineSeconds") }},
				{name: "much too late", edit: func(l *objects) { l.set("Deployment/recognizer", 3600, "spec", "progressDeadlineSeconds") }},
				{name: "migration may wait for longer", edit: func(l *objects) {
					l.set("Deployment/receiver", "15m", "spec", "template", "spec", "initContainers", "migrate", "env", "ROLLCALL_MIGRATE_WAIT", "value")
				}},
				{name: "many old replica sets", edit: func(l *objects) { l.drop("Deployment/receiver", "spec", "revisionHistoryLimit") }},
			},
		},
		{
			name: "the database is one, and comes back from a broken revision",
			find: func(c *cluster) (found problems) {
				for _, s := range c.statefulSets {
					if s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement {
						found.add("StatefulSet/%s: a broken revision would block the one that mends it", s.Name)
					}
					if s.Name != "mysql" {
						continue
					}
					if *s.Spec.Replicas != 1 {
						found = append(found, nodes(c, s)...)
					}
					keep := s.Spec.PersistentVolumeClaimRetentionPolicy
					if keep == nil || keep.WhenDeleted != appsv1.RetainPersistentVolumeClaimRetentionPolicyType || keep.WhenScaled != keep.WhenDeleted {
						found.add("MySQL's volume would go with it")
					}
					for _, claim := range s.Spec.VolumeClaimTemplates {
						if claim.Kind == "" || claim.APIVersion == "" {
							found.add("StatefulSet/mysql: Argo CD would see a difference for ever: claim %s has no kind", claim.Name)
						}
					}
				}
				return found
			},
			broken: []mutation{
				{name: "two", edit: func(l *objects) { l.set("StatefulSet/mysql", 2, "spec", "replicas") }},
				{name: "one that the others do not know", overlay: "tests/aws-galera", edit: func(l *objects) { l.set("StatefulSet/mysql", 5, "spec", "replicas") }},
				{name: "ready without being synced", overlay: "tests/aws-galera", edit: func(l *objects) {
					l.set("StatefulSet/mysql", []any{"true"}, "spec", "template", "spec", "containers", 0, "readinessProbe", "exec", "command")
				}},
				{name: "without names before they are ready", overlay: "tests/aws-galera", edit: func(l *objects) { l.drop("Service/mysql", "spec", "publishNotReadyAddresses") }},
				{name: "in order", edit: func(l *objects) { l.drop("StatefulSet/mysql", "spec", "podManagementPolicy") }},
				{name: "volume deleted", edit: func(l *objects) {
					l.set("StatefulSet/mysql", "Delete", "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted")
				}},
				{name: "claim without kind", edit: func(l *objects) { l.drop("StatefulSet/mysql", "spec", "volumeClaimTemplates", 0, "kind") }},
			},
		},
		{
			name: "no machine has two databases of a cluster",
			only: onAWS,
			find: machines,
			broken: []mutation{
				{name: "no rule", overlay: "tests/aws-galera", edit: func(l *objects) {
					l.drop("StatefulSet/mysql", "spec", "template", "spec", "topologySpreadConstraints", 0)
				}},
				{name: "three on two machines", overlay: "tests/aws-galera", edit: func(l *objects) {
					l.drop("StatefulSet/mysql", "spec", "template", "spec", "topologySpreadConstraints", 0, "minDomains")
				}},
				{name: "if possible", overlay: "tests/aws-galera", edit: func(l *objects) {
					l.set("StatefulSet/mysql", "ScheduleAnyway", "spec", "template", "spec", "topologySpreadConstraints", 0, "whenUnsatisfiable")
				}},
			},
		},
		{
			name: "nothing keeps one node from taking every pod",
			only: onMinikube,
			find: func(c *cluster) (found problems) {
				for _, w := range c.workloads {
					s := w.pod.Spec
					if len(s.NodeSelector) > 0 || s.Affinity != nil || slices.ContainsFunc(s.TopologySpreadConstraints, func(t corev1.TopologySpreadConstraint) bool {
						return t.WhenUnsatisfiable != corev1.ScheduleAnyway
					}) {
						found.add("%s may find no node", w)
					}
				}
				return found
			},
			broken: []mutation{
				{name: "node selector", edit: func(l *objects) {
					l.set("Deployment/recognizer", "gpu", "spec", "template", "spec", "nodeSelector", "kind")
				}},
				{name: "spread that must be kept", overlay: "tests/minikube-availability", edit: func(l *objects) {
					l.set("Deployment/recognizer", "DoNotSchedule", "spec", "template", "spec", "topologySpreadConstraints", 0, "whenUnsatisfiable")
				}},
			},
		},
		{
			name: "a bare cluster knows every kind",
			only: func(folder string) bool { return folder == "minikube" || folder == "tests/minikube-availability" },
			find: func(c *cluster) (found problems) {
				builtIn := []string{"", "apps", "batch", "policy", "networking.k8s.io"}
				for _, o := range c.objects {
					if !slices.Contains(builtIn, o.group()) || o.kind() == "Job" {
						found.add("%s needs more than a bare cluster, or cannot be applied twice", o.ref())
					}
				}
				return found
			},
			broken: []mutation{
				{name: "custom resource", edit: func(l *objects) { l.add("apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: x}") }},
				{name: "job", edit: func(l *objects) { l.add("apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}") }},
			},
		},
	}
}

func startBudget(in container) time.Duration {
	p := in.StartupProbe
	if p == nil {
		return 0
	}
	return time.Duration(p.InitialDelaySeconds+p.FailureThreshold*max(p.PeriodSeconds, 1)) * time.Second
}

func deadlines(c *cluster) (found problems) {
	for _, d := range c.deployments {
		var budget time.Duration
		w, _ := c.workload(d.Name)
		for _, in := range w.containers() {
			budget += startBudget(in)
			if wait, err := time.ParseDuration(c.env(in)["ROLLCALL_MIGRATE_WAIT"]); err == nil {
				budget += wait
			}
		}
		if d.Spec.ProgressDeadlineSeconds == nil || d.Spec.RevisionHistoryLimit == nil || *d.Spec.RevisionHistoryLimit > 5 {
			found.add("Deployment/%s has no deadline, or keeps too much", d.Name)
			continue
		}
		deadline := time.Duration(*d.Spec.ProgressDeadlineSeconds) * time.Second
		if deadline < budget+time.Minute || deadline > 15*time.Minute {
			found.add("Deployment/%s is given up after %s; its start may take %s", d.Name, deadline, budget)
		}
	}
	return found
}

func stopping() []check {
	spec := []any{"spec", "template", "spec"}
	return []check{
		{
			name: "grace periods are as long as the stop",
			find: graces,
			broken: []mutation{
				{name: "shorter than the shutdown", edit: func(l *objects) { l.set("Deployment/processor", 40, append(spec, "terminationGracePeriodSeconds")...) }},
				{name: "the default", edit: func(l *objects) { l.drop("Deployment/receiver", append(spec, "terminationGracePeriodSeconds")...) }},
				{name: "longer preStop", edit: func(l *objects) {
					l.set("Deployment/frontend", 30, append(spec, "containers", 0, "lifecycle", "preStop", "sleep", "seconds")...)
				}},
				{name: "MySQL in a hurry", edit: func(l *objects) { l.set("StatefulSet/mysql", 30, append(spec, "terminationGracePeriodSeconds")...) }},
				{name: "processor gone before its messages time out", edit: func(l *objects) {
					l.set("Deployment/processor", 50, append(spec, "terminationGracePeriodSeconds")...)
				}},
			},
		},
		{
			name: "what serves is out of sight before it stops",
			find: func(c *cluster) (found problems) {
				for _, w := range c.workloads {
					if w.kind == "CronJob" || w.name == "mysql" || w.name == "processor" {
						continue // MySQL has no second; the processor serves nobody
					}
					if sleep := preStop(w.containers()[len(w.containers())-1]); sleep < 5*time.Second {
						found.add("%s stops %s after it was told to", w, sleep)
					}
				}
				return found
			},
			broken: []mutation{
				{name: "no preStop", edit: func(l *objects) { l.drop("Deployment/recognizer", append(spec, "containers", 0, "lifecycle")...) }},
			},
		},
		{
			name: "behind a load balancer it takes longer",
			only: onAWS,
			find: func(c *cluster) (found problems) {
				for _, name := range []string{"frontend", "receiver"} {
					w, _ := c.workload(name)
					if in, _ := w.container(name); preStop(in) < 15*time.Second {
						found.add("%s stops %s after it was told to", w, preStop(in))
					}
				}
				return found
			},
			broken: []mutation{{name: "short", overlay: "aws", edit: func(l *objects) {
				l.set("Deployment/receiver", 5, append(spec, "containers", 0, "lifecycle", "preStop", "sleep", "seconds")...)
			}}},
		},
		{
			name: "HTTP clients are asked to let go before their connection is closed",
			find: func(c *cluster) (found problems) {
				for _, name := range []string{"frontend", "receiver"} {
					w, _ := c.workload(name)
					in, _ := w.container(name)
					if linger, err := time.ParseDuration(c.env(in)["ROLLCALL_LINGER"]); err != nil || linger < 2*time.Second {
						found.add("%s lingers %s", w, linger)
					}
				}
				return found
			},
			broken: []mutation{{name: "unset", edit: func(l *objects) {
				l.drop("Deployment/receiver", append(spec, "containers", 0, "env", "ROLLCALL_LINGER")...)
			}}},
		},
		{
			name: "a recognizer that is back is asked soon",
			find: func(c *cluster) (found problems) {
				w, _ := c.workload("processor")
				in, _ := w.container("processor")
				if pause, err := time.ParseDuration(c.env(in)["ROLLCALL_BREAKER_PAUSE_MAX"]); err != nil || pause > 30*time.Second {
					found.add("%s waits %s between two pings", w, pause)
				}
				return found
			},
			broken: []mutation{
				{name: "the program's default", edit: func(l *objects) {
					l.drop("Deployment/processor", append(spec, "containers", 0, "env", "ROLLCALL_BREAKER_PAUSE_MAX")...)
				}},
				{name: "a minute", overlay: "aws", edit: func(l *objects) {
					l.set("Deployment/processor", "1m", append(spec, "containers", 0, "env", "ROLLCALL_BREAKER_PAUSE_MAX", "value")...)
				}},
			},
		},
		{
			name: "nsqd is beside the receiver, longer than it, and empties itself",
			find: sidecars,
			broken: []mutation{
				{name: "an init container that never ends", edit: func(l *objects) {
					l.drop("Deployment/receiver", append(spec, "initContainers", "nsqd", "restartPolicy")...)
				}},
				{name: "known by a name that only it knows", edit: func(l *objects) {
					l.set("Deployment/receiver", "--broadcast-address=localhost", append(spec, "initContainers", "nsqd", "args", 0)...)
				}},
				{name: "no drain", edit: func(l *objects) {
					l.drop("Deployment/receiver", append(spec, "initContainers", "nsqd", "lifecycle")...)
				}},
				{name: "drain shorter than the receiver's stop", overlay: "aws", edit: func(l *objects) {
					l.set("Deployment/receiver", 30, append(spec, "containers", 0, "lifecycle", "preStop", "sleep", "seconds")...)
				}},
				{name: "drain longer than there is time", edit: func(l *objects) { l.set("Deployment/receiver", 48, append(spec, "terminationGracePeriodSeconds")...) }},
				{name: "drain looks for another port", edit: func(l *objects) {
					l.set("Deployment/receiver", 9005, append(spec, "containers", 0, "ports", "admin", "containerPort")...)
				}},
				{name: "schema after the queue", edit: func(l *objects) { l.drop("Deployment/receiver", append(spec, "initContainers", "migrate")...) }},
			},
		},
	}
}

func preStop(in container) time.Duration {
	if in.Lifecycle == nil || in.Lifecycle.PreStop == nil || in.Lifecycle.PreStop.Sleep == nil {
		return 0
	}
	return time.Duration(in.Lifecycle.PreStop.Sleep.Seconds) * time.Second
}

// shutdown is how long one of our programs may take from SIGTERM to its end.
func (c *cluster) shutdown(in container) time.Duration {
	return config.ReadServer(config.NewReader(config.Map(c.env(in))), ":0").ShutdownTimeout
}

const (
	// messageTimeout is when nsqd gives a message to somebody else.
	messageTimeout = 60 * time.Second
	// spare is for everything around a stop.
	spare = 5 * time.Second
)

func graces(c *cluster) (found problems) {
	for _, w := range c.workloads {
		if w.job {
			continue
		}
		need := spare
		for _, in := range w.containers() {
			if in.program() != "" && in.serves {
				need = max(need, preStop(in)+c.shutdown(in)+spare)
			}
		}
		switch w.name {
		case "processor":
			need = max(need, messageTimeout)
		case "mysql":
			need = max(need, time.Minute)
		}
		if got := w.pod.Spec.TerminationGracePeriodSeconds; got == nil || time.Duration(*got)*time.Second < need {
			found.add("%s needs %s to stop", w, need)
		}
	}
	return found
}

// nodes looks at the nodes of a cluster of databases.
func nodes(c *cluster, s appsv1.StatefulSet) (found problems) {
	var members []string
	for i := range *s.Spec.Replicas {
		members = append(members, fmt.Sprintf("%s-%d.%s", s.Name, i, s.Spec.ServiceName))
	}
	args := s.Spec.Template.Spec.Containers[0].Args
	if !slices.Contains(args, "--wsrep-cluster-address=gcomm://"+strings.Join(members, ",")) || !slices.Contains(args, "--wsrep-on=ON") {
		found.add("%d MySQL servers that do not know of each other", *s.Spec.Replicas)
	}
	if len(members)%2 == 0 {
		found.add("of %d MySQL servers, a half is no majority", len(members))
	}
	if names, ok := c.service(s.Spec.ServiceName); !ok || !names.Spec.PublishNotReadyAddresses {
		found.add("a node finds the others only when they are ready")
	}
	if probe := s.Spec.Template.Spec.Containers[0].ReadinessProbe; probe == nil || probe.Exec == nil ||
		!strings.Contains(strings.Join(probe.Exec.Command, " "), "wsrep_local_state'\" | grep -qw 4") {
		found.add("a node that is not synced is ready")
	}
	return found
}

// machines looks for databases of which a machine may take the majority with it.
func machines(c *cluster) (found problems) {
	for _, s := range c.statefulSets {
		if s.Name != "mysql" || *s.Spec.Replicas == 1 {
			continue
		}
		if !slices.ContainsFunc(s.Spec.Template.Spec.TopologySpreadConstraints, func(t corev1.TopologySpreadConstraint) bool {
			return t.TopologyKey == corev1.LabelHostname && t.WhenUnsatisfiable == corev1.DoNotSchedule && t.MaxSkew == 1 &&
				t.MinDomains != nil && *t.MinDomains == *s.Spec.Replicas && maps.Equal(t.LabelSelector.MatchLabels, s.Spec.Selector.MatchLabels)
		}) {
			found.add("StatefulSet/%s: a machine takes the majority of the databases with it", s.Name)
		}
	}
	return found
}

var (
	drainLimit = regexp.MustCompile(`date \+%s\) \+ (\d+)`)
	drainPort  = regexp.MustCompile(`':([0-9A-F]{4}) `)
)

func sidecars(c *cluster) (found problems) {
	w, _ := c.workload("receiver")
	receiver, _ := w.container("receiver")
	nsqd, ok := w.container("nsqd")
	if !ok || !nsqd.sidecar {
		found.add("nsqd is no native sidecar of the receiver")
		return found
	}
	if first := w.containers()[0]; first.Name != "migrate" || !slices.Contains(first.Args, "-migrate") {
		found.add("the schema is not brought up to date first")
	}
	if !slices.Contains(nsqd.Args, "--broadcast-address=$(POD_IP)") {
		found.add("consumers cannot reach this nsqd: %v", nsqd.Args)
	}
	if nsqd.Lifecycle == nil || nsqd.Lifecycle.PreStop == nil || nsqd.Lifecycle.PreStop.Exec == nil {
		found.add("nsqd does not wait until it is empty")
		return found
	}
	script := strings.Join(nsqd.Lifecycle.PreStop.Exec.Command, "\n")
	limit, port := drainLimit.FindStringSubmatch(script), drainPort.FindStringSubmatch(script)
	if limit == nil || port == nil {
		found.add("the drain has no limit, or does not look at the receiver")
		return found
	}
	seconds, err := strconv.Atoi(limit[1])
	if err != nil {
		found.add("the drain's limit: %v", err)
	}
	drain := time.Duration(seconds) * time.Second
	if need := preStop(receiver) + c.shutdown(receiver); drain <= need {
		found.add("the drain ends after %s, the receiver after %s", drain, need)
	}
	if grace := *w.pod.Spec.TerminationGracePeriodSeconds; int64(seconds)+int64(spare.Seconds()) > grace {
		found.add("the drain may take %s of %d seconds", drain, grace)
	}
	admin, _ := receiver.port("admin")
	if got, err := strconv.ParseInt(port[1], 16, 32); err != nil || int32(got) != admin {
		found.add("the drain looks at port %d, the receiver's last one is %d", got, admin)
	}
	return found
}
