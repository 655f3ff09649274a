package manifests

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

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
				{name: "other protocol", overlay: "aws", edit: func(l *objects) {
					l.set("NetworkPolicy/recognizer", "UDP", "spec", "ingress", 0, "ports", 0, "protocol")
				}},
				{name: "more than is used", overlay: "aws", edit: func(l *objects) {
					l.set("NetworkPolicy/recognizer", map[string]any{"ports": []any{map[string]any{"port": 3306, "protocol": "TCP"}}}, "spec", "ingress", end)
				}},
				{name: "a client that is not let out is let in", overlay: "aws", edit: func(l *objects) {
					l.set("NetworkPolicy/mysql", map[string]any{"podSelector": map[string]any{"matchLabels": map[string]any{"app.kubernetes.io/name": "recognizer"}}}, "spec", "ingress", 0, "from", end)
				}},
				{name: "anybody", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/mysql", "spec", "ingress", 0, "from") }},
				{name: "any port", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/mysql", "spec", "ingress", 0, "ports") }},
				{name: "every namespace", overlay: "aws", edit: func(l *objects) {
					l.drop("NetworkPolicy/recognizer", "spec", "ingress", 1, "from", 0, "namespaceSelector", "matchLabels")
				}},
				{name: "past the load balancer", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/receiver", "spec", "ingress", 0, "from") }},
				{name: "past the Ingress controller", overlay: "tests/minikube-ingress", edit: func(l *objects) { l.drop("NetworkPolicy/frontend", "spec", "ingress", 0, "from") }},
				{name: "past the gateway", overlay: "tests/minikube-gateway", edit: func(l *objects) { l.drop("NetworkPolicy/frontend", "spec", "ingress", 0, "from") }},
				{name: "the dashboard does not reach the API", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/receiver", "spec", "ingress", 1) }},
				{name: "autoscaler kept out", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/nsqlookupd", "spec", "ingress", 1, "from", 2) }},
				{name: "a queue that cannot be handed over", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/receiver", "spec", "egress", 3) }},
				{name: "metrics kept in", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/frontend", "spec", "ingress", 1) }},
				{name: "traces are kept in", overlay: "tests/aws-tracing", edit: func(l *objects) { l.drop("NetworkPolicy/recognizer", "spec", "egress") }},
				{name: "the collector has no name", overlay: "tests/aws-tracing", edit: func(l *objects) { l.drop("NetworkPolicy/recognizer", "spec", "egress", 1) }},
				{name: "a collector elsewhere", overlay: "tests/aws-tracing", edit: func(l *objects) {
					l.set("ConfigMap/pipeline", "http://collector.tracing.svc.cluster.local:4318", "data", "OTEL_EXPORTER_OTLP_ENDPOINT")
				}},
				{name: "nobody can sign in", overlay: "tests/aws-openid", edit: func(l *objects) { l.drop("NetworkPolicy/frontend", "spec", "egress", 2) }},
				{name: "a node keeps the others out", overlay: "tests/aws-galera", edit: func(l *objects) { l.drop("NetworkPolicy/mysql", "spec", "ingress", 1) }},
				{name: "a node is kept in", overlay: "tests/aws-galera", edit: func(l *objects) { l.drop("NetworkPolicy/mysql", "spec", "egress") }},
				{name: "a backup that reaches no database", overlay: "tests/aws-backup", edit: func(l *objects) { l.drop("NetworkPolicy/backup", "spec", "egress", 0) }},
				{name: "a variable that leads elsewhere", overlay: "aws", edit: func(l *objects) {
					l.set("CronJob/redeemer", "nsqd:4151", "spec", "jobTemplate", "spec", "template", "spec", "containers", 0, "env", "PRODUCER_ADDRESS", "value")
				}},
				{name: "nothing is cut off", overlay: "aws", edit: func(l *objects) { l.remove("NetworkPolicy/default-deny") }},
				{name: "cut off in one direction", overlay: "aws", edit: func(l *objects) { l.set("NetworkPolicy/default-deny", []any{"Egress"}, "spec", "policyTypes") }},
				{name: "an open rule", overlay: "aws", edit: func(l *objects) { l.set("NetworkPolicy/recognizer", []any{map[string]any{}}, "spec", "egress") }},
				{name: "long answers of DNS", overlay: "aws", edit: func(l *objects) { l.drop("NetworkPolicy/allow-dns", "spec", "egress", 0, "ports", 1) }},
				{name: "names for the recognizer", overlay: "aws", edit: func(l *objects) { l.set("NetworkPolicy/allow-dns", map[string]any{}, "spec", "podSelector") }},
				{name: "a pod that no policy names", overlay: "aws", edit: func(l *objects) { l.remove("NetworkPolicy/frontend") }},
			},
		},
		{
			name: "what goes to public addresses reaches those that the receiver does not refuse, and no others",
			only: guarded,
			find: publicAddresses,
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
				{name: "the sign-in reaches a private range", overlay: "tests/aws-openid", edit: func(l *objects) {
					l.drop("NetworkPolicy/frontend", "spec", "egress", 2, "to", 0, "ipBlock", "except", 1)
				}},
			},
		},
	}
}

func guarded(folder string) bool {
	return onAWS(folder) || slices.Contains([]string{"tests/minikube-network-policies", "tests/minikube-everything", "tests/minikube-ingress", "tests/minikube-gateway"}, folder)
}

// The places outside of our namespace, as docs/network.md calls them.
const (
	anyone      = "anyone"
	vpc         = "the VPC"
	public      = "public addresses"
	dns         = "kube-dns"
	prometheus  = "namespace monitoring"
	keda        = "namespace keda"
	nginx       = "namespace ingress-nginx"
	envoy       = "namespace envoy-gateway-system"
	otherPods   = "namespace default"
	strangerPod = "a pod of our namespace that nobody knows"
)

// edge is a connection that a client may open to a server.
type edge struct {
	client, server string
	port           int32
	protocol       corev1.Protocol
}

func (e edge) String() string {
	return fmt.Sprintf("%s to %s, port %d/%s", e.client, e.server, e.port, e.protocol)
}

func tcp(client, server string, port int32) edge {
	return edge{client, server, port, corev1.ProtocolTCP}
}

// real returns the connections that there are.
func (c *cluster) real() map[edge]bool {
	all := map[edge]bool{}
	names := map[string]bool{} // who asks for names of hosts
	for _, a := range c.addressesOf() {
		switch server, port, err := c.resolve(a); {
		case err != nil:
		case server.name == a.client.name && server.kind == a.client.kind:
		case server.name == "":
			all[tcp(a.client.name, beyond(a.host), a.port)] = true
			names[a.client.name] = true
		default:
			all[tcp(a.client.name, server.name, port)] = true
			names[a.client.name] = true
		}
	}
	for _, e := range []edge{
		// Found through nsqlookupd, and so in no setting.
		tcp("processor", "receiver", 4150), tcp("processor", "receiver", 4151), tcp("redeemer", "receiver", 4151),
		// One that goes hands its queue over.
		tcp("receiver", "receiver", 4150), tcp("receiver", "receiver", 4151),
		// Webhooks.
		tcp("receiver", public, 443),
		// From outside of the namespace.
		tcp(c.users(), "receiver", 8000), tcp(c.users(), "frontend", 8081),
		tcp(keda, "nsqlookupd", 4161), tcp(keda, "receiver", 4151),
	} {
		all[e] = true
	}
	c.addDatabases(all)
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			if port, ok := in.port("admin"); ok {
				all[tcp(prometheus, w.name, port)] = true
			}
			if _, ok := c.env(in)["ROLLCALL_OIDC_ISSUER"]; ok {
				all[tcp(w.name, public, 443)] = true
			}
		}
		// MySQL's image asks for no names of its clients; another one may.
		if names[w.name] || w.name == "mysql" {
			all[tcp(w.name, dns, 53)], all[edge{w.name, dns, 53, corev1.ProtocolUDP}] = true, true
		}
	}
	return all
}

