package manifests

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const namespace = "rollcall"

func wiring() []check {
	return []check{
		{
			name: "each object once, in the namespace, with its labels",
			find: identities,
			broken: []mutation{
				{name: "other namespace", edit: func(l *objects) { l.set("Service/mysql", "default", "metadata", "namespace") }},
				{name: "no namespace", edit: func(l *objects) { l.drop("Service/mysql", "metadata", "namespace") }},
				{name: "twice", edit: func(l *objects) { *l = append(*l, (*l)[l.index("Service/mysql")]) }},
				{name: "no Namespace object", edit: func(l *objects) { l.remove("Namespace/rollcall") }},
				{name: "no part-of", edit: func(l *objects) { l.drop("Service/mysql", "metadata", "labels", "app.kubernetes.io/part-of") }},
				{name: "pods without component", edit: func(l *objects) {
					l.drop("Deployment/receiver", "spec", "template", "metadata", "labels", "app.kubernetes.io/component")
				}},
			},
		},
		{
			name: "every selector finds its pods",
			find: selectors,
			broken: []mutation{
				{name: "service selects nothing", edit: func(l *objects) { l.set("Service/nsqd", "nsqd", "spec", "selector", "app.kubernetes.io/name") }},
				{name: "service port by a name that no container has", edit: func(l *objects) { l.set("Service/receiver", "web", "spec", "ports", "http", "targetPort") }},
				{name: "workload selects other pods", edit: func(l *objects) {
					l.set("Deployment/receiver", "other", "spec", "selector", "matchLabels", "app.kubernetes.io/name")
				}},
				{name: "selector with a label that may change", edit: func(l *objects) {
					l.set("Deployment/receiver", "rollcall", "spec", "selector", "matchLabels", "app.kubernetes.io/part-of")
				}},
				{name: "stateful set without its service", edit: func(l *objects) { l.set("StatefulSet/mysql", "db", "spec", "serviceName") }},
				{name: "policy selects nothing", overlay: "aws", edit: func(l *objects) {
					l.set("NetworkPolicy/mysql", "database", "spec", "podSelector", "matchLabels", "app.kubernetes.io/name")
				}},
				{name: "one port name twice in a pod", edit: func(l *objects) {
					l.set("Deployment/receiver", "admin", "spec", "template", "spec", "initContainers", "nsqd", "ports", 0, "name")
				}},
				{name: "ingress to nowhere", overlay: "aws", edit: func(l *objects) {
					l.set("Ingress/rollcall", "api", "spec", "rules", 1, "http", "paths", 0, "backend", "service", "name")
				}},
			},
		},
		{
			name: "every reference resolves",
			find: references,
			broken: []mutation{
				{name: "config map gone", edit: func(l *objects) { l.remove("ConfigMap/pipeline") }},
				{name: "key gone", edit: func(l *objects) { l.drop("ConfigMap/pipeline", "data", "MYSQL_PORT") }},
				{name: "key that nobody reads", edit: func(l *objects) { l.set("ConfigMap/pipeline", "1", "data", "ROLLCALL_ATTEMPS") }},
				{name: "secret gone", edit: func(l *objects) { l.remove("Secret/mysql-credentials") }},
				{name: "secret's key gone", edit: func(l *objects) { l.drop("Secret/mysql-credentials", "data", "userpassword") }},
				{name: "a new password restarts MySQL", edit: func(l *objects) {
					l.set("Secret/mysql-credentials", "mysql-credentials-m2h8k9c5tb", "metadata", "name")
				}},
				{name: "external secret makes another", overlay: "aws", edit: func(l *objects) {
					l.set("ExternalSecret/mysql-credentials", "mysql", "spec", "target", "name")
				}},
				{name: "claim gone", edit: func(l *objects) { l.remove("PersistentVolumeClaim/known-people") }},
				{name: "account gone", edit: func(l *objects) { l.remove("ServiceAccount/frontend") }},
				{name: "mount of no volume", edit: func(l *objects) {
					l.set("Deployment/recognizer", "pictures", "spec", "template", "spec", "containers", 0, "volumeMounts", "unknown-people", "name")
				}},
				{name: "generated name without a hash", edit: func(l *objects) {
					l.set("ConfigMap/pipeline", "pipeline", "metadata", "name")
				}},
			},
		},
		{
			name: "every address leads to a port of a pod",
			find: addresses,
			broken: []mutation{
				{name: "service with another name", edit: func(l *objects) { l.set("Service/recognizer", "recogniser", "metadata", "name") }},
				{name: "port that the service has not", edit: func(l *objects) {
					l.set("ConfigMap/pipeline", "nsqlookupd-0.nsqlookupd:4160", "data", "NSQ_LOOKUP_ADDRESS")
				}, overlay: "minikube"},
				{name: "port that no pod listens on", edit: func(l *objects) {
					l.set("Deployment/recognizer", 50052, "spec", "template", "spec", "containers", 0, "ports", "grpc", "containerPort")
				}},
				{name: "pod beyond the replicas", edit: func(l *objects) {
					l.set("ConfigMap/pipeline", "nsqlookupd-1.nsqlookupd:4161", "data", "NSQ_LOOKUP_ADDRESS")
				}},
				{name: "replica that nobody asks", overlay: "aws", edit: func(l *objects) {
					l.set("ConfigMap/pipeline", "nsqlookupd-0.nsqlookupd:4161", "data", "NSQ_LOOKUP_ADDRESS")
				}},
				{name: "nsqd tells one nsqlookupd of two", overlay: "aws", edit: func(l *objects) {
					l.drop("Deployment/receiver", "spec", "template", "spec", "initContainers", "nsqd", "args", 3)
				}},
				{name: "other namespace", edit: func(l *objects) { l.set("ConfigMap/pipeline", "mysql.default", "data", "MYSQL_CONNECTION") }},
				{name: "localhost port of another pod", edit: func(l *objects) {
					l.set("Deployment/receiver", "127.0.0.1:4161", "spec", "template", "spec", "containers", 0, "env", "PRODUCER_ADDRESS", "value")
				}},
				{name: "database behind another port", edit: func(l *objects) { l.set("ConfigMap/pipeline", "3307", "data", "MYSQL_PORT") }},
				{name: "scaler asks one of two", overlay: "aws", edit: func(l *objects) {
					l.set("ScaledObject/processor", "nsqlookupd-0.nsqlookupd.rollcall.svc.cluster.local:4161", "spec", "triggers", 0, "metadata", "nsqLookupdHTTPAddresses")
				}},
				{name: "scaler in a namespace of its own takes a short name", overlay: "aws", edit: func(l *objects) {
					l.set("ScaledObject/processor", "nsqlookupd-0.nsqlookupd:4161,nsqlookupd-1.nsqlookupd:4161", "spec", "triggers", 0, "metadata", "nsqLookupdHTTPAddresses")
				}},
				{name: "gRPC behind one address", edit: func(l *objects) { l.drop("Service/recognizer", "spec", "clusterIP") }},
				{name: "gRPC without a list of addresses", edit: func(l *objects) {
					l.set("ConfigMap/pipeline", "passthrough:///recognizer:50051", "data", "GRPC_ADDRESS")
				}},
			},
		},
	}
}

