package frontend

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Sizes of pictures in pixels of the longest side.
const (
	largestSide = 2048
	smallest    = 32
	pictureSide = 1600
	cropSide    = 240
)

// opener opens a picture of the receiver. tag is the one that the browser has.
type opener func(c *gin.Context, to *client.Client, id int64, size int, tag *string) (*http.Response, error)

// picture returns a handler that hands a picture of the receiver on.
func (s *Server) picture(size int, open opener) gin.HandlerFunc {
	return func(c *gin.Context) {
		id, err := strconv.ParseInt(c.Param("id"), 10, 64)
		to := s.reads(c)
		if err != nil || id < 1 || to == nil {
			c.Status(http.StatusNotFound)
			return
		}
		side := size
		if n, err := strconv.Atoi(c.Query("size")); err == nil {
			side = min(max(n, smallest), largestSide)
		}
		var tag *string
		if t := c.GetHeader("If-None-Match"); t != "" {
			tag = &t
		}
		answer, err := open(c, to, id, side, tag)
		if err != nil {
			s.pictureFailed(c, err)
			return
		}
		defer answer.Body.Close()
		s.handOn(c, answer)
	}
}

// handOn copies an answer: its headers that matter, then its body as it comes.
func (s *Server) handOn(c *gin.Context, answer *http.Response) {
	for _, name := range []string{"ETag", "Cache-Control", "Content-Disposition", "Retry-After"} {
		if v := answer.Header.Get(name); v != "" {
			c.Header(name, v)
		}
	}
	if answer.StatusCode == http.StatusNotModified {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	c.Header("Content-Type", "image/jpeg") // whatever the receiver says: a page would run as ours
	if answer.ContentLength >= 0 {
		c.Header("Content-Length", strconv.FormatInt(answer.ContentLength, 10))
	}
	c.Status(http.StatusOK)
	if _, err := io.Copy(c.Writer, answer.Body); err != nil {
		s.log.DebugContext(c, "a picture ended early", "path", c.Request.URL.Path, "error", err)
	}
}

// pictureWarnEvery is how often the log warns that pictures are missing. A page has
// dozens of them.
const pictureWarnEvery = time.Minute

// seldom lets one thing through in a period. It is safe for concurrent use.
type seldom struct{ next atomic.Int64 }

// once reports whether nothing was let through within a period before now.
func (x *seldom) once(now time.Time, every time.Duration) bool {
	next := x.next.Load()
	return now.UnixNano() >= next && x.next.CompareAndSwap(next, now.Add(every).UnixNano())
}

// pictureFailed answers without a picture. Nobody reads the text: the page has words of
// its own beside each picture.
func (s *Server) pictureFailed(c *gin.Context, err error) {
	code := http.StatusBadGateway
	var said *api.Error
	if errors.As(err, &said) && said.Status != 0 {
		code = said.Status
	}
	ours := code >= http.StatusInternalServerError || code == http.StatusTooManyRequests
	if ours && c.Request.Context().Err() == nil {
		level := slog.LevelDebug
		if s.warned.once(s.opts.Now(), pictureWarnEvery) {
			level = slog.LevelWarn
		}
		s.log.Log(c, level, "a picture could not be had", "path", c.Request.URL.Path, "code", code, "error", err)
	}
	c.Header("Cache-Control", "no-store")
	c.Status(code)
}

func openThumbnail(c *gin.Context, to *client.Client, id int64, size int, tag *string) (*http.Response, error) {
	return to.OpenThumbnail(c.Request.Context(), id, api.GetThumbnailParams{Size: &size, IfNoneMatch: tag})
}

func openPicture(c *gin.Context, to *client.Client, id int64, size int, tag *string) (*http.Response, error) {
	return to.OpenPicture(c.Request.Context(), id, api.GetPictureParams{Size: &size, IfNoneMatch: tag})
}

func openCrop(c *gin.Context, to *client.Client, id int64, size int, tag *string) (*http.Response, error) {
	how := api.GetFaceCropParams{Size: &size, IfNoneMatch: tag}
	if margin, err := strconv.ParseFloat(c.Query("margin"), 64); err == nil && margin >= 0 && margin <= faces.MaxMargin {
		how.Margin = &margin
	}
	return to.OpenFaceCrop(c.Request.Context(), id, how)
}

// openKnown opens a known picture of a person by the name of its file, which is what a
// face's candidate has.
func (s *Server) openKnown(c *gin.Context, to *client.Client, person int64, size int, tag *string) (*http.Response, error) {
	ctx := c.Request.Context()
	known, ok, err := s.store.FindKnownPicture(ctx, person, c.Query("name"))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &api.Error{Code: api.CodeNotFound, Status: http.StatusNotFound, Message: "there is no such known picture"}
	}
	return to.OpenKnownPicture(ctx, person, known.ID, api.GetKnownPictureParams{Size: &size, IfNoneMatch: tag})
}

// names answers with the names that complete what somebody types.
func (s *Server) names(c *gin.Context) {
	const most, looked = 8, 50
	to, typed := s.reads(c), c.Query("q")
	if to == nil || typed == "" {
		c.JSON(http.StatusOK, []string{})
		return
	}
	limit, hidden := looked, api.ListPeopleParamsHiddenAllPeople
	page, err := to.ListPeople(c.Request.Context(), api.ListPeopleParams{Query: &typed, Limit: &limit, Hidden: &hidden})
	if err != nil {
		s.pictureFailed(c, err)
		return
	}
	list := make([]string, 0, len(page.People))
	for _, p := range page.People {
		if faces.CheckName(p.Name) == nil {
			list = append(list, p.Name)
		}
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, bestFirst(list, typed)[:min(len(list), most)])
}

// bestFirst sorts names: those that begin with a text come first.
func bestFirst(list []string, typed string) []string {
	begins := func(name string) bool {
		return len(name) >= len(typed) && strings.EqualFold(name[:len(typed)], typed)
	}
	slices.SortStableFunc(list, func(a, b string) int {
		switch ba, bb := begins(a), begins(b); {
		case ba && !bb:
			return -1
		case bb && !ba:
			return 1
		default:
			return strings.Compare(a, b)
		}
	})
	return list
}
