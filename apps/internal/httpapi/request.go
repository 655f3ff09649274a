package httpapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// The size of a page, in entries.
const (
	defaultPage = 100
	maxPage     = 1000
)

// ReadJSON reads the body as one JSON value, whatever content type the request
// declares: curl -d declares a form.
func ReadJSON(c *gin.Context, v any) error { return readJSON(c, v, false) }

// ReadOptionalJSON is like ReadJSON, but the body may be empty. Then v does not
// change.
func ReadOptionalJSON(c *gin.Context, v any) error { return readOptionalJSON(c, v, false) }

// ReadOptionalStrictJSON is like ReadOptionalJSON, and as strict as ReadStrictJSON.
func ReadOptionalStrictJSON(c *gin.Context, v any) error { return readOptionalJSON(c, v, true) }

func readOptionalJSON(c *gin.Context, v any, strict bool) error {
	text, err := readBody(c)
	if err != nil || len(text) == 0 {
		return err
	}
	return decode(text, v, strict)
}

// ReadStrictJSON is like ReadJSON, but rejects fields that v does not have, and a body
// without a field that v always has: one whose tag does not say omitempty.
func ReadStrictJSON(c *gin.Context, v any) error { return readJSON(c, v, true) }

func readJSON(c *gin.Context, v any, strict bool) error {
	text, err := readBody(c)
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return api.Errorf(api.CodeInvalidRequest, "the body is empty; send a JSON object such as GET /openapi.json describes")
	}
	return decode(text, v, strict)
}

// decode decodes text, which must be exactly one JSON value.
func decode(text []byte, v any, strict bool) error {
	err := unmarshal(text, v, strict)
	var problem *api.Error
	switch {
	case errors.As(err, &problem): // of a type that limits itself
		return problem
	case err != nil:
		return api.Errorf(api.CodeInvalidRequest, "%s", explainJSON(err))
	}
	if !strict {
		return nil
	}
	if name := missing(text, reflect.TypeOf(v).Elem()); name != "" {
		return api.Errorf(api.CodeInvalidRequest, "%q is missing; GET /openapi.json describes the body", name)
	}
	return nil
}

// missing returns the first field that a struct of the type always has and a JSON
// object does not, such as "box.x"; or "". It looks into structs, not into lists.
func missing(text []byte, t reflect.Type) string {
	var fields map[string]json.RawMessage
	if t.Kind() != reflect.Struct || json.Unmarshal(text, &fields) != nil {
		return ""
	}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		value, ok := fields[name]
		switch {
		case strings.Contains(options, "omitempty"):
			continue
		case !ok || string(value) == "null":
			return name
		}
		if inner := missing(value, t.Field(i).Type); inner != "" {
			return name + "." + inner
		}
	}
	return ""
}

// unmarshal is json.Unmarshal, which rejects unknown fields if strict.
func unmarshal(text []byte, v any, strict bool) error {
	if !strict {
		return json.Unmarshal(text, v)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	// A Decoder passes over what follows the value, and does not say where a text is
	// cut off. Unmarshal does.
	if errors.Is(err, io.ErrUnexpectedEOF) || len(bytes.TrimSpace(text[d.InputOffset():])) > 0 {
		return cmp.Or(json.Unmarshal(text, new(json.RawMessage)), err)
	}
	return err
}

// explainJSON describes a decoding error for the author of the body.
func explainJSON(err error) string {
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("the body is not JSON: %v (at byte %d)", err, syntax.Offset)
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return fmt.Sprintf("%q must be %s, not a JSON %s", wrongType.Field, nameType(wrongType.Type), wrongType.Value)
	case errors.As(err, &wrongType):
		return fmt.Sprintf("the body must be a JSON object, not a JSON %s", wrongType.Value)
	default: // such as an unknown field
		return Shorten(strings.TrimPrefix(err.Error(), "json: "))
	}
}

// nameType names a Go type as JSON does.
func nameType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct:
		var fields []string
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			fields = append(fields, strconv.Quote(name))
		}
		return "an object with " + strings.Join(fields, ", ")
	default:
		return "a whole number"
	}
}

// PathID parses the id in a request's path. what names the kind of thing for the
// error, such as "an image".
func PathID(c *gin.Context, what string) (int64, error) { return PathParam(c, "id", what) }

// PathParam is like PathID for an id of another name.
func PathParam(c *gin.Context, name, what string) (int64, error) {
	id, err := strconv.ParseInt(c.Param(name), 10, 64)
	if err != nil || id < 1 {
		return 0, api.Errorf(api.CodeInvalidRequest, "%q is not the id of %s; ids are whole numbers from 1 on", Shorten(c.Param(name)), what)
	}
	return id, nil
}

// ReadFlag parses a query parameter that is true or false. Without a value it is
// false.
func ReadFlag(c *gin.Context, name string) (bool, error) {
	switch v := c.Query(name); v {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, api.Errorf(api.CodeInvalidRequest, "%q must be true or false, not %q", name, Shorten(v))
	}
}

// ReadIfMatch returns the ETag that a request's If-Match names, without quotes;
// anything is true for "*". A proxy that compresses makes an ETag weak: it still names the
// version. Without the header, or with an empty ETag, there is an error.
func ReadIfMatch(c *gin.Context) (tag string, anything bool, err error) {
	header := strings.TrimSpace(c.GetHeader("If-Match"))
	switch tag = strings.Trim(strings.TrimPrefix(header, "W/"), `"`); {
	case header == "":
		return "", false, api.Errorf(api.CodePreconditionRequired,
			"send the header If-Match with the ETag of what you have seen, or * to change it whatever it is now")
	case header == "*":
		return "", true, nil
	case tag == "":
		return "", false, api.Errorf(api.CodeStale, "the ETag in If-Match is empty; read again what you want to change")
	}
	return tag, false, nil
}

// ReadPage parses the page of a list: after, the last id of the previous page, and
// limit, the number of entries. what names the kind of thing for the error, such as
// "an image".
func ReadPage(c *gin.Context, what string) (after int64, limit int, err error) {
	if v := c.Query("after"); v != "" {
		if after, err = strconv.ParseInt(v, 10, 64); err != nil || after < 0 {
			return 0, 0, api.Errorf(api.CodeInvalidRequest, `"after" must be the id of %s`, what)
		}
	}
	if limit, err = ReadLimit(c); err != nil {
		return 0, 0, err
	}
	return after, limit, nil
}

// ReadLimit parses the number of entries of a page, for lists whose ids are no numbers.
func ReadLimit(c *gin.Context) (limit int, err error) {
	v := c.Query("limit")
	if v == "" {
		return defaultPage, nil
	}
	if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > maxPage {
		return 0, api.Errorf(api.CodeInvalidRequest, `"limit" must be a number between 1 and %d`, maxPage)
	}
	return limit, nil
}

// CutPage cuts a list that was read with limit+1 entries to limit entries. next is
// the after of the next page, or nil on the last page.
func CutPage[T any](list []T, limit int, id func(T) int64) (page []T, next *int64) {
	if len(list) <= limit {
		return list, nil
	}
	last := id(list[limit-1])
	return list[:limit], &last
}

// maxRepeated is the maximum length of a text of the client in an answer, in
// characters.
const maxRepeated = 200

// Shorten shortens a text of the client that the answer repeats, so that the answer
// is not as long as the request.
func Shorten(text string) string { return faces.Truncate(text, maxRepeated) }
