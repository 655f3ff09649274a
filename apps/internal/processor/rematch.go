package processor

// This file owns what re-matching shares with a Processor: the rule must be
// the same for both.

import "github.com/rollcall-faces/rollcall/apps/internal/rematch"

// RematchOptions gives re-matching the processor's threshold, margin and slack.
func RematchOptions(r rematch.Options, o Options) rematch.Options {
	r.Threshold, r.Margin, r.Slack = o.Threshold, o.Margin, Slack(o)
	return r
}
