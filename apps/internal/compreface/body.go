package compreface

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

const (
	maxParts = 50       // of a form
	maxField = 16 << 10 // bytes of a field that is no picture
)

// request is what a request with pictures brings.
type request struct {
	params
	pictures map[string][]byte // by the names of their parts
}

// picture returns the picture of a part.
func (r request) picture(part string) ([]byte, error) {
	if len(r.pictures[part]) == 0 {
		return nil, problemf(codeNoPart, "the required part %q is missing or empty; send a picture as multipart/form-data, or JSON such as {%q:\"BASE64\"}", part, part)
	}
	return r.pictures[part], nil
}

// read reads a request with pictures: a form, or JSON with base64, whatever the
// content type says. parts are the names of the pictures.
func (h *Handlers) read(c *gin.Context, parts ...string) (request, error) {
	r := request{params: queryOf(c.Request.URL.RawQuery), pictures: map[string][]byte{}}
	kind, params, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err == nil && kind == "multipart/form-data" && params["boundary"] != "" {
		return r, h.readForm(r, multipart.NewReader(c.Request.Body, params["boundary"]), parts)
	}
	text, err := httpapi.ReadBytes(c)
	if err != nil {
		return r, err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		_, err := r.picture(parts[0])
		return r, err
	}
	return r, h.readJSON(r, text, parts)
}

func (h *Handlers) readForm(r request, form *multipart.Reader, parts []string) error {
	for range maxParts {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return brokenBody(err)
		}
		name := part.FormName()
		if !slices.Contains(parts, name) {
			text, err := readUpTo(part, maxField)
			if err != nil {
				return err
			}
			r.add(name, string(text))
			continue
		}
		content, err := readUpTo(part, h.opts.MaxPicture)
		if err != nil {
			return err
		}
		if text, isURL := cutDataURL(string(content[:min(len(content), maxDataHead)])); isURL {
			if content, err = h.decode(text + string(content[min(len(content), maxDataHead):])); err != nil {
				return err
			}
		}
		r.pictures[name] = content
	}
	return problemf(codeOther, "the form has more than %d parts", maxParts)
}

// readUpTo reads a part of at most limit bytes.
func readUpTo(r io.Reader, limit int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, brokenBody(err)
	case int64(len(content)) > limit:
		return nil, errTooLarge(limit)
	default:
		return content, nil
	}
}

func errTooLarge(limit int64) error {
	return api.Errorf(api.CodeBodyTooLarge, "a part of the request is larger than %d bytes; send a smaller copy of the picture", limit)
}

// brokenBody is the error of a form that cannot be read.
func brokenBody(err error) error {
	var known *api.Error
	if errors.As(err, &known) { // it is too large or too slow
		return known
	}
	return problemf(codeOther, "the body did not arrive whole, or is no form; send it again")
}

// readJSON reads the pictures of a JSON object, and passes over its other fields.
func (h *Handlers) readJSON(r request, text []byte, parts []string) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return problemf(codeOther, "the body is not JSON: %v", err)
	}
	for _, part := range parts {
		raw, there := fields[part]
		if !there {
			continue
		}
		var encoded string
		if err := json.Unmarshal(raw, &encoded); err != nil {
			return problemf(codeNoPicture, "%q must be a string with a picture in base64", part)
		}
		if rest, isURL := cutDataURL(encoded); isURL {
			encoded = rest
		}
		content, err := h.decode(encoded)
		if err != nil {
			return err
		}
		r.pictures[part] = content
	}
	return nil
}

// maxDataHead is how long the part of a data: URL before its data may be.
const maxDataHead = 200

// cutDataURL cuts off the beginning of a data: URL in base64, if it is there.
func cutDataURL(text string) (rest string, isURL bool) {
	if !strings.HasPrefix(text, "data:") {
		return text, false
	}
	head, rest, found := strings.Cut(text, ",")
	if !found || len(head) > maxDataHead || !strings.HasSuffix(head, ";base64") {
		return text, false
	}
	return rest, true
}

// base64Spelling takes away what some programs write into base64, or write differently.
var base64Spelling = strings.NewReplacer("\n", "", "\r", "", " ", "", "-", "+", "_", "/")

// decode decodes a picture in base64.
func (h *Handlers) decode(encoded string) ([]byte, error) {
	encoded = strings.TrimRight(base64Spelling.Replace(encoded), "=")
	if int64(base64.RawStdEncoding.DecodedLen(len(encoded))) > h.opts.MaxPicture {
		return nil, errTooLarge(h.opts.MaxPicture)
	}
	content, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, problemf(codeNoPicture, "the picture is not base64: %v", err)
	}
	return content, nil
}

// readObject reads a JSON object. Fields that v does not have are passed over: the
// Python SDK sends some.
func readObject(c *gin.Context, v any) error {
	text, err := httpapi.ReadBytes(c)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return problemf(codeOther, "the body is not the JSON that this call takes: %v", err)
	}
	return nil
}
