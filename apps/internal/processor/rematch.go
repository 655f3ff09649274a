package processor

import "github.com/rollcall-faces/rollcall/apps/internal/rematch"

// RematchOptions returns r with the processor's threshold and margin, because new
// and stored answers must follow the same rule.
func RematchOptions(r rematch.Options, o Options) rematch.Options {
	r.Threshold, r.Margin = o.Threshold, o.Margin
	return r
}
