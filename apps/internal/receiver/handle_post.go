package receiver

// This file owns taking pictures in: one path or many, the same way.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

type pathBody struct {
	Path *string `json:"path"`
}

// postImage takes one path: a bulk post with one entry, whose error is the
// request's.
func (s *Server) postImage(c *gin.Context) {
	var body pathBody
	if err := s.readJSON(c, &body); err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	entries, err := s.accept(c, []pathBody{body})
	if err == nil && entries[0].err != nil {
		err = entries[0].err
	}
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	c.JSON(http.StatusAccepted, entries[0])
}

// postImages takes many paths. One bad path does not spoil the others.
func (s *Server) postImages(c *gin.Context) {
	var body struct {
		Paths []pathBody `json:"paths"`
	}
	err := s.readJSON(c, &body)
	switch {
	case err != nil:
	case len(body.Paths) == 0:
		err = faces.Errorf(faces.CodeInvalid, `"paths" is missing or empty; send {"paths":[{"path":"a.jpg"}]}`)
	case len(body.Paths) > s.opts.MaxPaths:
		err = faces.Errorf(faces.CodeInvalid, "%d paths are more than the %d that one post may have", len(body.Paths), s.opts.MaxPaths)
	}
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	entries, err := s.accept(c, body.Paths)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	c.JSON(http.StatusAccepted, gin.H{"images": entries})
}

// readJSON reads one JSON value of any declared content type: curl -d says
// that it sends a form.
func (s *Server) readJSON(c *gin.Context, v any) error {
	limited := http.MaxBytesReader(c.Writer, c.Request.Body, s.opts.MaxBody)
	text, err := io.ReadAll(limited)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return faces.Errorf(httpapi.CodeBodyTooLarge, "the body is larger than %d bytes", s.opts.MaxBody)
	case err != nil:
		return faces.Errorf(faces.CodeInvalid, "the body cannot be read").WithCause(err)
	case !utf8.Valid(text): // the decoder would take it for another path
		return faces.Errorf(faces.CodeInvalid, "the body is not UTF-8")
	case len(bytes.TrimSpace(text)) == 0:
		return faces.Errorf(faces.CodeInvalid, `the body is empty; send JSON such as {"path":"a.jpg"}`)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return faces.Errorf(faces.CodeInvalid, "%s", explainJSON(err))
	}
	return nil
}

// explainJSON says what is wrong in the words of the one who wrote it.
func explainJSON(err error) string {
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("the body is not JSON: %v (at byte %d)", err, syntax.Offset)
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return fmt.Sprintf("%q: %s belongs here, not a JSON %s", wrongType.Field, nameKind(wrongType.Type.Kind()), wrongType.Value)
	case errors.As(err, &wrongType):
		return fmt.Sprintf("the body must be a JSON object, not a JSON %s", wrongType.Value)
	default:
		return "the body is not the JSON that this route takes"
	}
}

// nameKind says in JSON's words what the bodies above are made of.
func nameKind(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list"
	default:
		return `an object such as {"path":"a.jpg"}`
	}
}

// entry is what a post answers about one path.
type entry struct {
	imageJSON
	Queued bool
	err    error
	sent   string
}

// MarshalJSON writes the image, or the path as it was sent and its error.
func (e entry) MarshalJSON() ([]byte, error) {
	if e.err != nil {
		return json.Marshal(struct {
			Path  string            `json:"path"`
			Error httpapi.ErrorBody `json:"error"`
		}{e.sent, httpapi.Body(e.err)})
	}
	return json.Marshal(struct {
		imageJSON
		Queued bool `json:"queued"`
	}{e.imageJSON, e.Queued})
}

// accept stores the good paths, queues those that wait for their turn, and
// returns an entry for each path in the order sent. A row that is stored is
// accepted, whether or not the queue could take it by now.
func (s *Server) accept(c *gin.Context, bodies []pathBody) ([]entry, error) {
	entries := make([]entry, len(bodies))
	var paths []string
	var at []int // entry of each path
	for i, b := range bodies {
		clean, err := s.cleanPath(b.Path)
		if err != nil {
			entries[i].err = err
			if b.Path != nil {
				entries[i].sent = shorten(*b.Path)
			}
			s.images.WithLabelValues("refused").Inc()
			continue
		}
		paths, at = append(paths, clean), append(at, i)
	}
	if len(paths) == 0 {
		return entries, nil
	}
	images, err := s.store.AddImages(c.Request.Context(), paths)
	if err != nil {
		return nil, err
	}
	queued, err := s.enqueue(c, images)
	if err != nil {
		return nil, err
	}
	for i, img := range images {
		entries[at[i]].imageJSON = toJSON(img)
		entries[at[i]].Queued = queued[img.ID]
	}
	s.images.WithLabelValues("accepted").Add(float64(len(images)))
	s.log.Info("images accepted", "images", len(images), "first id", images[0].ID, "queued", countTrue(queued), "request_id", httpapi.RequestID(c))
	return entries, nil
}

// enqueue publishes what waits for its turn and was not published before, and
// what has an answer already: its file may have changed since. It returns the
// ids that are in the queue now.
func (s *Server) enqueue(c *gin.Context, images []faces.Image) (map[int64]bool, error) {
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
		again, err := s.store.RequestRescans(c.Request.Context(), answered, true)
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
	if len(ids) > 0 && s.queue.Publish(c.Request.Context(), ids) {
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

// mayHaveChanged reports whether a picture was looked at, or is being, so that
// only its file says whether another look is due.
func mayHaveChanged(img faces.Image) bool {
	return img.Reason.HasAnswer() || img.Reason.Permanent() || img.Status == faces.Processing
}

// cleanPath returns the path as it is stored: absolute, cleaned and under the
// folder of unknown people. Whether the file is there, and whether a link
// leads out of the folder, the recognizer finds out.
func (s *Server) cleanPath(sent *string) (string, error) {
	switch {
	case sent == nil:
		return "", faces.Errorf(faces.CodeInvalid, `"path" is missing`)
	case *sent == "":
		return "", faces.Errorf(faces.CodeInvalid, `"path" is empty`)
	case utf8.RuneCountInString(*sent) > faces.MaxPathLength:
		return "", pathTooLong()
	case strings.ContainsRune(*sent, 0):
		return "", faces.Fault(faces.PathNotAllowed, "a path cannot contain a zero byte")
	}
	clean := path.Clean(*sent)
	if !path.IsAbs(clean) {
		clean = path.Join(s.opts.UnknownPeople, clean)
	}
	root := strings.TrimSuffix(s.opts.UnknownPeople, "/") + "/"
	if !strings.HasPrefix(clean, root) || clean == root {
		return "", faces.Fault(faces.PathNotAllowed, "the path is not below %s", s.opts.UnknownPeople)
	}
	if utf8.RuneCountInString(clean) > faces.MaxPathLength {
		return "", pathTooLong()
	}
	return clean, nil
}

func pathTooLong() error {
	return faces.Errorf(httpapi.CodePathTooLong, "a path has at most %d characters", faces.MaxPathLength)
}

// shorten keeps an answer from being as long as the nonsense that was sent.
func shorten(text string) string {
	const limit = 200
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return string(runes[:limit]) + "…"
}
