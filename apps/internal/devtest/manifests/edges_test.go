package manifests

import (
	"encoding/json"
	"slices"
	"strconv"
)

func edgesOf() []check {
	env := func(program string, rest ...any) []any {
		return append([]any{"spec", "template", "spec", "containers", program, "env"}, rest...)
	}
	return []check{
		{
			name: "each public host has TLS, and its program knows it",
			only: isPublic,
			find: hosts,
			broken: []mutation{
				{name: "another host", overlay: "tests/minikube-ingress", edit: func(l *objects) { l.set("Ingress/frontend", "other.example.com", "spec", "rules", 0, "host") }},
				{name: "another host of a route", overlay: "tests/minikube-gateway", edit: func(l *objects) { l.set("HTTPRoute/receiver", "other.example.com", "spec", "hostnames", 0) }},
				{name: "the program does not know it", overlay: "aws", edit: func(l *objects) { l.drop("Deployment/receiver", env("receiver", "ROLLCALL_ALLOWED_HOSTS")...) }},
				{name: "the provider would send users elsewhere", overlay: "tests/minikube-gateway", edit: func(l *objects) {
					l.set("Deployment/frontend", "https://other.example.com", env("frontend", "ROLLCALL_DASHBOARD_URL", "value")...)
				}},
				{name: "everybody has the proxy's address", overlay: "tests/minikube-ingress", edit: func(l *objects) {
					l.drop("Deployment/frontend", env("frontend", "ROLLCALL_TRUSTED_PROXIES")...)
				}},
				{name: "a cookie without TLS", overlay: "tests/minikube-ingress", edit: func(l *objects) {
					l.set("Deployment/frontend", map[string]any{"name": "ROLLCALL_PLAIN_HTTP", "value": "true"}, env("frontend", end)...)
				}},
				{name: "no TLS", overlay: "tests/minikube-ingress", edit: func(l *objects) { l.drop("Ingress/receiver", "spec", "tls") }},
				{name: "TLS of another host", overlay: "tests/minikube-ingress", edit: func(l *objects) {
					l.set("Ingress/receiver", "other.example.com", "spec", "tls", 0, "hosts", 0)
				}},
				{name: "no TLS at the load balancer", overlay: "aws", edit: func(l *objects) {
					l.set("Ingress/rollcall", `[{"HTTP": 80}]`, "metadata", "annotations", "alb.ingress.kubernetes.io/listen-ports")
				}},
				{name: "a listener that is not there", overlay: "tests/minikube-gateway", edit: func(l *objects) {
					l.set("HTTPRoute/frontend", "https", "spec", "parentRefs", 0, "sectionName")
				}},
				{name: "answers without TLS", overlay: "tests/minikube-gateway", edit: func(l *objects) {
					l.set("HTTPRoute/frontend", "http", "spec", "parentRefs", 0, "sectionName")
				}},
				{name: "no redirect", overlay: "tests/minikube-gateway", edit: func(l *objects) { l.remove("HTTPRoute/to-https") }},
				{name: "a port that is not there", overlay: "tests/minikube-gateway", edit: func(l *objects) {
					l.set("HTTPRoute/receiver", 80, "spec", "rules", 0, "backendRefs", 0, "port")
				}},
			},
		},
		{
			name: "a proxy stops neither large uploads nor streams",
			only: isPublic,
			find: proxies,
			broken: []mutation{
				{name: "nginx's own limit of a body", overlay: "tests/minikube-ingress", edit: func(l *objects) {
					l.drop("Ingress/receiver", "metadata", "annotations", "nginx.ingress.kubernetes.io/proxy-body-size")
				}},
				{name: "shorter than the slowest answer", overlay: "tests/minikube-ingress", edit: func(l *objects) {
					l.set("Ingress/receiver", "30", "metadata", "annotations", "nginx.ingress.kubernetes.io/proxy-read-timeout")
				}},
				{name: "Envoy's 15 seconds", overlay: "tests/minikube-gateway", edit: func(l *objects) { l.drop("HTTPRoute/receiver", "spec", "rules", 0, "timeouts") }},
			},
		},
		{
			name: "who answers users goes before who recognizes, and that before jobs",
			only: func(folder string) bool { return onAWS(folder) || folder == "tests/minikube-everything" },
			find: priorities,
			broken: []mutation{
				{name: "a class that is not there", overlay: "aws", edit: func(l *objects) { l.remove("PriorityClass/rollcall-jobs") }},
				{name: "more than others' pods", overlay: "aws", edit: func(l *objects) { l.set("PriorityClass/rollcall-serving", 1000, "value") }},
				{name: "no room is made for it", overlay: "aws", edit: func(l *objects) { l.set("PriorityClass/rollcall-jobs", -11, "value") }},
				{name: "recognizers end a backup", overlay: "aws", edit: func(l *objects) {
					l.set("PriorityClass/rollcall-recognizing", "PreemptLowerPriority", "preemptionPolicy")
				}},
				{name: "everybody's", overlay: "aws", edit: func(l *objects) { l.set("PriorityClass/rollcall-serving", true, "globalDefault") }},
				{name: "a job before the database", overlay: "aws", edit: func(l *objects) {
					l.set("StatefulSet/mysql", "rollcall-jobs", "spec", "template", "spec", "priorityClassName")
				}},
				{name: "a restore that is put off", overlay: "tests/minikube-everything", edit: func(l *objects) {
					l.set("CronJob/restore", "rollcall-jobs", "spec", "jobTemplate", "spec", "template", "spec", "priorityClassName")
				}},
			},
		},
	}
}

