package receiver

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

// readPicture returns the one picture of a request: the body itself, or the only
// file of a form.
func (s *Server) readPicture(c *gin.Context) ([]byte, error) {
	form, err := formOf(c)
	if err != nil {
		return nil, err
	}
	if form == nil {
		return s.readFile(c.Request.Body, c.Request.ContentLength)
	}
	files, err := s.readForm(form, 1)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		return file, nil
	}
	return nil, api.Errorf(api.CodeInvalidRequest, "the form has no file; send one picture")
}

// readPair returns the two pictures of a form, named a and b.
func (s *Server) readPair(c *gin.Context) (a, b []byte, err error) {
	form, err := formOf(c)
	if err != nil {
		return nil, nil, err
	}
	if form == nil {
		return nil, nil, api.Errorf(api.CodeInvalidRequest, "the body must be multipart/form-data with two pictures, a and b")
	}
	files, err := s.readForm(form, 2)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range []string{"a", "b"} {
		if _, ok := files[name]; !ok {
			return nil, nil, api.Errorf(api.CodeInvalidRequest, "the form has no file %q; send two pictures, a and b", name)
		}
	}
	return files["a"], files["b"], nil
}

// formOf returns the form of a request, or nil if its body is no form.
func formOf(c *gin.Context) (*multipart.Reader, error) {
	kind, params, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil, nil
	}
	if params["boundary"] == "" {
		return nil, api.Errorf(api.CodeInvalidRequest, "the form has no boundary in its Content-Type")
	}
	return multipart.NewReader(c.Request.Body, params["boundary"]), nil
}

// readForm returns the files of a form by the names of their fields.
func (s *Server) readForm(form *multipart.Reader, most int) (map[string][]byte, error) {
	files := map[string][]byte{}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, brokenBody(err)
		}
		name := part.FormName()
		if _, twice := files[name]; twice || len(files) == most {
			return nil, api.Errorf(api.CodeInvalidRequest, "the form has more than it should: another field %s; send %d file(s)", strconv.Quote(httpapi.Shorten(name)), most)
		}
		if files[name], err = s.readFile(part, -1); err != nil {
			return nil, err
		}
	}
}

// readFile reads a picture's file. length is its size, if known, otherwise -1.
func (s *Server) readFile(r io.Reader, length int64) ([]byte, error) {
	limit := s.opts.MaxIdentify
	tooLarge := api.Errorf(api.CodeBodyTooLarge, "the picture is larger than %d bytes; send a smaller copy of it, or post its path", limit)
	if length > limit {
		return nil, tooLarge
	}
	var file bytes.Buffer
	if length > 0 {
		file.Grow(int(length) + bytes.MinRead)
	}
	if r != nil {
		if _, err := file.ReadFrom(io.LimitReader(r, limit+1)); err != nil {
			return nil, brokenBody(err)
		}
	}
	switch {
	case int64(file.Len()) > limit:
		return nil, tooLarge
	case file.Len() == 0:
		return nil, api.Errorf(api.CodeInvalidRequest, "the picture is empty; send the bytes of its file")
	}
	return file.Bytes(), nil
}

// brokenBody is the error of a body that cannot be read.
func brokenBody(err error) error {
	var problem *api.Error
	if errors.As(err, &problem) { // it is too large or too slow
		return problem
	}
	return api.Errorf(api.CodeInvalidRequest, "the body did not arrive whole, or is no form; send it again")
}
