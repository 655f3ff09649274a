package processor

import (
	"context"
	"log/slog"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// knownFile returns the file that was recognized before if the rescan skips
// unchanged files, otherwise zero.
func (t task) knownFile() faces.File {
	if t.Rescan == nil {
		return faces.File{}
	}
	return t.Rescan.Known
}

// accepts reports whether an answer of a model set can be stored.
func (t task) accepts(model string) bool {
	return t.Rescan == nil || t.Rescan.Model == "" || t.Rescan.Model == model
}

// reportRescan logs and counts the result of a rescan of one image.
func (p *Processor) reportRescan(a answer, r store.Result) {
	result, level := "answered", slog.LevelInfo
	switch {
	case r.Unchanged:
		result, level = "unchanged", slog.LevelDebug
	case a.err != nil:
		result = "failed"
	}
	p.metrics.rescans.WithLabelValues(result).Inc()
	p.log.Log(context.Background(), level, "image looked at again", "id", r.ImageID, "path", a.Path, "result", result, "rescan", a.Rescan.JobID,
		"reason", string(r.Reason), "detail", r.Detail, "faces", len(r.Faces), "took", a.took.Round(time.Millisecond), "model", r.Model)
}
