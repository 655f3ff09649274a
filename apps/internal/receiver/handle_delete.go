package receiver

import (
	"context"
	"iter"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// deletePart is the largest number of images that one transaction deletes. It is
	// small, because the rows are locked meanwhile.
	deletePart = 100
	// countPart is the largest number of images that are counted at once.
	countPart = 1000
	// maxDeleteIDs is the largest number of ids, as in openapi.yaml.
	maxDeleteIDs = 10_000
)

// deletion is what a request wants to have deleted.
type deletion struct {
	ids    []int64
	filter store.Filter
	limit  int // 0 is none
}

// deleteImages deletes all images that a filter selects, or counts them.
func (s *Server) deleteImages(c *gin.Context) error {
	dry, err := httpapi.ReadFlag(c, "dry_run")
	if err != nil {
		return err
	}
	what, err := readDeletion(c)
	if err != nil {
		return err
	}
	// A deletion that was interrupted may go on, also with the same idempotency key.
	ctx := store.WithoutAttempt(c.Request.Context())
	remove, part := s.removeImages, deletePart
	if dry {
		remove, part = countImages, countPart
	}
	total := 0
	for list, err := range s.selected(ctx, what, part) {
		if err == nil {
			var n int
			n, err = remove(ctx, list)
			total += n
		}
		if err != nil && total > 0 && !dry {
			s.log.Info("images deleted, and not all", "images", total, "request_id", httpapi.RequestID(c))
			if faces.ErrorCode(err) == faces.CodeUnavailable {
				return faces.Errorf(faces.CodeUnavailable, "%d image(s) are deleted, and then: %s; send the request again for the others", total, faces.ErrorMessage(err)).WithCause(err)
			}
		}
		if err != nil {
			return err
		}
	}
	if !dry {
		s.log.Info("images deleted", "images", total, "request_id", httpapi.RequestID(c))
	}
	c.JSON(http.StatusOK, api.DeletedImages{Images: total, DryRun: dry})
	return nil
}

// selected yields the images of a deletion in parts. It ends with the first error.
func (s *Server) selected(ctx context.Context, what deletion, part int) iter.Seq2[[]store.Selected, error] {
	return func(yield func([]store.Selected, error) bool) {
		if what.ids != nil {
			for ids := range slices.Chunk(what.ids, part) {
				if list, err := s.store.SelectByID(ctx, ids); !yield(list, err) || err != nil {
					return
				}
			}
			return
		}
		f := what.filter
		for left := what.limit; ; {
			if f.Limit = part; what.limit > 0 {
				f.Limit = min(part, left)
			}
			list, next, err := s.store.SelectImages(ctx, f)
			if !yield(list, err) || err != nil {
				return
			}
			f.After, left = next, left-len(list)
			if next == 0 || what.limit > 0 && left <= 0 {
				return
			}
		}
	}
}

func countImages(_ context.Context, list []store.Selected) (int, error) { return len(list), nil }

// removeImages deletes images, and their files if those were uploaded. If the files
// cannot be deleted now, nothing is.
func (s *Server) removeImages(ctx context.Context, list []store.Selected) (int, error) {
	if slices.ContainsFunc(list, func(d store.Selected) bool { return s.uploads.Owns(d.Path) }) {
		if err := s.uploads.Reachable(); err != nil {
			return 0, faces.Errorf(faces.CodeUnavailable, "the files of images cannot be deleted now; try again when their volume is back").WithCause(err)
		}
	}
	deleted, err := s.store.DeleteImages(ctx, list)
	sure := map[int64]bool{}
	for _, d := range deleted {
		sure[d.ID] = err == nil
	}
	// The answer to the commit may have been lost, also if a second try found no rows. A
	// file whose row is gone goes, too, and no other.
	for _, d := range list {
		s.removeFile(ctx, d.ID, d.Path, !sure[d.ID])
	}
	if err != nil {
		return 0, err
	}
	return len(deleted), nil
}

// removeFile deletes the uploaded file of a deleted image. This must go on without the
// client. If it is in doubt whether the image is deleted, the file stays while a row
// has it.
func (s *Server) removeFile(ctx context.Context, id int64, path string, inDoubt bool) {
	if !s.uploads.Owns(path) {
		return
	}
	ctx = context.WithoutCancel(ctx)
	if inDoubt {
		if used, err := s.store.HasPath(ctx, path); err != nil || used {
			return
		}
	}
	if err := s.uploads.Remove(ctx, path); err != nil {
		s.log.Error("an image is deleted, and its uploaded file is not; delete the file by hand", "image", id, "file", path, "error", err)
	}
}

// readDeletion rejects unknown fields, because a filter with a typing mistake would
// delete too many images.
func readDeletion(c *gin.Context) (deletion, error) {
	var body api.DeleteFilter
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return deletion{}, err
	}
	if body.IDs != nil {
		return idsToDelete(body)
	}
	f := store.Filter{PersonID: body.PersonID, Person: body.Person, Query: body.Query, Scan: scanned, Oldest: true}
	var err error
	if f.Status, f.Reason, err = readOutcome(string(body.Status), string(body.Reason)); err != nil {
		return deletion{}, err
	}
	for _, bound := range []struct {
		sent *time.Time
		to   *time.Time
	}{{body.CreatedAfter, &f.CreatedAfter}, {body.CreatedBefore, &f.CreatedBefore}} {
		if bound.sent == nil {
			continue
		}
		if *bound.to = *bound.sent; bound.to.Year() < 1 || bound.to.IsZero() {
			return deletion{}, api.Errorf(api.CodeInvalidRequest, `"created_after" and "created_before" must be times such as 2026-05-04T12:00:00Z`)
		}
	}
	switch {
	case body.PersonID < 0:
		return deletion{}, api.Errorf(api.CodeInvalidRequest, `"person_id" must be a person's id`)
	case body.Limit < 0:
		return deletion{}, api.Errorf(api.CodeInvalidRequest, `"limit" must be at least 1`)
	case body.All && body.Limit > 0:
		return deletion{}, api.Errorf(api.CodeInvalidRequest, `"all" means without a limit; send either "all" or "limit"`)
	case !body.All && body.Limit == 0:
		return deletion{}, api.Errorf(api.CodeInvalidRequest, `say how many images may be deleted: add "limit", such as {"reason":"not_found","limit":1000}, or "all": true for any number`)
	}
	return deletion{filter: f, limit: body.Limit}, nil
}

func idsToDelete(body api.DeleteFilter) (deletion, error) {
	ids := body.IDs
	body.IDs = nil
	switch {
	case !reflect.ValueOf(body).IsZero():
		return deletion{}, api.Errorf(api.CodeInvalidRequest, `send either "ids" or a filter`)
	case len(ids) == 0:
		return deletion{}, api.Errorf(api.CodeInvalidRequest, `"ids" is empty; name the images to delete`)
	case len(ids) > maxDeleteIDs:
		return deletion{}, api.Errorf(api.CodeInvalidRequest, `"ids" has %d ids, at most %d are possible; send several requests`, len(ids), maxDeleteIDs)
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return deletion{ids: slices.Compact(ids)}, nil
}