// addDatabases adds what the nodes of a cluster of databases say to each other.
func (c *cluster) addDatabases(all map[edge]bool) {
	if w, ok := c.workload("mysql"); ok && *w.replicas > 1 {
		for _, port := range []int32{4444, 4567, 4568} {
			all[tcp("mysql", "mysql", port)] = true
		}
	}
}

// users says where requests of users come from.
func (c *cluster) users() string {
	for _, o := range c.objects {
		if o.kind() == "Gateway" {
			return envoy
		}
	}
	for _, i := range c.ingresses {
		switch *i.Spec.IngressClassName {
		case "alb":
			return vpc
		case "nginx":
			return nginx
		}
	}
	return anyone
}

// beyond says where a host is that is none of ours.
func beyond(host string) string {
	if name, ok := strings.CutSuffix(host, ".svc.cluster.local"); ok {
		_, other, _ := strings.Cut(name, ".")
		return "namespace " + other
	}
	return vpc
}

// endpoint is one end of a connection: a pod, or an address outside of the cluster.
type endpoint struct {
	name      string
	namespace string // "" for an address
	labels    labels.Set
	ip        netip.Addr
}

func (p endpoint) isOurs() bool { return p.namespace == namespace }

// world returns everything that may connect to us or that we may connect to.
func (c *cluster) world() []endpoint {
	all := []endpoint{
		{name: strangerPod, namespace: namespace, labels: labels.Set{"app.kubernetes.io/name": "stranger"}},
		{name: dns, namespace: "kube-system", labels: labels.Set{"k8s-app": "kube-dns"}},
		{name: "namespace kube-system", namespace: "kube-system"},
	}
	for _, w := range c.workloads {
		all = append(all, endpoint{name: w.name, namespace: namespace, labels: w.pod.Labels})
	}
	for _, name := range []string{prometheus, keda, nginx, envoy, otherPods} {
		all = append(all, endpoint{name: name, namespace: strings.TrimPrefix(name, "namespace "), labels: labels.Set{"app.kubernetes.io/name": "receiver"}})
	}
	for text, name := range map[string]string{
		"1.1.1.1": public, "2606:4700::1111": public, "10.0.3.4": vpc,
		"192.168.7.7": "a private network", "169.254.169.254": "the metadata service", "fd12::1": "a private network of IPv6",
	} {
		all = append(all, endpoint{name: name, ip: netip.MustParseAddr(text)})
	}
	return all
}