// isPublic holds where somebody outside of the cluster is let in by a name.
func isPublic(folder string) bool {
	return onAWS(folder) || folder == "tests/minikube-ingress" || folder == "tests/minikube-gateway"
}

// route is what the checks read of an HTTPRoute.
type route struct {
	Metadata struct{ Name string }
	Spec     struct {
		ParentRefs []struct{ Name, SectionName string }
		Hostnames  []string
		Rules      []struct {
			Timeouts    struct{ Request string }
			Filters     []struct{ RequestRedirect struct{ Scheme string } }
			BackendRefs []struct {
				Name string
				Port int32
			}
		}
	}
}

// listener is what the checks read of a listener of a Gateway.
type listener struct {
	Name, Protocol, Hostname string
	TLS                      struct{ CertificateRefs []struct{ Name string } }
}

// routes returns the HTTPRoutes, and the listeners of the Gateways by their names.
func (c *cluster) routes() (routes []route, listeners map[string]listener, err error) {
	listeners = map[string]listener{}
	for _, o := range c.objects {
		text, err := json.Marshal(o)
		if err != nil {
			return nil, nil, err
		}
		switch o.kind() {
		case "HTTPRoute":
			var r route
			if err := json.Unmarshal(text, &r); err != nil {
				return nil, nil, err
			}
			routes = append(routes, r)
		case "Gateway":
			var g struct {
				Spec struct{ Listeners []listener }
			}
			if err := json.Unmarshal(text, &g); err != nil {
				return nil, nil, err
			}
			for _, l := range g.Spec.Listeners {
				listeners[o.name()+"/"+l.Name] = l
			}
		}
	}
	return routes, listeners, nil
}

func hosts(c *cluster) (found problems) {
	for _, i := range c.ingresses {
		atBalancer := i.Annotations["alb.ingress.kubernetes.io/listen-ports"] == `[{"HTTPS": 443}]` // it finds its certificates
		for _, r := range i.Spec.Rules {
			isEncrypted := atBalancer
			for _, t := range i.Spec.TLS {
				isEncrypted = isEncrypted || t.SecretName != "" && slices.Contains(t.Hosts, r.Host)
			}
			if !isEncrypted {
				found.add("Ingress/%s: %s has no TLS", i.Name, r.Host)
			}
			for _, p := range r.HTTP.Paths {
				found = append(found, c.known(r.Host, p.Backend.Service.Name)...)
			}
		}
	}
	return append(found, gatewayHosts(c)...)
}

func gatewayHosts(c *cluster) (found problems) {
	routes, listeners, err := c.routes()
	if err != nil {
		found.add("%v", err)
		return found
	}
	used := map[string]bool{}
	for _, r := range routes {
		for _, parent := range r.Spec.ParentRefs {
			name := parent.Name + "/" + parent.SectionName
			l, ok := listeners[name]
			used[name] = true
			if !ok || !slices.Equal(r.Spec.Hostnames, []string{l.Hostname}) {
				found.add("HTTPRoute/%s is for %v, and its listener %s for %q", r.Metadata.Name, r.Spec.Hostnames, name, l.Hostname)
			}
			isEncrypted := l.Protocol == "HTTPS" && len(l.TLS.CertificateRefs) == 1
			for _, rule := range r.Spec.Rules {
				if redirects := len(rule.Filters) == 1 && rule.Filters[0].RequestRedirect.Scheme == "https"; redirects == isEncrypted {
					found.add("HTTPRoute/%s: TLS: %v, redirect: %v", r.Metadata.Name, isEncrypted, redirects)
				}
				for _, b := range rule.BackendRefs {
					if s, ok := c.service(b.Name); !ok || s.Spec.Ports[0].Port != b.Port {
						found.add("HTTPRoute/%s leads to %s, port %d, which is not there", r.Metadata.Name, b.Name, b.Port)
					}
					found = append(found, c.known(l.Hostname, b.Name)...)
				}
			}
		}
	}
	for name := range listeners {
		if !used[name] {
			found.add("nobody uses the listener %s", name)
		}
	}
	return found
}

