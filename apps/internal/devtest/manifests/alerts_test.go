package manifests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	monitoringFolder = "overlays/components/monitoring"
	// unitTests are the cases of promtool, beside the rules.
	unitTests = "prometheusrule_test.yaml"
)

// promtool returns the path of Prometheus' tool, which apps/setup/debian.sh puts into
// build/tools where no package has installed it.
func promtool(t *testing.T) string {
	t.Helper()
	own, err := filepath.Abs(filepath.Join(root, "build/tools/promtool"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"promtool", own} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	why := "promtool is not installed; run apps/setup/debian.sh test, or install Prometheus from your system's packages"
	if os.Getenv("ROLLCALL_TEST_REQUIRE") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
	return ""
}

// alertRules returns the spec of the PrometheusRule, which is a file of rules of
// Prometheus, and the names of its alerts.
func alertRules(t *testing.T) (spec []byte, alerts []string) {
	t.Helper()
	rule := readFile(t, monitoringFolder+"/prometheusrule.yaml")[0]
	spec, err := yaml.Marshal(rule["spec"])
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range dig[[]any](rule, "spec", "groups") {
		group, _ := g.(map[string]any)
		rules, _ := group["rules"].([]any)
		for _, r := range rules {
			one, _ := r.(map[string]any)
			alerts = append(alerts, fmt.Sprint(one["alert"]))
		}
	}
	return spec, alerts
}

// runPromtool runs promtool in a folder with these rules and the unit tests.
func runPromtool(t *testing.T, rules []byte, args ...string) (string, error) {
	t.Helper()
	program, dir := promtool(t), t.TempDir()
	tests, err := os.ReadFile(filepath.Join(root, monitoringFolder, unitTests))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"rules.yaml": rules, unitTests: tests} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	rules, _ := alertRules(t)
	for _, args := range [][]string{{"check", "rules", "rules.yaml"}, {"test", "rules", unitTests}} {
		if out, err := runPromtool(t, rules, args...); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}

// TestEachAlertIsSeenToFire renames one alert after another. The unit tests must miss it.
func TestEachAlertIsSeenToFire(t *testing.T) {
	t.Parallel()
	rules, alerts := alertRules(t)
	if len(alerts) < 10 {
		t.Fatalf("only %d alerts were found: %q", len(alerts), alerts)
	}
	for _, alert := range alerts {
		t.Run(alert, func(t *testing.T) {
			t.Parallel()
			before, after, ok := strings.Cut(string(rules), "- alert: "+alert+"\n")
			if !ok {
				t.Fatalf("the rules have no alert %s", alert)
			}
			renamed := before + "- alert: " + alert + "Renamed\n" + after
			if out, err := runPromtool(t, []byte(renamed), "test", "rules", unitTests); err == nil {
				t.Errorf("%s has no case in which %s fires: %s", unitTests, alert, out)
			}
		})
	}
}
