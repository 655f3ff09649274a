package receiver

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/groupcommit"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/stages"
)

// postImage accepts one path. Paths that are posted at the same time are stored and
// queued together.
func (s *Server) postImage(c *gin.Context) error {
	var body api.PicturePath
	if err := httpapi.ReadJSON(c, &body); err != nil {
		return err
	}
	clean, err := s.cleanPath(body.Path)
	if err != nil {
		s.images.WithLabelValues("refused").Inc()
		return err
	}
	begin := time.Now()
	image, err := s.posts.Do(c.Request.Context(), clean)
	if err != nil {
		return err
	}
	s.stages.Observe(stages.Accept, time.Since(begin))
	s.log.Debug("image accepted", "id", image.ID, "queued", image.Queued, "request_id", httpapi.RequestID(c))
	c.JSON(http.StatusAccepted, image)
	return nil
}

// postsAtOnce is how many batches of single posts are stored at the same time. With
// two, the next one is prepared while the database writes the one before.
const postsAtOnce = 2

// newPosts returns the group in which single posts share a transaction and a message
// to the queue.
func (s *Server) newPosts() *groupcommit.Group[string, api.PostedImage] {
	return groupcommit.New(groupcommit.Options[string, api.PostedImage]{
		Commit: s.commitPosts, AtOnce: postsAtOnce,
		Shared: func(err error) bool { return faces.ErrorCode(err) == faces.CodeUnavailable },
	})
}

// commitPosts stores and queues the paths of single posts. They are stored in the
// order of their names, so that two programs that store the same ones do not wait for
// each other in a circle.
func (s *Server) commitPosts(ctx context.Context, paths []string) ([]api.PostedImage, error) {
	at := make([]int, len(paths))
	for i := range at {
		at[i] = i
	}
	slices.SortFunc(at, func(a, b int) int { return strings.Compare(paths[a], paths[b]) })
	entries := make([]api.PostedEntry, len(paths))
	if err := s.addPaths(ctx, "", mapped(at, func(i int) string { return paths[i] }), nil, at, entries); err != nil {
		return nil, err
	}
	return mapped(entries, func(e api.PostedEntry) api.PostedImage { return e.PostedImage }), nil
}

// postImages accepts many paths. A bad path does not affect the others.
func (s *Server) postImages(c *gin.Context) error {
	body := bulkPost{Paths: limitedPaths{max: s.opts.MaxPaths}}
	if err := httpapi.ReadJSON(c, &body); err != nil {
		return err
	}
	if len(body.Paths.list) == 0 {
		return api.Errorf(api.CodeInvalidRequest, `"paths" is missing or empty; send {"paths":[{"path":"a.jpg"}]}`)
	}
	begin := time.Now()
	entries, err := s.accept(c, body.Paths.list)
	if err != nil {
		return err
	}
	s.stages.Observe(stages.Accept, time.Since(begin))
	c.JSON(http.StatusAccepted, api.PostedImages{Images: entries})
	return nil
}

// accept stores the valid paths, queues the images that wait, and returns one entry
// per path in the order sent. A stored row is accepted even if the queue cannot
// take it yet.
func (s *Server) accept(c *gin.Context, sent []api.PicturePath) ([]api.PostedEntry, error) {
	entries := make([]api.PostedEntry, len(sent))
	var paths []string
	var at []int // the entry of each path
	for i, p := range sent {
		clean, err := s.cleanPath(p.Path)
		if err != nil {
			entries[i] = api.Refused(httpapi.Shorten(p.Path), httpapi.Body(err))
			s.images.WithLabelValues("refused").Inc()
			continue
		}
		paths, at = append(paths, clean), append(at, i)
	}
	return entries, s.addPaths(c.Request.Context(), httpapi.RequestID(c), paths, nil, at, entries)
}

// addPaths stores clean paths, queues the images that wait, and completes the entries
// that at names for them. names are those of uploaded files. request is the id of the
// request, or empty if the paths are of several.
func (s *Server) addPaths(ctx context.Context, request string, paths, names []string, at []int, entries []api.PostedEntry) error {
	if len(paths) == 0 {
		return nil
	}
	images, err := s.store.AddUploads(ctx, paths, names)
	if err != nil {
		return err
	}
	queued, err := s.enqueue(ctx, images)
	if err != nil {
		return err
	}
	for i, img := range images {
		entries[at[i]].PostedImage = api.PostedImage{Image: wireImage(img), Queued: queued[img.ID]}
	}
	s.images.WithLabelValues("accepted").Add(float64(len(images)))
	attrs := []any{"images", len(images), "first id", images[0].ID, "queued", countTrue(queued)}
	if request != "" {
		attrs = append(attrs, "request_id", request)
	}
	s.log.Info("images accepted", attrs...)
	return nil
}

// enqueue publishes images that wait and were not published before. For images with
// an outcome it requests a rescan, in case their files have changed. It returns
// true for the ids that are in the queue now.
func (s *Server) enqueue(ctx context.Context, images []faces.Image) (map[int64]bool, error) {
	queued := map[int64]bool{}
	seen := map[int64]bool{}
	var ids, answered []int64
	for _, img := range images {
		switch {
		case seen[img.ID]:
		case mayHaveChanged(img):
			answered = append(answered, img.ID)
		case img.Reason != faces.Queued:
		case !img.PublishedAt.IsZero():
			queued[img.ID] = true
		default:
			ids = append(ids, img.ID)
		}
		seen[img.ID] = true
	}
	if len(answered) > 0 {
		again, err := s.store.RequestRescans(ctx, answered, true)
		if err != nil {
			return nil, err
		}
		ids = append(ids, again.Publish...)
		for _, id := range again.Waiting {
			queued[id] = true
		}
		for _, id := range again.Publish {
			queued[id] = false
		}
	}
	if len(ids) > 0 && s.queue.Publish(ctx, ids) {
		for _, id := range ids {
			queued[id] = true
		}
	}
	return queued, nil
}

func countTrue(m map[int64]bool) int {
	n := 0
	for _, v := range m {
		if v {
			n++
		}
	}
	return n
}

// mayHaveChanged reports whether an image has an outcome or is being processed. Its
// file may have changed since it was read.
func mayHaveChanged(img faces.Image) bool {
	return img.Reason.IsAnswer() || img.Reason.Permanent() || img.Status == faces.Processing
}
