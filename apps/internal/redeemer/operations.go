package redeemer

import (
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
)

// Operations returns what a pass and the run of retention after it did, for the page of
// operations. err is that of both.
func Operations(begin time.Time, sum Summary, run faces.RetentionRun, err error) *operations.Run {
	now := time.Now()
	return &operations.Run{
		Finished: now.UTC().Truncate(time.Millisecond), Took: now.Sub(begin).Milliseconds(), Failed: err != nil,
		Reclaimed: sum.Reclaimed, Retried: sum.Retried, Queued: sum.Queued, Deleted: run.Images,
	}
}
