package receiver

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// What the routes of pictures take by default, and what they allow.
const (
	pictureSize   = 1600 // pixels of the longest side
	thumbnailSize = 320
	cropSize      = 160
	minSize       = 32
	cropMargin    = 0.4
)

// pictureCaching lets a client keep a picture, and nobody between us and it. After
// this time it asks whether the picture is still the same.
const pictureCaching = "private, max-age=300"

// servePicture returns a handler that answers with an image's whole picture. what
// names it for people who save it.
func (s *Server) servePicture(what string, size int) func(*gin.Context) error {
	return func(c *gin.Context) error {
		id, err := httpapi.PathID(c, "an image")
		if err != nil {
			return err
		}
		how, err := readRendering(c, size)
		if err != nil {
			return err
		}
		p, err := s.store.Picture(c.Request.Context(), id)
		if err != nil {
			return err
		}
		return s.serveRendering(c, p, how, disposition(fmt.Sprintf("%s-%d.jpg", what, id), p.Name))
	}
}

// serveCrop answers with a picture of a face.
func (s *Server) serveCrop(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a face")
	if err != nil {
		return err
	}
	how, err := readRendering(c, cropSize)
	if err != nil {
		return err
	}
	if how.Margin, err = readMargin(c); err != nil {
		return err
	}
	p, err := s.store.PictureOfFace(c.Request.Context(), id)
	if err != nil {
		return err
	}
	how.Crop = p.Face
	return s.serveRendering(c, p, how, disposition(fmt.Sprintf("face-%d.jpg", id), ""))
}

// serveKnownPicture answers with a known picture, to compare a face with.
func (s *Server) serveKnownPicture(c *gin.Context) error {
	person, err := httpapi.PathID(c, "a person")
	if err != nil {
		return err
	}
	id, err := httpapi.PathParam(c, "picture_id", "a known picture")
	if err != nil {
		return err
	}
	how, err := readRendering(c, thumbnailSize)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	list, err := s.store.KnownPictures(ctx, person, id-1, 1)
	switch {
	case err != nil:
		return err
	case len(list) == 0 || list[0].ID != id:
		return api.Errorf(api.CodeNotFound, "person %d has no known picture %d", person, id)
	}
	content, err := callersPictures{s}.Content(ctx, list[0].Name)
	if err != nil {
		return pictureProblem(err)
	}
	sum := sha256.Sum256(content)
	file := faces.File{SHA256: hex.EncodeToString(sum[:])}
	key := renderingKey(file, how)
	if hasTag(c, key) {
		s.notModified(c, key)
		return nil
	}
	rendered, err := s.renderings.ofContent(ctx, content, file.SHA256, how)
	if err != nil {
		return err
	}
	writeTag(c, key)
	c.Header("Content-Disposition", disposition(fmt.Sprintf("known-%d.jpg", id), ""))
	c.Data(http.StatusOK, "image/jpeg", rendered.JPEG)
	return nil
}

// disposition returns the header Content-Disposition (RFC 6266) of a JPEG. name is of
// letters, digits and dots only. uploaded is the name of the file that the picture was
// uploaded as, which can be anything; clients that know it prefer it.
func disposition(name, uploaded string) string {
	text := "inline; filename=" + name
	if uploaded == "" {
		return text
	}
	stem := strings.TrimSuffix(uploaded, path.Ext(uploaded))
	return text + "; filename*=UTF-8''" + escapeParameter(cmp.Or(stem, uploaded)+".jpg")
}

// escapeParameter returns a text as RFC 8187 writes it in a header.
func escapeParameter(text string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '.', b == '_':
			out.WriteByte(b)
		default:
			fmt.Fprintf(&out, "%%%02X", b)
		}
	}
	return out.String()
}

func readRendering(c *gin.Context, size int) (faces.Rendering, error) {
	how := faces.Rendering{Size: size}
	if text := c.Query("size"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < minSize || n > faces.MaxRendering {
			return how, api.Errorf(api.CodeInvalidRequest, `"size" must be a number of pixels from %d to %d`, minSize, faces.MaxRendering)
		}
		how.Size = n
	}
	return how, nil
}

func readMargin(c *gin.Context) (float64, error) {
	text := c.Query("margin")
	if text == "" {
		return cropMargin, nil
	}
	margin, err := strconv.ParseFloat(text, 64)
	if err != nil || !(margin >= 0 && margin <= faces.MaxMargin) { // also true for NaN
		return 0, api.Errorf(api.CodeInvalidRequest, `"margin" must be a number from 0 to %v`, faces.MaxMargin)
	}
	return margin, nil
}

// serveRendering answers with a picture. If the client has it already, no
// recognizer is asked. disposition names it.
func (s *Server) serveRendering(c *gin.Context, p store.Picture, how faces.Rendering, disposition string) error {
	key := renderingKey(p.File, how)
	if key != "" && hasTag(c, key) {
		s.notModified(c, key)
		return nil
	}
	rendered, err := s.renderings.get(c.Request.Context(), p.Path, p.File, how)
	isFace := how.Crop != (faces.Box{})
	switch {
	case isFace && faces.ErrorCode(err) == faces.CodeInvalid, // the picture is smaller now
		err == nil && isFace && p.File.SHA256 != "" && rendered.File.SHA256 != p.File.SHA256:
		return api.Errorf(api.CodeConflict, "the file has changed since the face was found in it; post its path again")
	case err != nil:
		return err
	}
	key = renderingKey(rendered.File, how)
	if hasTag(c, key) {
		s.notModified(c, key)
		return nil
	}
	writeTag(c, key)
	c.Header("Content-Disposition", disposition)
	c.Data(http.StatusOK, "image/jpeg", rendered.JPEG)
	return nil
}

func (s *Server) notModified(c *gin.Context, key string) {
	s.renderings.served.WithLabelValues("client").Inc()
	writeTag(c, key)
	c.Status(http.StatusNotModified)
	c.Writer.WriteHeaderNow()
}

func writeTag(c *gin.Context, key string) {
	c.Header("Cache-Control", pictureCaching)
	if key != "" {
		c.Header("ETag", strconv.Quote(key))
	}
}

// hasTag reports whether the client has the rendering with a key (RFC 9110, section
// 13.1.2).
func hasTag(c *gin.Context, key string) bool {
	for _, line := range c.Request.Header.Values("If-None-Match") {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if key != "" && (tag == strconv.Quote(key) || tag == "*") {
				return true
			}
		}
	}
	return false
}