func identities(c *cluster) (found problems) {
	clusterWide := []string{"Namespace", "StorageClass", "PersistentVolume", "PriorityClass"}
	seen := map[string]bool{}
	for _, o := range c.objects {
		key := o.group() + " " + o.ref()
		if seen[key] {
			found.add("%s is there twice", o.ref())
		}
		seen[key] = true
		want := namespace
		if slices.Contains(clusterWide, o.kind()) {
			want = ""
		}
		if got := o.text("metadata", "namespace"); got != want {
			found.add("%s is in namespace %q", o.ref(), got)
		}
		if o.label("app.kubernetes.io/part-of") != "rollcall" || o.label("app.kubernetes.io/name") == "" {
			found.add("%s lacks a label", o.ref())
		}
		if o.kind() == "Namespace" && o.name() != namespace {
			found.add("there is a namespace %s", o.name())
		}
	}
	if !seen[" Namespace/"+namespace] {
		found.add("there is no namespace")
	}
	for _, w := range c.workloads {
		for _, label := range []string{"name", "component", "part-of"} {
			if w.pod.Labels["app.kubernetes.io/"+label] == "" {
				found.add("the pods of %s lack the label %s", w, label)
			}
		}
	}
	return found
}

func selectors(c *cluster) (found problems) {
	for _, w := range c.workloads {
		ports := map[string]bool{}
		for _, in := range w.containers() {
			for _, p := range in.Ports {
				if ports[p.Name] {
					found.add("%s has two ports %s", w, p.Name)
				}
				ports[p.Name] = true
			}
		}
		if w.job {
			continue
		}
		// Selectors can never change, so they hold the one label that never does.
		if len(w.selector.MatchLabels) != 1 || w.selector.MatchLabels["app.kubernetes.io/name"] != w.name || len(w.selector.MatchExpressions) > 0 {
			found.add("%s selects by %v", w, w.selector)
		}
		if !subset(w.selector.MatchLabels, w.pod.Labels) {
			found.add("%s does not select its own pods", w)
		}
	}
	for _, s := range c.services {
		pods := c.selected(s.Spec.Selector)
		if len(s.Spec.Selector) == 0 || len(pods) != 1 {
			found.add("Service/%s selects the pods of %v", s.Name, pods)
			continue
		}
		for _, p := range s.Spec.Ports {
			if _, ok := targetPort(pods[0], p); !ok {
				found.add("Service/%s: no container of %s has the port %s", s.Name, pods[0], p.TargetPort.String())
			}
		}
	}
	for _, s := range c.statefulSets {
		service, ok := c.service(s.Spec.ServiceName)
		if !ok || service.Spec.ClusterIP != corev1.ClusterIPNone {
			found.add("StatefulSet/%s has no headless service %q", s.Name, s.Spec.ServiceName)
		}
	}
	for _, p := range c.policies {
		if len(p.Spec.PodSelector.MatchLabels) > 0 && len(c.selected(p.Spec.PodSelector.MatchLabels)) != 1 {
			found.add("NetworkPolicy/%s selects no pods", p.Name)
		}
	}
	for _, i := range c.ingresses {
		for _, r := range i.Spec.Rules {
			for _, p := range r.HTTP.Paths {
				s, ok := c.service(p.Backend.Service.Name)
				if !ok || !slices.ContainsFunc(s.Spec.Ports, func(x corev1.ServicePort) bool { return x.Name == p.Backend.Service.Port.Name }) {
					found.add("Ingress/%s leads to %s, port %s, which is not there", i.Name, p.Backend.Service.Name, p.Backend.Service.Port.Name)
				}
			}
		}
	}
	return found
}

