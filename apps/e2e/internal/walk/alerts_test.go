package walk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func repositoryRules(t *testing.T) ruleFile {
	t.Helper()
	rules, err := readRules(root)
	if err != nil || len(rules.alerts()) < 25 {
		t.Fatalf("got the alerts %q, %v", rules.alerts(), err)
	}
	return rules
}

// Each alert is fired by something that the walk breaks, or it is said why not. So a new
// alert needs a decision.
func TestEachAlertIsBrokenOrExcused(t *testing.T) {
	t.Parallel()
	broken := map[string]bool{}
	for _, b := range newWalk().breakages() {
		for _, name := range b.alerts {
			broken[name] = true
		}
	}
	for name := range unbroken() {
		if broken[name] {
			t.Errorf("%s is excused, and something fires it", name)
		}
		broken[name] = true
	}
	want := repositoryRules(t).alerts()
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(broken))); diff != "" {
		t.Errorf("alerts (-there are +in the walk):\n%s", diff)
	}
}

func TestShortened(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, expr, want string }{
		{"a window", "sum(rate(a_total[30m])) > 0", "sum(rate(a_total[60s])) > 0"},
		{"a window that would have no two scrapes", "rate(a_total[5m]) > 0", "rate(a_total[20s]) > 0"},
		{"a day before", "increase(a_total[1d] offset 1h)", "increase(a_total[2880s] offset 120s)"},
		{"an age", "max(a_seconds) > 15 * 60", "max(a_seconds) > (15 * 60) / 30"},
		{"an age of a webhook", "max by (b) (a_seconds) > 900", "max by (b) (a_seconds) > (900) / 30"},
		{"a number", "max(a_open) > 0", "max(a_open) > 0"},
		{"room", "min(a_bytes) < 100 * 1024", "min(a_bytes) < 100 * 1024"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ruleFile{Groups: []ruleGroup{{Name: "g", Rules: []alertRule{{Alert: "A", Expr: tt.expr, For: "2h"}}}}}.shortened()
			if err != nil {
				t.Fatal(err)
			}
			want := []alertRule{{Alert: "A", Expr: tt.want, For: "10s"}}
			if diff := cmp.Diff(want, got.Groups[0].Rules); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// prometheusProgram returns the path of a program of Prometheus' package.
func prometheusProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := findPrometheus(root)
	if err == nil {
		path = filepath.Join(filepath.Dir(path), name)
		_, err = os.Stat(path)
	}
	if err == nil {
		return path
	}
	if os.Getenv("ROLLCALL_TEST_REQUIRE") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

func TestShortenedRulesAreRules(t *testing.T) {
	t.Parallel()
	promtool := prometheusProgram(t, "promtool")
	short, err := repositoryRules(t).shortened()
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(short)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, out, text)
	}
}

const twoPods = `{"items":[
{"metadata":{"name":"processor-1","labels":{"app.kubernetes.io/name":"processor"}},"status":{"phase":"Running"},
 "spec":{"containers":[{"ports":[{"name":"admin","containerPort":9001}]}]}},
{"metadata":{"name":"processor-0","deletionTimestamp":"2026-11-30T00:00:00Z"},"status":{"phase":"Running"},
 "spec":{"containers":[{"ports":[{"name":"admin","containerPort":9001}]}]}},
{"metadata":{"name":"mysql-0"},"status":{"phase":"Running"},"spec":{"containers":[{"ports":[{"name":"mysql","containerPort":3306}]}]}}]}`