// selects reports whether a selector finds labels; nil finds everything.
func selects(s *metav1.LabelSelector, set labels.Set) bool {
	if s == nil {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(set)
}

// isPeer reports whether a rule's list of peers has an endpoint. A block of addresses
// stands for what is outside of the cluster: network plugins differ about pods in it.
func isPeer(list []networkingv1.NetworkPolicyPeer, p endpoint) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(peer networkingv1.NetworkPolicyPeer) bool {
		switch {
		case peer.IPBlock != nil:
			return p.ip.IsValid() && contains(peer.IPBlock, p.ip)
		case p.namespace == "":
			return false
		case peer.NamespaceSelector == nil:
			return p.isOurs() && selects(peer.PodSelector, p.labels)
		default:
			return selects(peer.NamespaceSelector, labels.Set{corev1.LabelMetadataName: p.namespace}) && selects(peer.PodSelector, p.labels)
		}
	})
}

func hasPort(list []networkingv1.NetworkPolicyPort, port int32, protocol corev1.Protocol) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(p networkingv1.NetworkPolicyPort) bool {
		return p.Port.IntVal == port && *p.Protocol == protocol
	})
}

// openings are the ports at which a pod of ours may talk to another end, in one direction.
type openings struct {
	all   bool // no policy is about the pod
	rules [][]networkingv1.NetworkPolicyPort
}

func (o openings) has(port int32, protocol corev1.Protocol) bool {
	return o.all || slices.ContainsFunc(o.rules, func(list []networkingv1.NetworkPolicyPort) bool { return hasPort(list, port, protocol) })
}

func (c *cluster) openings(way networkingv1.PolicyType, pod, other endpoint) openings {
	o := openings{all: true}
	for _, p := range c.policies {
		if !slices.Contains(p.Spec.PolicyTypes, way) || !selects(&p.Spec.PodSelector, pod.labels) {
			continue
		}
		o.all = false
		for _, rule := range p.Spec.Ingress {
			if way == networkingv1.PolicyTypeIngress && isPeer(rule.From, other) {
				o.rules = append(o.rules, rule.Ports)
			}
		}
		for _, rule := range p.Spec.Egress {
			if way == networkingv1.PolicyTypeEgress && isPeer(rule.To, other) {
				o.rules = append(o.rules, rule.Ports)
			}
		}
	}
	return o
}

// tried lists the ports at which the policies are tried: all that anybody listens on, and
// some of others.
func (c *cluster) tried() []edge {
	ports := map[int32]bool{22: true, 53: true, 80: true, 443: true, 4318: true, 8080: true, 8443: true, 10250: true}
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			for _, p := range in.Ports {
				ports[p.ContainerPort] = true
			}
		}
	}
	list := []edge{{port: 53, protocol: corev1.ProtocolUDP}, {port: 443, protocol: corev1.ProtocolUDP}, {port: 50051, protocol: corev1.ProtocolUDP}}
	for port := range ports {
		list = append(list, tcp("", "", port))
	}
	return list
}