func (c *cluster) service(name string) (corev1.Service, bool) {
	i := slices.IndexFunc(c.services, func(s corev1.Service) bool { return s.Name == name })
	if i < 0 {
		return corev1.Service{}, false
	}
	return c.services[i], true
}

// targetPort is the port of a pod that a Service's port leads to.
func targetPort(w workload, p corev1.ServicePort) (int32, bool) {
	for _, in := range w.containers() {
		if p.TargetPort.Type == intstr.String {
			if port, ok := in.port(p.TargetPort.StrVal); ok {
				return port, true
			}
			continue
		}
		for _, own := range in.Ports {
			if own.ContainerPort == p.TargetPort.IntVal {
				return own.ContainerPort, true
			}
		}
	}
	return 0, false
}

func references(c *cluster) (found problems) {
	used := map[string]map[string]bool{} // keys by config map
	for _, w := range c.workloads {
		account := w.pod.Spec.ServiceAccountName
		if !slices.ContainsFunc(c.accounts, func(a corev1.ServiceAccount) bool { return a.Name == account }) {
			found.add("%s runs as %q, which is no account of the render", w, account)
		}
		mounted := map[string]bool{}
		for _, in := range w.containers() {
			for _, e := range in.Env {
				if e.ValueFrom == nil || e.ValueFrom.ConfigMapKeyRef == nil {
					continue
				}
				ref := e.ValueFrom.ConfigMapKeyRef
				if _, ok := c.value(e); !ok {
					found.add("%s, %s: there is no %s in config map %s", w, e.Name, ref.Key, ref.Name)
				}
				if used[ref.Name] == nil {
					used[ref.Name] = map[string]bool{}
				}
				used[ref.Name][ref.Key] = true
			}
			for _, m := range in.VolumeMounts {
				mounted[m.Name] = true
			}
		}
		there := c.volumesOf(w)
		for _, v := range w.pod.Spec.Volumes {
			found = append(found, c.volumeProblems(w, v)...)
		}
		for name := range mounted {
			if !there[name] {
				found.add("%s mounts %s, which is no volume of it", w, name)
			}
		}
		for name := range there {
			if !mounted[name] {
				found.add("%s has a volume %s that nobody mounts", w, name)
			}
		}
	}
	for _, m := range c.configMaps {
		if m.Labels["grafana_dashboard"] != "" {
			continue
		}
		if !hash.MatchString(m.Name) {
			found.add("a change of ConfigMap/%s would not roll the pods: its name has no hash", m.Name)
		}
		for key := range m.Data {
			if !used[m.Name][key] {
				found.add("nobody reads %s of ConfigMap/%s", key, m.Name)
			}
		}
	}
	for _, s := range c.secrets {
		// The programs read this one again. With a hash, a change would restart MySQL.
		if again := s.Name == "mysql-credentials"; again == hash.MatchString(s.Name) {
			found.add("a change of Secret/%s would not roll the pods, or would roll them in vain", s.Name)
		}
	}
	return found
}

