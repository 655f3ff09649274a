package manifests

import (
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
)

func probing() []check {
	at := func(list string, container, rest string, more ...any) []any {
		return append([]any{"spec", "template", "spec", list, container, rest}, more...)
	}
	return []check{
		{
			name: "probes ask what is there",
			find: probes,
			broken: []mutation{
				{name: "no readiness", edit: func(l *objects) { l.drop("Deployment/frontend", at("containers", "frontend", "readinessProbe")...) }},
				{name: "no liveness of the sidecar", edit: func(l *objects) { l.drop("Deployment/receiver", at("initContainers", "nsqd", "livenessProbe")...) }},
				{name: "port by a name that is not there", edit: func(l *objects) {
					l.set("Deployment/frontend", "web", at("containers", "frontend", "readinessProbe", "httpGet", "port")...)
				}},
				{name: "port of another container", edit: func(l *objects) {
					l.set("Deployment/receiver", "nsqd-http", at("containers", "receiver", "livenessProbe", "httpGet", "port")...)
				}},
				{name: "gRPC port that nobody listens on", edit: func(l *objects) {
					l.set("Deployment/recognizer", 50052, at("containers", "recognizer", "readinessProbe", "grpc", "port")...)
				}},
				{name: "other path", edit: func(l *objects) {
					l.set("Deployment/frontend", "/health", at("containers", "frontend", "livenessProbe", "httpGet", "path")...)
				}},
				{name: "host", edit: func(l *objects) {
					l.set("Deployment/frontend", "localhost", at("containers", "frontend", "livenessProbe", "httpGet", "host")...)
				}},
				{name: "a shell in an image that has none", edit: func(l *objects) {
					l.drop("Deployment/frontend", at("containers", "frontend", "livenessProbe", "httpGet")...)
					l.set("Deployment/frontend", []any{"true"}, at("containers", "frontend", "livenessProbe", "exec", "command")...)
				}},
			},
		},
		{
			name: "a restart is for what a restart mends",
			find: liveness,
			broken: []mutation{
				{name: "liveness asks for the database", edit: func(l *objects) {
					l.set("Deployment/receiver", "/readyz", at("containers", "receiver", "livenessProbe", "httpGet", "path")...)
				}},
				{name: "known pictures take too long for liveness", edit: func(l *objects) {
					l.drop("Deployment/recognizer", at("containers", "recognizer", "livenessProbe", "grpc", "service")...)
				}},
				{name: "known pictures take too long for the start", edit: func(l *objects) {
					l.drop("Deployment/recognizer", at("containers", "recognizer", "startupProbe", "grpc", "service")...)
				}},
				{name: "readiness that says nothing", edit: func(l *objects) {
					l.set("Deployment/recognizer", "liveness", at("containers", "recognizer", "readinessProbe", "grpc", "service")...)
				}},
				{name: "MySQL restarted while it recovers", edit: func(l *objects) {
					l.set("StatefulSet/mysql", 10, at("containers", "mysql", "startupProbe", "failureThreshold")...)
				}},
				{name: "models not loaded in time", edit: func(l *objects) {
					l.drop("Deployment/recognizer", at("containers", "recognizer", "startupProbe")...)
				}},
			},
		},
	}
}

func probes(c *cluster) (found problems) {
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			if !in.serves {
				continue
			}
			if in.ReadinessProbe == nil || in.LivenessProbe == nil {
				found.add("%s, %s lacks a probe", w, in.Name)
				continue
			}
			for kind, p := range map[string]*corev1.Probe{"startup": in.StartupProbe, "readiness": in.ReadinessProbe, "liveness": in.LivenessProbe} {
				if p != nil {
					for _, problem := range probe(in, kind, p) {
						found.add("%s, %s, %s: %s", w, in.Name, kind, problem)
					}
				}
			}
		}
	}
	return found
}

func probe(in container, kind string, p *corev1.Probe) (found problems) {
	switch {
	case p.HTTPGet != nil:
		paths := map[string]string{"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
		if in.program() == "" { // NSQ's
			paths = map[string]string{"startup": "/ping", "liveness": "/info", "readiness": "/ping"}
		}
		want := paths[kind]
		if _, ok := in.port(p.HTTPGet.Port.StrVal); !ok || p.HTTPGet.Port.Type != intstr.String {
			found.add("the container has no port %s", p.HTTPGet.Port.String())
		}
		if p.HTTPGet.Path != want {
			found.add("asks for %s, not for %s", p.HTTPGet.Path, want)
		}
		if p.HTTPGet.Host != "" {
			found.add("asks another host")
		}
	case p.GRPC != nil:
		if port, _ := in.port("grpc"); port != p.GRPC.Port {
			found.add("the container does not listen on %d", p.GRPC.Port)
		}
	case p.Exec != nil:
		if in.Name != "mysql" {
			found.add("there is no shell in our images")
		}
	default:
		found.add("asks nothing that is known")
	}
	return found
}

func liveness(c *cluster) (found problems) {
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			ready, live := in.ReadinessProbe, in.LivenessProbe
			if !in.serves || ready == nil || live == nil {
				continue
			}
			if reflect.DeepEqual(ready.ProbeHandler, live.ProbeHandler) {
				found.add("%s, %s: liveness is readiness", w, in.Name)
			}
			if budget, need := startBudget(in), startNeeds[in.Name]; budget < need {
				found.add("%s, %s has %s to start, and may need %s", w, in.Name, budget, need)
			}
			for _, p := range []*corev1.Probe{in.StartupProbe, live} {
				if p != nil && p.GRPC != nil && (p.GRPC.Service == nil || *p.GRPC.Service != recognizer.Liveness) {
					found.add("%s, %s is restarted while it reads the known pictures", w, in.Name)
				}
			}
			if live.HTTPGet != nil && live.HTTPGet.Path == "/readyz" {
				found.add("%s, %s is restarted for others' faults", w, in.Name)
			}
			if ready.GRPC != nil && ready.GRPC.Service != nil && *ready.GRPC.Service != "" {
				found.add("%s, %s is ready whatever it says", w, in.Name)
			}
		}
	}
	return found
}

// startNeeds is how long a start may take: MySQL recovers from a crash, the
// recognizer loads its models from a slow disk, the receiver waits for nsqd.
var startNeeds = map[string]time.Duration{"mysql": 5 * time.Minute, "recognizer": 2 * time.Minute, "nsqd": 30 * time.Second}