// known says what a program does not know of its public host.
func (c *cluster) known(host, program string) (found problems) {
	w, _ := c.workload(program)
	in, _ := w.container(program)
	env := c.env(in)
	if env["ROLLCALL_ALLOWED_HOSTS"] != host {
		found.add("%s answers for %q, and not for %s", w, env["ROLLCALL_ALLOWED_HOSTS"], host)
	}
	if program != "frontend" {
		return found
	}
	if url := env["ROLLCALL_DASHBOARD_URL"]; url != "https://"+host {
		found.add("%s calls itself %q, and its host is %s", w, url, host)
	}
	if env["ROLLCALL_TRUSTED_PROXIES"] == "" {
		found.add("%s takes the proxy for the user", w)
	}
	if env["ROLLCALL_PLAIN_HTTP"] != "" {
		found.add("%s would send cookies without TLS", w)
	}
	return found
}

// slowest is more than the receiver's slowest beginning of an answer, in seconds: a turn
// for a rendering (30 s), and one call to a recognizer (30 s).
const slowest = 60

func proxies(c *cluster) (found problems) {
	for _, i := range c.ingresses {
		if *i.Spec.IngressClassName != "nginx" {
			continue
		}
		value := func(name string) string { return i.Annotations["nginx.ingress.kubernetes.io/"+name] }
		if value("proxy-body-size") != "0" || value("proxy-request-buffering") != "off" {
			found.add("Ingress/%s stops or keeps uploads", i.Name)
		}
		if wait, err := strconv.Atoi(value("proxy-read-timeout")); err != nil || wait <= slowest {
			found.add("Ingress/%s waits %d s for an answer", i.Name, wait)
		}
	}
	routes, _, err := c.routes()
	if err != nil {
		found.add("%v", err)
	}
	for _, r := range routes {
		for _, rule := range r.Spec.Rules {
			if len(rule.BackendRefs) > 0 && rule.Timeouts.Request != "0s" {
				found.add("HTTPRoute/%s ends a stream after %q", r.Metadata.Name, rule.Timeouts.Request)
			}
		}
	}
	return found
}

// ranks are the names of those who may have each priority, in order.
var ranks = [][]string{
	{"frontend", "mysql", "nsqlookupd", "receiver", "restore"},
	{"processor", "recognizer"},
	{"redeemer", "redeemer-erased"},
}

func priorities(c *cluster) (found problems) {
	values := map[string]int32{"": 0} // a pod without a class
	for _, class := range c.classesOfPods {
		values[class.Name] = class.Value
		// Below -10, Cluster Autoscaler adds no node for a pod.
		if class.Value > 0 || class.Value < -10 || class.GlobalDefault {
			found.add("PriorityClass/%s: %d, for everybody: %v", class.Name, class.Value, class.GlobalDefault)
		}
		if class.Value < 0 && (class.PreemptionPolicy == nil || *class.PreemptionPolicy != "Never") {
			found.add("PriorityClass/%s ends other pods for work that can wait", class.Name)
		}
	}
	for _, w := range c.workloads {
		if _, ok := values[w.pod.Spec.PriorityClassName]; !ok {
			found.add("%s has a class that is not there: %s", w, w.pod.Spec.PriorityClassName)
		}
	}
	above := int32(1)
	for _, names := range ranks {
		own := map[int32]bool{}
		for _, name := range names {
			if w, ok := c.workload(name); ok {
				own[values[w.pod.Spec.PriorityClassName]] = true
			}
		}
		list := sortedKeys(own)
		if len(list) != 1 || list[0] >= above {
			found.add("%v have the priorities %v, and those above %d", names, list, above)
			continue
		}
		above = list[0]
	}
	return found
}
