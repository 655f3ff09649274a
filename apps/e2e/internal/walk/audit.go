package walk

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
)

const (
	pageSize = 1000
	// redeemEvery is how often the redeemer runs while images wait. A CronJob
	// runs less often; the walk should not take as long.
	redeemEvery = time.Minute
)

// audit checks, after the clients have stopped, that every accepted image gets
// an outcome.
func (w *Walk) audit(ctx context.Context) error {
	r, err := w.phase(ctx)
	if err != nil {
		return err
	}
	w.sayPhase("the rest", r)
	if err := w.removeOurs(ctx); err != nil {
		return err
	}
	w.say("%d images were accepted", len(w.accepted))
	start, redeemed := time.Now(), time.Now()
	var outcomes map[string]int
	err = eventually(ctx, 2*w.opts.Patience, func(ctx context.Context) (string, error) {
		if time.Since(redeemed) > redeemEvery {
			redeemed = time.Now()
			if err := w.redeem(ctx); err != nil {
				return "", err
			}
		}
		var missing, waiting []int64
		var err error
		outcomes, missing, waiting, err = w.outcomes(ctx)
		if len(missing) > 0 {
			return fmt.Sprintf("%d accepted image(s) are not in the database, such as %v", len(missing), some(missing)), err
		}
		if len(waiting) > 0 {
			return fmt.Sprintf("%d accepted image(s) have no outcome, such as %v", len(waiting), some(waiting)), err
		}
		return "", err
	})
	if err != nil {
		return err
	}
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(outcomes)) {
		parts = append(parts, fmt.Sprintf("%s %d", reason, outcomes[reason]))
	}
	w.say("every one has an outcome, %s after the last post: %s", time.Since(start).Round(time.Second), strings.Join(parts, ", "))
	return nil
}

func some(ids []int64) []int64 { return ids[:min(len(ids), 10)] }

// outcomes counts the accepted images by reason. It also returns the ids that
// are not in the database, and those without an outcome.
func (w *Walk) outcomes(ctx context.Context) (counts map[string]int, missing, waiting []int64, err error) {
	return w.outcomesOf(ctx, w.accepted)
}

// outcomesOf does the same with some of the images.
func (w *Walk) outcomesOf(ctx context.Context, ids map[int64]bool) (counts map[string]int, missing, waiting []int64, err error) {
	counts = map[string]int{}
	seen := map[int64]bool{}
	limit, oldest := pageSize, api.Oldest
	for img, err := range w.api.AllImages(ctx, api.ListImagesParams{Limit: &limit, Order: &oldest}) {
		switch {
		case err != nil:
			return nil, nil, nil, err
		case !ids[img.ID]:
			continue
		}
		seen[img.ID] = true
		if img.Waits() {
			waiting = append(waiting, img.ID)
		} else {
			counts[string(img.Reason)]++
		}
	}
	for id := range ids {
		if !seen[id] {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	return counts, missing, waiting, nil
}
