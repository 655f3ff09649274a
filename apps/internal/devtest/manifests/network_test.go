package manifests

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollcall-faces/rollcall/apps/internal/webhooks"
)

func network() []check {
	return []check{
		{
			name: "policies let through what is used, and nothing else",
			only: guarded,
			find: edges,
			broken: []mutation{
				{name: "server does not let the client in", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/mysql", "spec", "ingress", 0, "from", 0) }},
				{name: "client is not let out", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/processor", "spec", "egress", 1) }},
				{name: "other port", overlay: "aws", edit: func(l *objects) { l.set("NetworkPolicy/recognizer", 50052, "spec", "ingress", 0, "ports", 0, "port") }},
				{name: "more than is used", overlay: "aws", edit: func(l *objects) {
					l.set("NetworkPolicy/recognizer", map[string]any{"ports": []any{map[string]any{"port": 3306, "protocol": "TCP"}}}, "spec", "ingress", end)
				}},
				{name: "anybody", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/mysql", "spec", "ingress", 0, "from") }},
				{name: "autoscaler kept out", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/nsqlookupd", "spec", "ingress", 1, "from", 2) }},
				{name: "a queue that cannot be handed over", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/receiver", "spec", "egress", 3) }},
				{name: "metrics kept in", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/frontend", "spec", "ingress", 1) }},
				{name: "traces are kept in", overlay: "tests/aws-tracing", edit: func(l *objects) { l.drop("NetworkPolicy/recognizer", "spec", "egress") }},
				{name: "a collector elsewhere", overlay: "tests/aws-tracing", edit: func(l *objects) {
					l.set("ConfigMap/pipeline", "http://collector.tracing.svc.cluster.local:4318", "data", "OTEL_EXPORTER_OTLP_ENDPOINT")
				}},
				{name: "a node keeps the others out", overlay: "tests/aws-galera", edit: func(l *objects) { l.drop("NetworkPolicy/mysql", "spec", "ingress", 1) }},
				{name: "a node is kept in", overlay: "tests/aws-galera", edit: func(l *objects) { l.drop("NetworkPolicy/mysql", "spec", "egress") }},
				{name: "a variable that leads elsewhere", overlay: "aws", edit: func(l *objects) {
					l.set("CronJob/redeemer", "nsqd:4151", "spec", "jobTemplate", "spec", "template", "spec", "containers", 0, "env", "PRODUCER_ADDRESS", "value")
				}},
			},
		},
		{
			name: "webhooks reach the addresses that the receiver does not refuse, and no others",
			only: guarded,
			find: webhookAddresses,
			broken: []mutation{
				{name: "a private range is let out", overlay: "aws", edit: func(l *objects) {
					l.drop("NetworkPolicy/receiver", "spec", "egress", 4, "to", 0, "ipBlock", "except", 1)
				}},
				{name: "metadata services are let out", overlay: "aws", edit: func(l *objects) {
					l.drop("NetworkPolicy/receiver", "spec", "egress", 4, "to", 0, "ipBlock", "except", 4)
				}},
				{name: "tunnels of IPv6 are let out", overlay: "aws", edit: func(l *objects) {
					l.drop("NetworkPolicy/receiver", "spec", "egress", 4, "to", 1, "ipBlock", "except", 2)
				}},
				{name: "private addresses of IPv6 are let out", overlay: "aws", edit: func(l *objects) {
					l.set("NetworkPolicy/receiver", "::/0", "spec", "egress", 4, "to", 1, "ipBlock", "cidr")
				}},
				{name: "IPv6 is kept in", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/receiver", "spec", "egress", 4, "to", 1) }},
			},
		},
		{
			name: "what no policy names is cut off, but for names",
			only: guarded,
			find: defaults,
			broken: []mutation{
				{name: "no default", overlay: "aws", edit: func(l *objects) { l.remove("NetworkPolicy/default-deny") }},
				{name: "only one way", overlay: "aws", edit: func(l *objects) { l.set("NetworkPolicy/default-deny", []any{"Ingress"}, "spec", "policyTypes") }},
				{name: "an open rule", overlay: "aws", edit: func(l *objects) { l.set("NetworkPolicy/recognizer", []any{map[string]any{}}, "spec", "egress") }},
				{name: "long answers of DNS", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/allow-dns", "spec", "egress", 0, "ports", 1) }},
				{name: "a pod that no policy names", overlay: "aws", edit: func(l *objects) { l.remove("NetworkPolicy/frontend") }},
			},
		},
	}
}

func guarded(folder string) bool {
	return onAWS(folder) || folder == "tests/minikube-network-policies" || folder == "tests/minikube-everything"
}

// edge is one that may open a connection to another's port.
type edge struct {
	client, server string // a workload, "namespace x", "anyone" or "outside"
	port           int32
}

func (e edge) String() string { return fmt.Sprintf("%s to %s, port %d", e.client, e.server, e.port) }

// real returns the connections that there are.
func (c *cluster) real() map[edge]bool {
	all := map[edge]bool{}
	for _, a := range c.addressesOf() {
		switch server, port, err := c.resolve(a); {
		case err != nil || server.name == a.client.name && server.kind == a.client.kind:
		case server.name == "":
			all[edge{a.client.name, beyond(a.host), a.port}] = true
		default:
			all[edge{a.client.name, server.name, port}] = true
		}
	}
	for _, e := range []edge{
		// Found through nsqlookupd, and so in no setting.
		{"processor", "receiver", 4150}, {"processor", "receiver", 4151}, {"redeemer", "receiver", 4151},
		// One that goes hands its queue over.
		{"receiver", "receiver", 4150}, {"receiver", "receiver", 4151},
		// Webhooks.
		{"receiver", "outside", 443},
		// From outside of the namespace.
		{"anyone", "receiver", 8000}, {"anyone", "frontend", 8081},
		{"namespace keda", "nsqlookupd", 4161}, {"namespace keda", "receiver", 4151},
	} {
		all[e] = true
	}
	if w, ok := c.workload("mysql"); ok && *w.replicas > 1 {
		for _, port := range []int32{4444, 4567, 4568} { // Galera's
			all[edge{"mysql", "mysql", port}] = true
		}
	}
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			if port, ok := in.port("admin"); ok {
				all[edge{"namespace monitoring", w.name, port}] = true
			}
		}
	}
	return all
}

// beyond says where a host is that is none of ours.
func beyond(host string) string {
	if name, ok := strings.CutSuffix(host, ".svc.cluster.local"); ok {
		_, other, _ := strings.Cut(name, ".")
		return "namespace " + other
	}
	return "outside"
}

// inbound and outbound return what the policies let through on either side.
func (c *cluster) inbound() map[edge]bool {
	all := map[edge]bool{}
	for _, p := range c.policies {
		for _, rule := range p.Spec.Ingress {
			for _, server := range c.selected(p.Spec.PodSelector.MatchLabels) {
				for _, client := range c.peers(rule.From) {
					for _, port := range ports(rule.Ports) {
						all[edge{client, server.name, port}] = true
					}
				}
			}
		}
	}
	return all
}

func (c *cluster) outbound() map[edge]bool {
	all := map[edge]bool{}
	for _, p := range c.policies {
		for _, rule := range p.Spec.Egress {
			if slices.ContainsFunc(rule.To, isDNS) {
				continue
			}
			for _, client := range c.selected(p.Spec.PodSelector.MatchLabels) {
				for _, server := range c.peers(rule.To) {
					for _, port := range ports(rule.Ports) {
						all[edge{client.name, server, port}] = true
					}
				}
			}
		}
	}
	return all
}

func (c *cluster) peers(list []networkingv1.NetworkPolicyPeer) []string {
	if len(list) == 0 {
		return []string{"anyone"}
	}
	var names []string
	for _, p := range list {
		switch {
		case p.IPBlock != nil:
			names = append(names, "outside")
		case p.NamespaceSelector != nil:
			names = append(names, "namespace "+p.NamespaceSelector.MatchLabels[corev1.LabelMetadataName])
		default:
			for _, w := range c.selected(p.PodSelector.MatchLabels) {
				names = append(names, w.name)
			}
		}
	}
	return names
}

// ports lists a rule's; 0 stands for all of them.
func ports(list []networkingv1.NetworkPolicyPort) []int32 {
	if len(list) == 0 {
		return []int32{0}
	}
	var numbers []int32
	for _, p := range list {
		numbers = append(numbers, p.Port.IntVal)
	}
	return numbers
}

func edges(c *cluster) (found problems) {
	in, out, let := c.inbound(), c.outbound(), c.inbound()
	for e := range c.real() {
		inside := e.client == "anyone" || e.client == "namespace keda" || e.client == "namespace monitoring"
		away := e.server == "outside" || strings.HasPrefix(e.server, "namespace ")
		if !let[e] && !let[edge{"anyone", e.server, e.port}] && !away {
			found.add("%s: the server does not let it in", e)
		}
		if !out[e] && !inside {
			found.add("%s: the client is not let out", e)
		}
		delete(in, e)
		delete(out, e)
	}
	for e := range in {
		found.add("%s is let in, and nobody needs it", e)
	}
	for e := range out {
		found.add("%s is let out, and nobody needs it", e)
	}
	slices.Sort(found)
	return found
}

func defaults(c *cluster) (found problems) {
	denies := false
	names := map[corev1.Protocol]bool{}
	for _, p := range c.policies {
		all := len(p.Spec.PodSelector.MatchLabels) == 0 && len(p.Spec.PodSelector.MatchExpressions) == 0
		if all && len(p.Spec.PolicyTypes) == 2 && len(p.Spec.Ingress)+len(p.Spec.Egress) == 0 {
			denies = true
		}
		for _, rule := range p.Spec.Ingress {
			if len(rule.From)+len(rule.Ports) == 0 {
				found.add("NetworkPolicy/%s lets everything in", p.Name)
			}
		}
		for _, rule := range p.Spec.Egress {
			if len(rule.To)+len(rule.Ports) == 0 {
				found.add("NetworkPolicy/%s lets everything out", p.Name)
			}
			if !all {
				continue
			}
			for _, port := range rule.Ports {
				if port.Port.IntVal == 53 && slices.ContainsFunc(rule.To, isDNS) {
					names[*port.Protocol] = true
				}
			}
		}
	}
	if !denies {
		found.add("nothing is cut off")
	}
	if !names[corev1.ProtocolUDP] || !names[corev1.ProtocolTCP] {
		found.add("names are asked for by %v only", sortedKeys(names))
	}
	for _, w := range c.workloads {
		if !slices.ContainsFunc(c.policies, func(p networkingv1.NetworkPolicy) bool {
			return len(p.Spec.PodSelector.MatchLabels) > 0 && subset(p.Spec.PodSelector.MatchLabels, w.pod.Labels)
		}) {
			found.add("no policy is about %s", w)
		}
	}
	return found
}

func isDNS(p networkingv1.NetworkPolicyPeer) bool {
	has := func(s *metav1.LabelSelector, key, value string) bool { return s != nil && s.MatchLabels[key] == value }
	return has(p.NamespaceSelector, corev1.LabelMetadataName, "kube-system") && has(p.PodSelector, "k8s-app", "kube-dns")
}

// webhookAddresses compares the policy of the receiver with the addresses that its
// webhooks refuse.
func webhookAddresses(c *cluster) (found problems) {
	var blocks []*networkingv1.IPBlock
	for _, p := range c.policies {
		if p.Name != "receiver" {
			continue
		}
		for _, rule := range p.Spec.Egress {
			for _, to := range rule.To {
				if to.IPBlock != nil && slices.Contains(ports(rule.Ports), 443) {
					blocks = append(blocks, to.IPBlock)
				}
			}
		}
	}
	for _, text := range []string{
		"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.169.0.0", "223.255.255.255",
		"0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1",
		"192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"2606:4700::1111", "2a00::1", "2001:4860::8888",
		"::1", "64:ff9b::a00:1", "2001::1", "2001:1ff::1", "2001:db8::1", "2002:a00:1::", "3fff::1", "fc00::1", "fd12::1", "fe80::1", "ff02::1",
	} {
		ip := netip.MustParseAddr(text)
		mayReach := webhooks.Target{}.CheckURL("https://"+netip.AddrPortFrom(ip, 443).String()) == nil
		if isOut := slices.ContainsFunc(blocks, func(b *networkingv1.IPBlock) bool { return contains(b, ip) }); isOut != mayReach {
			found.add("%s: the policy lets it out: %v, and webhooks may reach it: %v", ip, isOut, mayReach)
		}
	}
	return found
}

func contains(b *networkingv1.IPBlock, ip netip.Addr) bool {
	in := func(text string) bool {
		p, err := netip.ParsePrefix(text)
		return err == nil && p.Contains(ip)
	}
	return in(b.CIDR) && !slices.ContainsFunc(b.Except, in)
}