func (c *cluster) volumesOf(w workload) map[string]bool {
	names := map[string]bool{}
	for _, v := range w.pod.Spec.Volumes {
		names[v.Name] = true
	}
	for _, s := range c.statefulSets {
		if s.Name == w.name && w.kind == "StatefulSet" {
			for _, claim := range s.Spec.VolumeClaimTemplates {
				names[claim.Name] = true
			}
		}
	}
	return names
}

func (c *cluster) volumeProblems(w workload, v corev1.Volume) (found problems) {
	switch {
	case v.Secret != nil:
		keys, ok := c.secretKeys(v.Secret.SecretName)
		if !ok && (v.Secret.Optional == nil || !*v.Secret.Optional) {
			found.add("%s mounts the secret %s, which nobody makes", w, v.Secret.SecretName)
		}
		for _, item := range v.Secret.Items {
			if ok && !slices.Contains(keys, item.Key) {
				found.add("%s: the secret %s has no %s", w, v.Secret.SecretName, item.Key)
			}
		}
	case v.PersistentVolumeClaim != nil:
		if !slices.ContainsFunc(c.claims, func(p corev1.PersistentVolumeClaim) bool { return p.Name == v.PersistentVolumeClaim.ClaimName }) {
			found.add("%s mounts the claim %s, which is not there", w, v.PersistentVolumeClaim.ClaimName)
		}
	case v.EmptyDir == nil:
		found.add("%s has a volume %s of a kind that no check knows", w, v.Name)
	}
	return found
}

// address is where somebody connects to.
type address struct {
	client workload
	what   string // the variable or the argument
	host   string
	port   int32
}

var hostPort = regexp.MustCompile(`(?:^|[=,/])([A-Za-z0-9.-]+):(\d+)`)

// addressesOf lists what workloads are told to connect to.
func (c *cluster) addressesOf() []address {
	var list []address
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			env := c.env(in)
			texts := map[string]string{}
			for name, value := range env {
				texts[name] = value
			}
			for _, arg := range in.Args {
				texts[arg] = arg
			}
			if host, ok := env["MYSQL_CONNECTION"]; ok {
				texts["MYSQL_CONNECTION"] = net.JoinHostPort(host, env["MYSQL_PORT"])
			}
			for _, what := range sortedKeys(texts) {
				for _, m := range hostPort.FindAllStringSubmatch(texts[what], -1) {
					port, err := strconv.ParseInt(m[2], 10, 32)
					if err != nil {
						continue
					}
					list = append(list, address{client: w, what: what, host: m[1], port: int32(port)})
				}
			}
		}
	}
	return list
}

var podOf = regexp.MustCompile(`^(.*)-(\d+)$`)

// resolve finds the pods behind an address and their port. A host outside of the
// cluster has no workload and no error.
func (c *cluster) resolve(a address) (workload, int32, error) {
	if a.host == "127.0.0.1" || a.host == "localhost" {
		for _, in := range a.client.containers() {
			for _, p := range in.Ports {
				if p.ContainerPort == a.port {
					return a.client, a.port, nil
				}
			}
		}
		return workload{}, 0, fmt.Errorf("no container beside it has port %d", a.port)
	}
	labels := strings.Split(strings.TrimSuffix(a.host, "."+namespace+".svc.cluster.local"), ".")
	if len(labels) > 2 {
		return workload{}, 0, nil
	}
	service, ok := c.service(labels[len(labels)-1])
	if !ok {
		return workload{}, 0, fmt.Errorf("there is no service %q", labels[len(labels)-1])
	}
	pods := c.selected(service.Spec.Selector)
	if len(pods) != 1 {
		return workload{}, 0, fmt.Errorf("the service %s has no pods", service.Name)
	}
	if len(labels) == 2 {
		m := podOf.FindStringSubmatch(labels[0])
		if m == nil || m[1] != pods[0].name || pods[0].kind != "StatefulSet" {
			return workload{}, 0, fmt.Errorf("there is no pod %s", labels[0])
		}
		if n, err := strconv.Atoi(m[2]); err != nil || int32(n) >= *pods[0].replicas {
			return workload{}, 0, fmt.Errorf("%s has %d replica(s)", pods[0], *pods[0].replicas)
		}
	}
	for _, p := range service.Spec.Ports {
		if p.Port == a.port {
			if target, ok := targetPort(pods[0], p); ok && (service.Spec.ClusterIP != corev1.ClusterIPNone || target == p.Port) {
				return pods[0], target, nil
			}
			// A headless name leads to the pod itself: nobody translates ports.
			return workload{}, 0, fmt.Errorf("%s does not listen on %d", pods[0], a.port)
		}
	}
	return workload{}, 0, fmt.Errorf("the service %s has no port %d", service.Name, a.port)
}

