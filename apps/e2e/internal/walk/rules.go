package walk

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// alertRules is the file of the alerts in the repository.
const alertRules = "overlays/components/monitoring/prometheusrule.yaml"

// The walk cannot wait for hours. It shortens the rules' waits, their windows of time,
// and the ages that they compare with. The expressions stay the same otherwise.
const (
	hurry = 30
	// minWindow has enough scrapes for a rate.
	minWindow = 4 * scrapeEvery
	maxFor    = 10 * time.Second
)

// alertRule is a rule of Prometheus.
type alertRule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// ruleFile is a file of rules of Prometheus, which is also the spec of a PrometheusRule.
type ruleFile struct {
	Groups []ruleGroup `json:"groups"`
}

type ruleGroup struct {
	Name  string      `json:"name"`
	Rules []alertRule `json:"rules"`
}

// readRules returns the alerts of the repository. root is its folder.
func readRules(root string) (ruleFile, error) {
	var object struct {
		Spec ruleFile `json:"spec"`
	}
	text, err := os.ReadFile(filepath.Join(root, alertRules))
	if err == nil {
		err = yaml.Unmarshal(text, &object)
	}
	if err != nil {
		return ruleFile{}, fmt.Errorf("read the alerts: %w", err)
	}
	return object.Spec, nil
}

// alerts returns the names of the alerts.
func (f ruleFile) alerts() []string {
	var list []string
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			list = append(list, r.Alert)
		}
	}
	return list
}

// shortened returns the rules as the walk uses them.
func (f ruleFile) shortened() (ruleFile, error) {
	var short ruleFile
	for _, g := range f.Groups {
		rules := make([]alertRule, len(g.Rules))
		for i, r := range g.Rules {
			wait, err := duration(r.For)
			if err != nil {
				return ruleFile{}, fmt.Errorf("%s: %w", r.Alert, err)
			}
			rules[i] = r
			rules[i].For = min(wait/hurry, maxFor).String()
			if rules[i].Expr, err = shortenExpr(r.Expr); err != nil {
				return ruleFile{}, fmt.Errorf("%s: %w", r.Alert, err)
			}
		}
		short.Groups = append(short.Groups, ruleGroup{Name: g.Name, Rules: rules})
	}
	return short, nil
}

var (
	window = regexp.MustCompile(`(\[|offset )([0-9]+[smhd])`)
	// age is a comparison of a metric in seconds with a number of seconds. That of the
	// redeemer's last pass is none: shorter than its schedule, it would always be late.
	age = regexp.MustCompile(`(_seconds\) > )([0-9]+(?: \* [0-9]+)*)`)
)

// shortenExpr shortens the windows and ages of an expression.
func shortenExpr(expr string) (string, error) {
	var failed error
	expr = window.ReplaceAllStringFunc(expr, func(text string) string {
		m := window.FindStringSubmatch(text)
		d, err := duration(m[2])
		if err != nil {
			failed = err
		}
		return m[1] + strconv.Itoa(int(max(d/hurry, minWindow).Seconds())) + "s"
	})
	return age.ReplaceAllString(expr, fmt.Sprintf("$1($2) / %d", hurry)), failed
}

// duration reads a duration of Prometheus, such as 10m or 1d.
func duration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}
