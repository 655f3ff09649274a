package faces

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OutcomeFailed is the outcome of a RetentionRule about images that failed, whatever
// the reason.
const OutcomeFailed = "failed"

// maxRetentionDays is a hundred years.
const maxRetentionDays = 36_500

// RetentionRule says how long images of an outcome are kept.
type RetentionRule struct {
	// Outcome is a reason of an outcome, or OutcomeFailed. A rule about a reason comes
	// before the one about all failures.
	Outcome string `json:"outcome"`
	// Days is the age at which an image is deleted. It counts from the time when its path
	// was posted, or from the last change of its file if that was later.
	Days int `json:"days"`
	// Corrected deletes images about whose faces somebody has said something, too.
	Corrected bool `json:"corrected"`
}

// Age returns the age at which images are deleted.
func (r RetentionRule) Age() time.Duration { return time.Duration(r.Days) * 24 * time.Hour }

// Retention is a set of rules. Without a rule for its outcome, an image is kept.
type Retention []RetentionRule

// Check returns an error if the rules cannot be used.
func (r Retention) Check() error {
	seen := map[string]bool{}
	for _, rule := range r {
		if !slices.Contains(RetentionOutcomes(), rule.Outcome) {
			return Errorf(CodeInvalid, "%.40q is no outcome of images that can be deleted; use one of %s", rule.Outcome, joined(RetentionOutcomes()))
		}
		if rule.Days < 1 || rule.Days > maxRetentionDays {
			return Errorf(CodeInvalid, "the rule for %s says %d days; it must be 1 to %d", rule.Outcome, rule.Days, maxRetentionDays)
		}
		if seen[rule.Outcome] {
			return Errorf(CodeInvalid, "there are two rules for %s; keep one", rule.Outcome)
		}
		seen[rule.Outcome] = true
	}
	return nil
}

// RetentionOutcomes returns what a rule can be about. Images that wait have no outcome.
func RetentionOutcomes() []string {
	list := []string{}
	for _, r := range Reasons() {
		if r != Queued {
			list = append(list, string(r))
		}
	}
	return append(list, OutcomeFailed)
}

// ByReason returns the rules with the reasons to which each applies.
func (r Retention) ByReason() map[RetentionRule][]Reason {
	named := map[string]bool{}
	for _, rule := range r {
		named[rule.Outcome] = true
	}
	rules := map[RetentionRule][]Reason{}
	for _, rule := range r {
		if rule.Outcome != OutcomeFailed {
			rules[rule] = []Reason{Reason(rule.Outcome)}
			continue
		}
		rules[rule] = ReasonsWhere(func(reason Reason) bool { return reason.Status() == Failed && !named[string(reason)] })
	}
	return rules
}

// ParseRetention reads rules as a setting declares them, such as
// "unknown_person=30, failed=7, identified=365+corrected".
func ParseRetention(text string) (Retention, error) {
	var rules Retention
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		outcome, days, ok := strings.Cut(part, "=")
		days, corrected := strings.CutSuffix(strings.TrimSpace(days), "+corrected")
		n, err := strconv.Atoi(strings.TrimSpace(days))
		if !ok || err != nil {
			return nil, Errorf(CodeInvalid, "%.60q is no rule; write OUTCOME=DAYS, such as unknown_person=30, or OUTCOME=DAYS+corrected", part)
		}
		rules = append(rules, RetentionRule{Outcome: strings.TrimSpace(outcome), Days: n, Corrected: corrected})
	}
	return rules, rules.Check()
}

// String returns the rules as ParseRetention reads them.
func (r Retention) String() string {
	parts := make([]string, len(r))
	for i, rule := range r {
		parts[i] = fmt.Sprintf("%s=%d", rule.Outcome, rule.Days)
		if rule.Corrected {
			parts[i] += "+corrected"
		}
	}
	return strings.Join(parts, ",")
}

// RetentionRun is what the last run of the rules did. Its zero value is none.
type RetentionRun struct {
	Started  time.Time
	Finished time.Time // zero while it runs, or if it was interrupted
	Images   int64     // deleted
	Files    int64     // of them; those that Rollcall wrote
	Complete bool      // nothing was left to delete
}