func addresses(c *cluster) (found problems) {
	list := c.addressesOf()
	if w, ok := c.workload("processor"); ok {
		list = append(list, c.scalerAddresses(w)...)
	}
	const grpc = "GRPC_ADDRESS"
	// Whatever tells of all replicas of a StatefulSet must tell of all.
	pods := map[string]map[string]bool{}
	replicas := map[string]int32{}
	for _, a := range list {
		server, port, err := c.resolve(a)
		if err != nil {
			found.add("%s, %s: %s:%d: %v", a.client, a.what, a.host, a.port, err)
			continue
		}
		what, _, _ := strings.Cut(a.what, "=")
		if want, ok := protocols[what]; ok && server.name != "" && port != want {
			found.add("%s, %s leads to port %d of %s, where something else is spoken", a.client, a.what, port, server)
		}
		if first, _, dotted := strings.Cut(a.host, "."); dotted && server.kind == "StatefulSet" {
			key := a.client.String() + ", " + what
			if pods[key] == nil {
				pods[key] = map[string]bool{}
			}
			pods[key][first] = true
			replicas[key] = *server.replicas
		}
	}
	for _, key := range sortedKeys(pods) {
		if int32(len(pods[key])) != replicas[key] {
			found.add("%s names %v, and there are %d", key, sortedKeys(pods[key]), replicas[key])
		}
	}
	if service, _ := c.service("recognizer"); service.Spec.ClusterIP != corev1.ClusterIPNone {
		found.add("gRPC would keep to one recognizer: the service has one address for all")
	}
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			if v, ok := c.env(in)[grpc]; ok && !strings.HasPrefix(v, "dns:///") {
				found.add("%s: %s=%s does not ask for every recognizer", w, grpc, v)
			}
		}
	}
	return found
}

// protocols says which port what speaks, so that nobody talks TCP to an HTTP
// server.
var protocols = map[string]int32{
	"NSQ_LOOKUP_ADDRESS": 4161, "PRODUCER_ADDRESS": 4150, "GRPC_ADDRESS": 50051, "MYSQL_CONNECTION": 3306,
	"--lookupd-tcp-address": 4160,
}

// scalerAddresses lists what KEDA asks. It does so from another namespace, where
// a short name means another host; one is told as a host that is not there.
func (c *cluster) scalerAddresses(client workload) []address {
	var list []address
	for _, o := range c.objects {
		if o.kind() != "ScaledObject" {
			continue
		}
		for _, meta := range triggers(o) {
			for _, m := range hostPort.FindAllStringSubmatch(meta["nsqLookupdHTTPAddresses"], -1) {
				host := m[1]
				if !strings.HasSuffix(host, ".svc.cluster.local") {
					host = "short-name/" + host
				}
				port, err := strconv.ParseInt(m[2], 10, 32)
				if err != nil {
					continue
				}
				list = append(list, address{client: client, what: "the scaler's nsqLookupdHTTPAddresses", host: host, port: int32(port)})
			}
		}
	}
	return list
}

// triggers returns the metadata of a ScaledObject's triggers.
func triggers(o object) []map[string]string {
	spec, _ := o["spec"].(map[string]any)
	list, _ := spec["triggers"].([]any)
	var all []map[string]string
	for _, t := range list {
		trigger, _ := t.(map[string]any)
		meta, _ := trigger["metadata"].(map[string]any)
		texts := map[string]string{"type": fmt.Sprint(trigger["type"])}
		for k, v := range meta {
			texts[k] = fmt.Sprint(v)
		}
		all = append(all, texts)
	}
	return all
}
