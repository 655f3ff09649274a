package redeemer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// retentionPart is the number of images that one transaction deletes. It is small,
	// because the rows are locked meanwhile.
	retentionPart = 100
	// retentionMost is the largest number of images that one run deletes, so that a new
	// rule does not keep the database busy for hours. The next run goes on.
	retentionMost = 10_000
	// retentionAgain is the time after a complete run before the next one looks.
	retentionAgain = time.Minute
	// retentionRequest is the request id of a run in the audit log.
	retentionRequest = "retention"
)

// RetentionStore is the part of the database that a run of retention uses.
type RetentionStore interface {
	Retention(ctx context.Context) (faces.Retention, faces.RetentionRun, error)
	NoteRetention(ctx context.Context, run faces.RetentionRun) error
	ExpiredImages(ctx context.Context, rules faces.Retention, after int64, limit int) ([]store.Expired, error)
	DeleteExpired(ctx context.Context, rules faces.Retention, ids []int64) ([]store.Expired, error)
}

// Files is where uploaded files are. Package uploads implements it.
type Files interface {
	Owns(path string) bool
	Reachable() error
	Expire(ctx context.Context, paths []string, remove func() error) error
}

// Retention deletes images that are kept no longer. Two runs at the same time are
// harmless: rows are locked, and looked at again, before they go.
type Retention struct {
	store    RetentionStore
	files    Files
	declared faces.Retention // instead of the stored rules; nil if none are declared
	log      *slog.Logger
	now      func() time.Time
}

// NewRetention returns a Retention. declared are the rules of the setting, or nil.
func NewRetention(st RetentionStore, files Files, declared faces.Retention, log *slog.Logger) *Retention {
	return &Retention{store: st, files: files, declared: declared, log: log, now: time.Now}
}

// Run deletes images by the rules, in parts, until none is left or it has deleted many.
// Pictures that somebody posted by their path keep their files. If it fails, run says
// what it did before; the next run goes on.
func (r *Retention) Run(ctx context.Context) (run faces.RetentionRun, err error) {
	rules, last, err := r.store.Retention(ctx)
	if err != nil {
		return run, err
	}
	if r.declared != nil {
		rules = r.declared
	}
	now := r.now().UTC()
	if len(rules) == 0 || last.Complete && now.Sub(last.Finished) < retentionAgain && !now.Before(last.Finished) {
		return run, nil
	}
	// The audit log has a line for each part, of nobody's key.
	ctx = access.WithActor(ctx, access.Actor{RequestID: retentionRequest})
	run.Started = now
	for after := int64(0); run.Images < retentionMost; {
		list, err := r.store.ExpiredImages(ctx, rules, after, retentionPart)
		if err != nil {
			return run, err
		}
		if len(list) == 0 {
			run.Complete = true
			break
		}
		after = list[len(list)-1].ID
		if err := r.delete(ctx, rules, list, &run); err != nil {
			return run, err
		}
		if err := r.store.NoteRetention(ctx, run); err != nil {
			return run, err
		}
	}
	run.Finished = r.now().UTC()
	return run, r.store.NoteRetention(ctx, run)
}

// delete deletes images, with their files if Rollcall wrote them.
func (r *Retention) delete(ctx context.Context, rules faces.Retention, list []store.Expired, run *faces.RetentionRun) error {
	var ids []int64
	var paths []string
	for _, e := range list {
		ids = append(ids, e.ID)
		if r.files.Owns(e.Path) {
			paths = append(paths, e.Path)
		}
	}
	remove := func() error {
		deleted, err := r.store.DeleteExpired(ctx, rules, ids)
		for _, e := range deleted {
			if run.Images++; r.files.Owns(e.Path) {
				run.Files++
			}
		}
		return err
	}
	if len(paths) == 0 {
		return remove()
	}
	if err := r.files.Reachable(); err != nil {
		return fmt.Errorf("the files of images that are kept no longer cannot be deleted now, so the images stay: %w", err)
	}
	return r.files.Expire(ctx, paths, remove)
}

// DescribeRun returns the line that programs print after a run.
func DescribeRun(run faces.RetentionRun) string {
	text := fmt.Sprintf("%d image(s) deleted because they are kept no longer, %d of them with an uploaded file", run.Images, run.Files)
	if !run.Complete {
		text += "; there are more, and the next pass continues"
	}
	return text
}