// edges asks the policies about each connection that can be thought of. Each side is asked
// alone: a hole in one policy counts, even if the other side's policy stops it.
func edges(c *cluster) (found problems) {
	want := c.real()
	for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
		want[edge{strangerPod, dns, 53, protocol}] = true // it may ask for names, and get nowhere
	}
	world, tries := c.world(), c.tried()
	for _, from := range world {
		for _, to := range world {
			out, in := c.openings(networkingv1.PolicyTypeEgress, from, to), c.openings(networkingv1.PolicyTypeIngress, to, from)
			for _, e := range tries {
				e.client, e.server = from.name, to.name
				byAnyone := want[edge{anyone, e.server, e.port, e.protocol}]
				isUsed := want[e] || byAnyone && !from.isOurs()
				switch isOut := out.has(e.port, e.protocol); {
				case from.isOurs() && isUsed && !isOut:
					found.add("%s: the client is not let out", e)
				case from.isOurs() && isOut && !isUsed:
					found.add("%s is let out, and nobody needs it", e)
				}
				switch isIn := in.has(e.port, e.protocol); {
				case to.isOurs() && isUsed && !isIn:
					found.add("%s: the server does not let it in", e)
				case to.isOurs() && isIn && !isUsed && !byAnyone:
					found.add("%s is let in, and nobody needs it", e)
				}
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// The page for operators has each connection of any overlay, and no others.
func TestNetworkPage(t *testing.T) {
	t.Parallel()
	want := map[string]bool{}
	for _, folder := range append(combinations(t), overlays...) {
		if !guarded(folder) {
			continue
		}
		for e := range load(t, folder, nil).real() {
			want[e.String()] = true
		}
	}
	if diff := cmp.Diff(sortedKeys(want), sortedKeys(documented(t))); diff != "" {
		t.Errorf("docs/network.md lists other connections than there are (-there are +listed):\n%s", diff)
	}
}

// documented reads the table of docs/network.md.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	_, text, _ := strings.Cut(readText(t, "docs/network.md"), "| from | to | port | for | where |")
	text, _, _ = strings.Cut(text, "\n\n")
	all := map[string]bool{}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.ReplaceAll(line, "`", ""), "|")
		if len(cells) < 4 || strings.HasPrefix(cells[1], " ---") {
			continue
		}
		for _, e := range rows(t, cells[1], cells[2], cells[3]) {
			all[e.String()] = true
		}
	}
	return all
}

// rows reads lists of clients, servers and ports; a port is of TCP unless it says UDP.
func rows(t *testing.T, clients, servers, ports string) (list []edge) {
	t.Helper()
	for client := range strings.SplitSeq(clients, ", ") {
		for server := range strings.SplitSeq(servers, ", ") {
			for text := range strings.SplitSeq(ports, ", ") {
				number, isUDP := strings.CutSuffix(strings.TrimSpace(text), "/UDP")
				port, err := strconv.ParseInt(number, 10, 32)
				if err != nil {
					t.Fatal(err)
				}
				e := tcp(strings.TrimSpace(client), strings.TrimSpace(server), int32(port))
				if isUDP {
					e.protocol = corev1.ProtocolUDP
				}
				list = append(list, e)
			}
		}
	}
	return list
}

// publicAddresses compares the policies of those who reach public addresses with the
// addresses that webhooks refuse.
func publicAddresses(c *cluster) (found problems) {
	for _, p := range c.policies {
		var blocks []*networkingv1.IPBlock
		for _, rule := range p.Spec.Egress {
			for _, to := range rule.To {
				if to.IPBlock != nil && hasPort(rule.Ports, 443, corev1.ProtocolTCP) {
					blocks = append(blocks, to.IPBlock)
				}
			}
		}
		if len(blocks) > 0 {
			found = append(found, compareAddresses(p.Name, blocks)...)
		}
	}
	return found
}

func compareAddresses(policy string, blocks []*networkingv1.IPBlock) (found problems) {
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
			found.add("%s: NetworkPolicy/%s lets it out: %v, and webhooks may reach it: %v", ip, policy, isOut, mayReach)
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
