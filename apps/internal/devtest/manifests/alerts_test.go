package manifests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

const monitoringFolder = "overlays/components/monitoring"

// unitTests are the files of cases of promtool, beside the rules.
func unitTests() []string {
	return []string{"prometheusrule_test.yaml", "prometheusrule_days_test.yaml"}
}

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

// alert is what the tests read of a rule.
type alert struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

// alertRules returns the spec of the PrometheusRule, which is a file of rules of
// Prometheus, and its alerts.
func alertRules(t *testing.T) (spec []byte, alerts []alert) {
	t.Helper()
	rule := readFile(t, monitoringFolder+"/prometheusrule.yaml")[0]
	spec, err := yaml.Marshal(rule["spec"])
	if err != nil {
		t.Fatal(err)
	}
	var read struct{ Groups []struct{ Rules []alert } }
	if err := yaml.Unmarshal(spec, &read); err != nil {
		t.Fatal(err)
	}
	for _, g := range read.Groups {
		alerts = append(alerts, g.Rules...)
	}
	if len(alerts) < 25 {
		t.Fatalf("only %d alerts were found: %v", len(alerts), alerts)
	}
	return spec, alerts
}

// runPromtool runs promtool in a folder with these rules and the unit tests.
func runPromtool(t *testing.T, rules []byte, args ...string) (string, error) {
	t.Helper()
	program, dir := promtool(t), t.TempDir()
	files := map[string]string{"rules.yaml": string(rules)}
	for _, name := range unitTests() {
		files[name] = readText(t, monitoringFolder+"/"+name)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
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
	for _, args := range [][]string{{"check", "rules", "rules.yaml"}, append([]string{"test", "rules"}, unitTests()...)} {
		if out, err := runPromtool(t, rules, args...); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}

// ruleCase is what the tests read of a case of promtool.
type ruleCase struct {
	Name            string
	InputSeries     []struct{ Series string } `json:"input_series"`
	PromqlExprTests []struct {
		Samples []struct{ Labels string } `json:"exp_samples"`
	} `json:"promql_expr_test"`
}

// metric is the name of a metric at the beginning of a series, or in an expression.
var metric = regexp.MustCompile(`\b(?:rollcall|kubelet|kube|certmanager)_[a-z_]+\b`)

// expects reports whether an alert fires in a case, at any of its times.
func (c ruleCase) expects(a alert) bool {
	for _, test := range c.PromqlExprTests {
		for _, sample := range test.Samples {
			if strings.Contains(sample.Labels, "alertname="+strconv.Quote(a.Alert)) {
				return true
			}
		}
	}
	return false
}

// isSilent reports whether a case has metrics of an alert, which does not fire.
func (c ruleCase) isSilent(a alert) bool {
	own := metric.FindAllString(a.Expr, -1)
	return len(c.PromqlExprTests) > 0 && !c.expects(a) && slices.ContainsFunc(c.InputSeries, func(s struct{ Series string }) bool {
		return slices.Contains(own, metric.FindString(s.Series))
	})
}

// ruleCases returns the cases of promtool, which TestAlerts runs.
func ruleCases(t *testing.T) (cases []ruleCase) {
	t.Helper()
	for _, name := range unitTests() {
		var file struct{ Tests []ruleCase }
		if err := yaml.Unmarshal([]byte(readText(t, monitoringFolder+"/"+name)), &file); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, file.Tests...)
	}
	return cases
}

// Each alert has a case in which it fires. One that fires all the time is seen by nobody,
// so each also has a case with its metrics in which it stays silent.
func TestEachAlertFiresAndStaysSilent(t *testing.T) {
	t.Parallel()
	cases := ruleCases(t)
	_, alerts := alertRules(t)
	for _, a := range alerts {
		if !slices.ContainsFunc(cases, func(c ruleCase) bool { return c.expects(a) }) {
			t.Errorf("%q have no case in which %s fires", unitTests(), a.Alert)
		}
		if !slices.ContainsFunc(cases, func(c ruleCase) bool { return c.isSilent(a) }) {
			t.Errorf("%q have no case with a metric of %s in which it does not fire", unitTests(), a.Alert)
		}
	}
}

// The kubelet's metrics are of all namespaces: the alert names ours, and MySQL's claim.
func TestDatabaseVolumeAlertNamesTheClaim(t *testing.T) {
	t.Parallel()
	set := readFile(t, "base/mysql/statefulset.yaml")[0]
	claims := dig[[]any](set, "spec", "volumeClaimTemplates")
	claim, _ := claims[0].(map[string]any)
	metadata, _ := claim["metadata"].(map[string]any)
	want := fmt.Sprintf(`{namespace=%q,persistentvolumeclaim=~"%s-%s-.*"}`,
		readFile(t, "overlays/aws/kustomization.yaml")[0]["namespace"], metadata["name"], dig[string](set, "metadata", "name"))
	_, alerts := alertRules(t)
	i := slices.IndexFunc(alerts, func(a alert) bool { return a.Alert == "RollcallDatabaseVolumeNearlyFull" })
	if i < 0 || strings.Count(alerts[i].Expr, want) != 2 {
		t.Errorf("no alert looks at %s", want)
	}
}

const (
	runbookFolder = "docs/runbooks"
	runbookURL    = "https://github.com/rollcall-faces/rollcall/blob/main/" + runbookFolder + "/"
)

// runbookParts are the headings of a runbook, in order.
func runbookParts() []string {
	return []string{"## What users notice", "## Check", "## Do", "## It is over when"}
}

// Each alert leads to its runbook, each runbook is of an alert, and the list has them all.
func TestRunbooks(t *testing.T) {
	t.Parallel()
	_, alerts := alertRules(t)
	list := readText(t, runbookFolder+"/README.md")
	want := []string{"README.md"}
	for _, a := range alerts {
		page := a.Alert + ".md"
		want = append(want, page)
		if got := a.Annotations["runbook_url"]; got != runbookURL+page {
			t.Errorf("%s: the runbook_url is %q, want %q", a.Alert, got, runbookURL+page)
		}
		for _, annotation := range []string{"summary", "description"} {
			if a.Annotations[annotation] == "" {
				t.Errorf("%s has no %s", a.Alert, annotation)
			}
		}
		if line := fmt.Sprintf("| [%s](%s) | %s |", a.Alert, page, a.Labels["severity"]); !strings.Contains(list, line) {
			t.Errorf("%s/README.md has no %q", runbookFolder, line)
		}
	}
	var got []string
	files, err := os.ReadDir(filepath.Join(root, runbookFolder))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		got = append(got, f.Name())
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the runbooks (-of alerts +there are):\n%s", diff)
	}
}

// Somebody who is woken up finds the same parts on each page, in the same order.
func TestRunbooksHaveTheSameParts(t *testing.T) {
	t.Parallel()
	_, alerts := alertRules(t)
	for _, a := range alerts {
		text := readText(t, runbookFolder+"/"+a.Alert+".md")
		if begin := "# " + a.Alert + "\n\n**" + a.Labels["severity"] + ".** "; !strings.HasPrefix(text, begin) {
			t.Errorf("%s.md does not begin with %q", a.Alert, begin)
		}
		var got []string
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "## ") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if diff := cmp.Diff(runbookParts(), got); diff != "" {
			t.Errorf("the parts of %s.md (-want +got):\n%s", a.Alert, diff)
		}
		if lines := strings.Count(text, "\n"); lines > 80 {
			t.Errorf("%s.md has %d lines; who reads that at night?", a.Alert, lines)
		}
	}
}

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
