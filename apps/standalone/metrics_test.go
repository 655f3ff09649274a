package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/metricnames"
)

// scraper is a running Prometheus.
type scraper struct {
	t       *testing.T
	address string
}

// startPrometheus starts the real program, which scrapes a target and evaluates our alerts every
// few seconds.
func startPrometheus(t *testing.T, target string) *scraper {
	t.Helper()
	program, dir := prometheusProgram(t), t.TempDir()
	rules, err := metricnames.Rules()
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`global: {scrape_interval: 3s, scrape_timeout: 3s, evaluation_interval: 3s}
rule_files: [alerts.yaml]
scrape_configs:
- job_name: rollcall
  static_configs: [{targets: [%q]}]
`, target)
	for name, text := range map[string]string{"prometheus.yaml": config, "alerts.yaml": string(rules)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const tries = 5
	for range tries { // another program may take the port before Prometheus does
		p := &scraper{t: t, address: free(t)}
		if p.listens(program, dir) {
			return p
		}
	}
	t.Fatalf("Prometheus ended %d times at its start", tries)
	return nil
}

// listens starts the program, and reports whether it is ready. If not, it has ended.
func (p *scraper) listens(program, dir string) bool {
	p.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(p.t.Context()), program, "--config.file=prometheus.yaml", "--storage.tsdb.path=data",
		"--web.listen-address="+p.address, "--log.level=warn")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, p.t.Output(), p.t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	hasEnded := false
	eventually(p.t, "Prometheus is ready", func() bool {
		select {
		case <-ended:
			hasEnded = true
		default:
		}
		return hasEnded || strings.Contains(fetch(p.t, "http://"+p.address+"/-/ready"), "Ready")
	})
	return !hasEnded
}

// prometheusProgram returns Debian's Prometheus, which apps/setup/debian.sh puts into
// build/tools where no package has installed it.
func prometheusProgram(t *testing.T) string {
	t.Helper()
	root, err := metricnames.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"prometheus", filepath.Join(root, "build/tools/prometheus")} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const why = "prometheus is not installed; run apps/setup/debian.sh test, or install it from your system's packages"
	if os.Getenv("ROLLCALL_TEST_REQUIRE") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
	return ""
}

// ask asks Prometheus' API, and reports whether it answered. data gets the answer.
func (p *scraper) ask(path string, values url.Values, data any) (ok bool, problem string) {
	p.t.Helper()
	text := fetch(p.t, "http://"+p.address+path+"?"+values.Encode())
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if json.Unmarshal([]byte(text), &answer) != nil || answer.Status != "success" {
		return false, answer.Error
	}
	if err := json.Unmarshal(answer.Data, data); err != nil {
		p.t.Fatalf("%s: %v", path, err)
	}
	return true, ""
}

// fetch returns what an address answers, and nothing while nobody does.
func fetch(t *testing.T, address string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return ""
	}
	return string(text)
}

// The page of metrics and a running program say the same. A real Prometheus, which
// scrapes it, has each metric that the board and the alerts look at, and can evaluate
// them.
func TestMetrics(t *testing.T) {
	t.Parallel()
	listed, err := metricnames.Page()
	if err != nil {
		t.Fatal(err)
	}
	admin := free(t)
	i := start(t, filepath.Join(t.TempDir(), "data"), []string{"ROLLCALL_ADMIN_ADDRESS=" + admin})
	eventually(t, "the welcome", i.welcomed)
	metricnames.Await(t, "", listed, func() string { return fetch(t, "http://"+admin+"/metrics") })

	p := startPrometheus(t, admin)
	used, err := metricnames.Used()
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	defer func() {
		for _, m := range missing {
			t.Error(m)
		}
	}()
	eventually(t, "Prometheus has every metric that is used", func() bool {
		missing = p.missing(used, listed)
		return len(missing) == 0
	})
	for _, e := range used {
		var result struct{ ResultType string }
		if ok, problem := p.ask("/api/v1/query", url.Values{"query": {e.Query}}, &result); !ok || result.ResultType != "vector" {
			t.Errorf("%s: %s is %s: %s", e.From, e.Query, result.ResultType, problem)
		}
	}
	p.checkRules()
}

// missing says which metrics Prometheus does not have.
func (p *scraper) missing(used []metricnames.Expression, listed map[string]metricnames.Metric) (missing []string) {
	p.t.Helper()
	var there []string
	if ok, _ := p.ask("/api/v1/label/__name__/values", nil, &there); !ok {
		return []string{"Prometheus does not answer"}
	}
	for _, e := range used {
		for _, name := range e.Names() {
			has := slices.ContainsFunc([]string{"", "_bucket"}, func(ending string) bool { return slices.Contains(there, name+ending) })
			if !has && !listed[name].Later {
				missing = append(missing, fmt.Sprintf("%s looks at %s, which Prometheus does not have", e.From, name))
			}
		}
	}
	return missing
}

// checkRules checks that Prometheus has evaluated each alert.
func (p *scraper) checkRules() {
	p.t.Helper()
	var answer struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	var bad []string
	defer func() {
		for _, b := range bad {
			p.t.Error(b)
		}
	}()
	eventually(p.t, "each alert is evaluated", func() bool {
		bad = nil
		if ok, problem := p.ask("/api/v1/rules", nil, &answer); !ok || len(answer.Groups) == 0 {
			bad = append(bad, "no rules: "+problem)
			return false
		}
		for _, g := range answer.Groups {
			for _, r := range g.Rules {
				if r.Health != "ok" {
					bad = append(bad, strings.TrimSpace(fmt.Sprintf("the alert %s is %s %s", r.Name, r.Health, r.LastError)))
				}
			}
		}
		return len(bad) == 0
	})
}
