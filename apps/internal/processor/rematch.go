package processor

import "github.com/rollcall-faces/rollcall/apps/internal/rematch"

// RematchOptions gives re-matching the processor's threshold and margin: the
// rule must be the same for both.
func RematchOptions(r rematch.Options, o Options) rematch.Options {
	r.Threshold, r.Margin = o.Threshold, o.Margin
	return r
}
