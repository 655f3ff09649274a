package manifests

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

func monitoring() []check {
	watched := func(folder string) bool {
		return strings.HasSuffix(folder, "monitoring") || strings.HasSuffix(folder, "everything")
	}
	const overlay = "tests/aws-monitoring"
	return []check{
		{
			name: "somebody is asked for metrics",
			only: watched,
			find: monitored,
			broken: []mutation{
				{name: "nobody", overlay: overlay, edit: func(l *objects) {
					l.set("PodMonitor/rollcall", "other", "spec", "selector", "matchLabels", "app.kubernetes.io/part-of")
				}},
				{name: "port that nobody has", overlay: overlay, edit: func(l *objects) { l.set("PodMonitor/rollcall", "metrics", "spec", "podMetricsEndpoints", 0, "port") }},
				{name: "a program without the port", overlay: overlay, edit: func(l *objects) {
					l.set("Deployment/frontend", "metrics", "spec", "template", "spec", "containers", 0, "ports", "admin", "name")
				}},
			},
		},
		{
			name: "a database that does not work is told",
			only: watched,
			find: databaseAlert,
			broken: []mutation{
				{name: "no alert", overlay: overlay, edit: func(l *objects) { l.drop("PrometheusRule/rollcall", "spec", "groups", 0, "rules", 0) }},
				{name: "at each restart of MySQL", overlay: overlay, edit: func(l *objects) {
					l.set("PrometheusRule/rollcall", "0m", "spec", "groups", 0, "rules", 0, "for")
				}},
			},
		},
		{
			name: "alerts and dashboard show metrics that there are",
			only: watched,
			find: metrics,
			broken: []mutation{
				{name: "alert", overlay: overlay, edit: func(l *objects) {
					l.set("PrometheusRule/rollcall", "rollcall_breaker_opened > 0", "spec", "groups", 0, "rules", 0, "expr")
				}},
				{name: "alert of the database", overlay: overlay, edit: func(l *objects) {
					l.set("PrometheusRule/rollcall", "max(rollcall_database_problems) > 0", "spec", "groups", 0, "rules", 0, "expr")
				}},
				{name: "dashboard", overlay: overlay, edit: func(l *objects) {
					l.set("ConfigMap/rollcall-dashboard", `{"panels":[{"expr":"rollcall_images_total"}]}`, "data", "rollcall.json")
				}},
				{name: "no JSON", overlay: overlay, edit: func(l *objects) { l.set("ConfigMap/rollcall-dashboard", "{", "data", "rollcall.json") }},
			},
		},
	}
}

func monitored(c *cluster) (found problems) {
	for _, o := range c.objects {
		if o.kind() != "PodMonitor" {
			continue
		}
		labels := map[string]string{}
		for k, v := range dig[map[string]any](o, "spec", "selector", "matchLabels") {
			labels[k], _ = v.(string)
		}
		asked := map[string]bool{}
		for _, e := range dig[[]any](o, "spec", "podMetricsEndpoints") {
			endpoint, _ := e.(map[string]any)
			for _, w := range c.selected(labels) {
				for _, in := range w.containers() {
					if name, ok := endpoint["port"].(string); ok {
						if _, has := in.port(name); has {
							asked[w.name] = true
						}
					}
				}
			}
		}
		for _, w := range c.servers() {
			if !asked[w.name] {
				found.add("nobody asks %s for its metrics", w)
			}
		}
	}
	return found
}

var (
	metricName = regexp.MustCompile(`rollcall_[a-z_]+`)
	declared   = regexp.MustCompile(`(?:Name:\s+|NewDesc\()"(rollcall_[a-z_]+)"`)
)

// metricNames lists the metrics that the programs' code declares.
var metricNames = sync.OnceValues(func() (map[string]bool, error) {
	names := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(root, "apps"), func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		code, err := os.ReadFile(name)
		for _, m := range declared.FindAllSubmatch(code, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	return names, err
})

// databaseAlert looks for the alert, which must name what keeps the database from working.
func databaseAlert(c *cluster) (found problems) {
	there := false
	for _, o := range c.objects {
		if o.kind() != "PrometheusRule" {
			continue
		}
		for _, g := range dig[[]any](o, "spec", "groups") {
			group, _ := g.(map[string]any)
			rules, _ := group["rules"].([]any)
			for _, r := range rules {
				rule, _ := r.(map[string]any)
				if rule["expr"] != "max by (kind) (rollcall_database_problem) > 0" {
					continue
				}
				there = true
				if wait, err := time.ParseDuration(fmt.Sprint(rule["for"])); err != nil || wait < time.Minute {
					found.add("%s: a restart of MySQL is told as its end", o.ref())
				}
			}
		}
	}
	if !there {
		found.add("no alert looks at rollcall_database_problem")
	}
	return found
}

func metrics(c *cluster) (found problems) {
	there, err := metricNames()
	if err != nil {
		found.add("%v", err)
	}
	look := func(where, text string) {
		for _, name := range metricName.FindAllString(text, -1) {
			base := name
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				base = strings.TrimSuffix(base, suffix)
			}
			if !there[name] && !there[base] {
				found.add("%s looks at %s, which no program has", where, name)
			}
		}
	}
	for _, o := range c.objects {
		if o.kind() != "PrometheusRule" {
			continue
		}
		for _, g := range dig[[]any](o, "spec", "groups") {
			text, err := json.Marshal(g)
			if err != nil {
				found.add("%v", err)
			}
			look(o.ref(), string(text))
		}
	}
	for _, m := range c.configMaps {
		if m.Labels["grafana_dashboard"] != "1" {
			continue
		}
		for name, text := range m.Data {
			if !json.Valid([]byte(text)) || len(text) > 256<<10 {
				found.add("%s of ConfigMap/%s is no dashboard", name, m.Name)
			}
			look("ConfigMap/"+m.Name, text)
		}
	}
	return found
}
