package chaos

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// rematchEvery is the pause between two looks at a re-match.
const rematchEvery = 200 * time.Millisecond

// rematching asks for one re-match of all faces after the other. None may change an answer,
// because the recognizer's answers do not change: that is checked with the other outcomes.
type rematching struct {
	client *client.Client
	report *Report
}

func newRematching(url string, report *Report) *rematching {
	return &rematching{client: client.New(url, client.WithHTTPClient(&http.Client{Timeout: requestTimeout})), report: report}
}

// run re-matches until ctx ends.
func (r *rematching) run(ctx context.Context) {
	for pause(ctx, time.Second) {
		r.once(ctx)
	}
}

// finish re-matches once more, with all parts there.
func (r *rematching) finish(ctx context.Context) {
	for !r.once(ctx) {
		if ctx.Err() != nil {
			r.report.violate("the last re-match did not come to its end")
			return
		}
	}
}

// once asks for a re-match and waits for its end. It reports whether the re-match was
// applied; it is not if the known people changed meanwhile.
func (r *rematching) once(ctx context.Context) (applied bool) {
	var job api.Rematch
	for {
		var err error
		if job, err = r.client.CreateRematch(ctx, api.RematchRequest{Apply: true, Full: true}); err == nil {
			break
		}
		r.judgeError("a re-match was asked for", err)
		if !pause(ctx, retryPause) {
			return false
		}
	}
	for {
		detail, err := r.client.GetRematch(ctx, job.ID, api.GetRematchParams{})
		switch {
		case err != nil:
			r.judgeError("a re-match was looked at", err)
		case detail.State == api.RematchApplied:
			r.report.countAnswer("re-match applied")
			return true
		case detail.State == api.RematchOutdated:
			r.report.countAnswer("re-match outdated")
			return false
		case detail.State == api.RematchFailed:
			r.report.violate("re-match %d failed: %s", job.ID, detail.Detail)
			return false
		}
		if !pause(ctx, rematchEvery) {
			return false
		}
	}
}

// judgeError takes no answer, and a service in the way, for what the faults cause.
func (r *rematching) judgeError(what string, err error) {
	var problem *api.Error
	if errors.As(err, &problem) && (problem.Status < http.StatusInternalServerError && problem.Code != api.CodeConflict || problem.Code == api.CodeInternal) {
		r.report.violate("%s: %v", what, err)
	}
}
