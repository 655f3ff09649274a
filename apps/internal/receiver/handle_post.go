package receiver

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/groupcommit"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/stages"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
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
	ctx := c.Request.Context()
	span := tracing.Sent(ctx)
	begin := time.Now()
	image, err := s.posts.Do(ctx, post{clean, span})
	if err != nil {
		return err
	}
	s.stages.Observe(stages.Accept, time.Since(begin))
	if span != nil {
		span.SetAttributes(tracing.Image.Int64(image.ID))
	}
	s.log.DebugContext(ctx, "image accepted", "id", image.ID, "queued", image.Queued, "request_id", httpapi.RequestID(c))
	c.JSON(http.StatusAccepted, image)
	return nil
}

// post is a single path that was posted.
type post struct {
	path string
	span trace.Span // of the request; nil if it is not traced
}

// postsAtOnce is how many batches of single posts are stored at the same time. With
// two, the next one is prepared while the database writes the one before.
const postsAtOnce = 2

// newPosts returns the group in which single posts share a transaction and a message
// to the queue.
func (s *Server) newPosts() *groupcommit.Group[post, api.PostedImage] {
	return groupcommit.New(groupcommit.Options[post, api.PostedImage]{
		Commit: s.commitPosts, AtOnce: postsAtOnce,
		Shared: func(err error) bool { return faces.ErrorCode(err) == faces.CodeUnavailable },
	})
}

// commitPosts stores and queues the paths of single posts. They are stored in the
// order of their names, so that two programs that store the same ones do not wait for
// each other in a circle.
func (s *Server) commitPosts(ctx context.Context, posts []post) ([]api.PostedImage, error) {
	at, traced := make([]int, len(posts)), false
	for i := range at {
		at[i] = i
		traced = traced || posts[i].span != nil
	}
	slices.SortFunc(at, func(a, b int) int { return strings.Compare(posts[a].path, posts[b].path) })
	added := adding{paths: mapped(at, func(i int) string { return posts[i].path }), at: at}
	if traced && len(posts) == 1 {
		ctx = trace.ContextWithSpan(ctx, posts[0].span) // for the log
	}
	if traced {
		added.spans = mapped(at, func(i int) trace.Span { return posts[i].span })
	}
	entries := make([]api.PostedEntry, len(posts))
	if err := s.addPaths(ctx, added, entries); err != nil {
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
	c.JSON(http.StatusAccepted, wirePosted(entries))
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
	ctx := c.Request.Context()
	return entries, s.addPaths(ctx, adding{request: httpapi.RequestID(c), paths: paths, at: at, spans: spansOf(ctx, paths)}, entries)
}

// adding is what addPaths adds.
type adding struct {
	request      string // its id; empty if the paths are of several
	paths, names []string
	at           []int        // the entry of each path
	spans        []trace.Span // of the requests that sent the paths; nil if none is traced
}

// spansOf returns the span of a request, once for each path.
func spansOf(ctx context.Context, paths []string) []trace.Span {
	span := tracing.Sent(ctx)
	if span == nil {
		return nil
	}
	return slices.Repeat([]trace.Span{span}, len(paths))
}

// addPaths stores clean paths, queues the images that wait, and completes their entries.
func (s *Server) addPaths(ctx context.Context, added adding, entries []api.PostedEntry) error {
	if len(added.paths) == 0 {
		return nil
	}
	images, err := s.storePaths(ctx, added)
	if err != nil {
		return err
	}
	queued, err := s.enqueue(ctx, images, added.spans)
	if err != nil {
		return err
	}
	for i, img := range images {
		entries[added.at[i]].PostedImage = api.PostedImage{Image: wireImage(img), Queued: queued[img.ID]}
	}
	s.images.WithLabelValues("accepted").Add(float64(len(images)))
	attrs := []any{"images", len(images), "first id", images[0].ID, "queued", countTrue(queued)}
	if added.request != "" {
		attrs = append(attrs, "request_id", added.request)
	}
	s.log.InfoContext(ctx, "images accepted", attrs...)
	return nil
}

// storePaths stores clean paths. The rows of traced requests say to which spans the work
// on them belongs.
func (s *Server) storePaths(ctx context.Context, added adding) ([]faces.Image, error) {
	if added.spans == nil {
		return s.store.AddUploads(ctx, added.paths, added.names)
	}
	parents := mapped(added.spans, func(span trace.Span) string {
		if span == nil {
			return ""
		}
		return tracing.Parent(span)
	})
	ctx, end := tracing.Together(ctx, "store", added.spans, tracing.Images.Int(len(added.paths)))
	images, err := s.store.AddTraced(ctx, added.paths, added.names, parents)
	end(err)
	return images, err
}

// enqueue publishes images that wait and were not published before. For images with
// an outcome it requests a rescan, in case their files have changed. It returns
// true for the ids that are in the queue now.
func (s *Server) enqueue(ctx context.Context, images []faces.Image, spans []trace.Span) (map[int64]bool, error) {
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
	if len(ids) > 0 && s.publish(ctx, ids, spans) {
		for _, id := range ids {
			queued[id] = true
		}
	}
	return queued, nil
}

// publish queues ids and reports whether it succeeded.
func (s *Server) publish(ctx context.Context, ids []int64, spans []trace.Span) bool {
	ctx, end := tracing.Together(ctx, "publish", spans, tracing.Images.Int(len(ids)))
	ok := s.queue.Publish(ctx, ids)
	var err error
	if !ok {
		err = errNotQueued
	}
	end(err)
	return ok
}

// errNotQueued marks a span: the ids are queued later.
var errNotQueued = errors.New("the queue does not take images")

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
