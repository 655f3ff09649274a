package walk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
)

const (
	// scrapeEvery is also the time limit of a scrape: without a database, programs need a
	// few seconds to say so.
	scrapeEvery = 5 * time.Second
	// lookForPods is how often the list of pods is read.
	lookForPods = 2 * time.Second
	// adminPort is the name of the port with the metrics.
	adminPort = "admin"
)

// monitor is a Prometheus on this machine. It asks the pods for their metrics by the
// proxy of kubectl, and evaluates the shortened alerts.
type monitor struct {
	kube    *kube
	dir     string
	address string // host:port
	stop    func() error
}

// findPrometheus returns the path of Prometheus: an installed one, or the one that
// apps/setup/prometheus.sh has put into build/tools.
func findPrometheus(root string) (string, error) {
	own, err := filepath.Abs(filepath.Join(root, "build/tools/prometheus"))
	if err != nil {
		return "", err
	}
	for _, name := range []string{"prometheus", own} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no prometheus on PATH or in build/tools: run apps/setup/prometheus.sh")
}

// startMonitor starts Prometheus with the shortened rules. Call stop to end it.
func startMonitor(ctx context.Context, k *kube, root string, rules ruleFile) (_ *monitor, err error) {
	program, err := findPrometheus(root)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "rollcall-e2e-prometheus-")
	if err != nil {
		return nil, err
	}
	m := &monitor{kube: k, dir: dir, address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err := m.configure(rules); err != nil {
		return nil, err
	}
	if err := m.writeTargets(ctx); err != nil {
		return nil, err
	}
	log, err := os.Create(m.file("log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, program, "--config.file="+m.file("prometheus.yaml"), "--storage.tsdb.path="+m.file("data"),
		"--web.listen-address="+m.address, "--log.level=warn")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start prometheus: %w", err)
	}
	var followers sync.WaitGroup
	followers.Go(func() { m.follow(ctx) })
	m.stop = func() error {
		cancel()
		followers.Wait()
		_ = cmd.Wait() // it was killed
		return os.RemoveAll(dir)
	}
	return m, nil
}

func (m *monitor) file(name string) string { return filepath.Join(m.dir, name) }

// configure writes the settings and the rules.
func (m *monitor) configure(rules ruleFile) error {
	interval := scrapeEvery.String()
	config := map[string]any{
		"global":     map[string]any{"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": "2s"},
		"rule_files": []string{m.file("rules.yaml")},
		"scrape_configs": []any{map[string]any{
			"job_name":        "rollcall",
			"file_sd_configs": []any{map[string]any{"files": []string{m.file("targets.json")}, "refresh_interval": interval}},
		}},
	}
	for name, content := range map[string]any{"prometheus.yaml": config, "rules.yaml": rules} {
		text, err := yaml.Marshal(content)
		if err == nil {
			err = os.WriteFile(m.file(name), text, 0o600)
		}
		if err != nil {
			return fmt.Errorf("configure prometheus: %w", err)
		}
	}
	return nil
}

// follow keeps the list of pods up to date until ctx ends.
func (m *monitor) follow(ctx context.Context) {
	background.Every(ctx, lookForPods, func(ctx context.Context) {
		_ = m.writeTargets(ctx) // the next look makes up for it
	})
}

// scrapeTarget is an entry of a file of targets of Prometheus.
type scrapeTarget struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

func (m *monitor) writeTargets(ctx context.Context) error {
	text, err := m.kube.run(ctx, "get", "pods", "--selector=app.kubernetes.io/part-of=rollcall", "--output=json")
	if err != nil {
		return err
	}
	nodes, err := m.kube.list(ctx, `{range .items[*]}{.metadata.name}{"\n"}{end}`, "nodes")
	if err != nil {
		return err
	}
	targets, err := m.targets(text, nodes)
	if err != nil {
		return err
	}
	content, err := json.Marshal(targets)
	if err != nil {
		return err
	}
	next := m.file("targets.next")
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return err
	}
	return os.Rename(next, m.file("targets.json"))
}

// listedPod is what is read of a pod.
type listedPod struct {
	Metadata struct {
		Name              string            `json:"name"`
		Labels            map[string]string `json:"labels"`
		DeletionTimestamp string            `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		Containers []struct {
			Ports []struct {
				Name          string `json:"name"`
				ContainerPort int    `json:"containerPort"`
			} `json:"ports"`
		} `json:"containers"`
	} `json:"spec"`
	Status struct {
		Phase      string `json:"phase"`
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

func (p listedPod) stopping() bool { return p.Metadata.DeletionTimestamp != "" }

func (p listedPod) ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

// port returns the number of the port with a name. ok is false if there is none, or if
// the pod does not run.
func (p listedPod) port(name string) (number int, ok bool) {
	if p.stopping() || p.Status.Phase != "Running" {
		return 0, false
	}
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == name {
				return port.ContainerPort, true
			}
		}
	}
	return 0, false
}

// targets returns the admin port of each running pod, and the kubelets. podList is what
// `kubectl get pods --output=json` prints.
func (m *monitor) targets(podList string, nodes []string) ([]scrapeTarget, error) {
	var list struct {
		Items []listedPod `json:"items"`
	}
	if err := json.Unmarshal([]byte(podList), &list); err != nil {
		return nil, fmt.Errorf("read the pods: %w", err)
	}
	targets := []scrapeTarget{}
	for _, pod := range list.Items {
		port, ok := pod.port(adminPort)
		if !ok {
			continue
		}
		t := m.target(m.kube.pod(pod.Metadata.Name, port)+"/metrics", pod.Metadata.Name)
		t.Labels["pod"], t.Labels["app_kubernetes_io_name"] = pod.Metadata.Name, pod.Metadata.Labels["app.kubernetes.io/name"]
		targets = append(targets, t)
	}
	for _, node := range nodes {
		targets = append(targets, m.target(m.kube.proxy+"/api/v1/nodes/"+node+"/proxy/metrics", node))
	}
	return targets, nil
}

// target is an address behind the proxy of kubectl.
func (m *monitor) target(address, instance string) scrapeTarget {
	host, path, _ := strings.Cut(strings.TrimPrefix(address, "http://"), "/")
	return scrapeTarget{Targets: []string{host}, Labels: map[string]string{"__metrics_path__": "/" + path, "instance": instance}}
}

// firing returns the names of the alerts that fire, in order.
func (m *monitor) firing(ctx context.Context) ([]string, error) {
	text, err := get(ctx, "http://"+m.address+"/api/v1/alerts")
	if err != nil {
		return nil, fmt.Errorf("ask prometheus: %w: %s", err, m.lastWords())
	}
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string `json:"labels"`
				State  string            `json:"state"`
			} `json:"alerts"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return nil, fmt.Errorf("read the answer of prometheus: %w", err)
	}
	var list []string
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" {
			list = append(list, a.Labels["alertname"])
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// lastWords returns the end of Prometheus' log, for a message.
func (m *monitor) lastWords() string {
	const most = 1000
	text, err := os.ReadFile(m.file("log"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-most):]))
}