func TestTargets(t *testing.T) {
	t.Parallel()
	m := &monitor{kube: &kube{namespace: "rollcall", proxy: "http://127.0.0.1:8001"}}
	got, err := m.targets(twoPods, []string{"node-1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []scrapeTarget{
		{Targets: []string{"127.0.0.1:8001"}, Labels: map[string]string{
			"__metrics_path__": "/api/v1/namespaces/rollcall/pods/processor-1:9001/proxy/metrics", "instance": "processor-1",
			"pod": "processor-1", "app_kubernetes_io_name": "processor",
		}},
		{Targets: []string{"127.0.0.1:8001"}, Labels: map[string]string{"__metrics_path__": "/api/v1/nodes/node-1/proxy/metrics", "instance": "node-1"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// clusterOfOne is a cluster with one processor. Its kubectl lists it, and its proxy has the
// processor's metrics.
func clusterOfOne(t *testing.T) (k *kube, open *atomic.Bool) {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *' pods '*) cat <<'JSON'\n%s\nJSON\n;; esac\n", twoPods)
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	open = &atomic.Bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value := 0
		if open.Load() {
			value = 1
		}
		if strings.HasSuffix(r.URL.Path, "/pods/processor-1:9001/proxy/metrics") {
			fmt.Fprintf(w, "rollcall_breaker_open %d\n", value)
		}
	}))
	t.Cleanup(server.Close)
	return &kube{namespace: "rollcall", proxy: server.URL}, open
}

// What is broken fires its alert in a real Prometheus, and mending it ends the alert.
func TestBreakAndMend(t *testing.T) {
	prometheusProgram(t, "prometheus")
	k, open := clusterOfOne(t)
	short, err := repositoryRules(t).shortened()
	if err != nil {
		t.Fatal(err)
	}
	m, err := startMonitor(t.Context(), k, root, short)
	if err != nil {
		t.Fatal(err)
	}
	w := newWalk()
	err = w.breakAndMend(t.Context(), m, breakage{
		what: "an open circuit", alerts: []string{"RollcallBreakerOpen"},
		do:   func(context.Context) error { open.Store(true); return nil },
		mend: func(context.Context) error { open.Store(false); return nil },
	})
	if err != nil {
		t.Errorf("%v: %s", err, m.lastWords())
	}
	if err := m.stop(); err != nil {
		t.Error(err)
	}
}

// An alert that never fires fails the walk, and what was broken is mended all the same.
func TestNothingFires(t *testing.T) {
	prometheusProgram(t, "prometheus")
	k, _ := clusterOfOne(t)
	m, err := startMonitor(t.Context(), k, root, ruleFile{})
	if err != nil {
		t.Fatal(err)
	}
	w, mended := newWalk(), false
	w.opts.Patience = 2 * time.Second
	err = w.breakAndMend(t.Context(), m, breakage{
		what: "nothing", alerts: []string{"RollcallBreakerOpen"}, do: nothing,
		mend: func(context.Context) error { mended = true; return nil },
	})
	if err == nil || !strings.Contains(err.Error(), "RollcallBreakerOpen") || !mended {
		t.Errorf("got %v, mended: %t", err, mended)
	}
	if err := m.stop(); err != nil {
		t.Error(err)
	}
}

// What began early is mended when another breakage fails before its turn.
func TestEarlyIsMended(t *testing.T) {
	t.Parallel()
	w, begun, mended := newWalk(), 0, 0
	broken := errors.New("broken")
	err := w.breakInOrder(t.Context(), nil, []breakage{
		{what: "one", do: func(context.Context) error { return broken }, mend: nothing},
		{
			what: "two", early: true,
			do:   func(context.Context) error { begun++; return nil },
			mend: func(context.Context) error { mended++; return nil },
		},
	})
	if !errors.Is(err, broken) || begun != 1 || mended != 1 {
		t.Errorf("got %v; begun %d times, mended %d times", err, begun, mended)
	}
}

// The redeemer makes a pass each five minutes. By the walk's rules, too, it is not late
// between two of them.
func TestRedeemerOnTimeIsNotLate(t *testing.T) {
	t.Parallel()
	short, err := repositoryRules(t).shortened()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range short.Groups[0].Rules {
		if r.Alert == "RollcallRedeemerLate" && !strings.Contains(r.Expr, ") > 30 * 60\n") {
			t.Errorf("the walk's rule: %s", r.Expr)
		}
	}
}

func TestReceiverPatch(t *testing.T) {
	t.Parallel()
	text, err := receiverPatch()
	if err != nil || !json.Valid([]byte(text)) || !strings.Contains(text, webhookKey) {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, only string
		want       bool
		deploys    bool
	}{
		{"one of the first lane", "documents", true, true},
		{"one of another lane", "alerts", true, true},
		{"one that Argo CD deploys for", "upgrades", true, false},
		{"one that deploys by itself", galeraStep, true, false},
		{"one that deploys nothing", supplyStep, true, false},
		{"one that needs others", "post", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, s, err := newWalk().find(tt.only)
			if (err == nil) != tt.want || err == nil && (s.name != tt.only || l.deploys != tt.deploys) {
				t.Errorf("got %+v in %+v, %v", s, l, err)
			}
		})
	}
}
