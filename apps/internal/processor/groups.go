package processor

import (
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/grouping"
)

// GroupTimeout bounds each call that asks for the faces near unknown faces. A search of
// many faces among a million takes seconds, and waits for others.
const GroupTimeout = time.Minute

// GroupOptions returns g with the processor's threshold and margin: the distance of groups
// moves with them.
func GroupOptions(g grouping.Options, o Options) grouping.Options {
	g.Threshold, g.Margin = o.Threshold, o.Margin
	return g
}
