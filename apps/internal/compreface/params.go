package compreface

import (
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

// params are the parameters of a request: those of its query, then those of its form.
type params map[string]string

// secondMark finds a question mark in a query that begins another parameter. The
// JavaScript SDK writes ?subject=X?det_prob_threshold=0.8.
var secondMark = regexp.MustCompile(`\?(det_prob_threshold|detect_faces|face_plugins|limit|page|prediction_count|size|status|subject)=`)

// queryOf returns the parameters of a query. It takes what is malformed as it is.
func queryOf(raw string) params {
	p := params{}
	for part := range strings.SplitSeq(secondMark.ReplaceAllString(raw, "&$1="), "&") {
		name, value, _ := strings.Cut(part, "=")
		if text, err := url.QueryUnescape(value); err == nil {
			value = text
		}
		p.add(name, value)
	}
	return p
}

// add adds a parameter, unless there is one of this name.
func (p params) add(name, value string) {
	if _, there := p[name]; !there && name != "" {
		p[name] = value
	}
}

// get returns a parameter. What a program sends for one that it does not have counts
// as none.
func (p params) get(name string) string {
	switch v := strings.TrimSpace(p[name]); v {
	case "undefined", "null", "None":
		return ""
	default:
		return v
	}
}

// subject returns the name of a person in the parameters. It is taken by its letters:
// somebody may be called None.
func (p params) subject() string { return strings.TrimSpace(p["subject"]) }

// endsWithSlash reports whether the address that the client sent ends with a slash:
// an id or a name is missing there. The server takes the slash away before it looks
// for the route.
func endsWithSlash(c *gin.Context) bool {
	sent, err := url.ParseRequestURI(c.Request.RequestURI)
	return err != nil || strings.HasSuffix(sent.Path, "/")
}

// number returns a whole number of at least least, or def.
func (p params) number(name string, def, least int) (int, error) {
	text := p.get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least {
		return 0, problemf(codeInvalid, "%s must be a whole number of at least %d, not %q", name, least, httpapi.Shorten(text))
	}
	return n, nil
}

// flag returns a parameter that is true or false.
func (p params) flag(name string) bool { return strings.EqualFold(p.get(name), "true") }

// question is what a request wants to know about a picture.
type question struct {
	limit       int     // faces, largest first; 0 is all
	predictions int     // people per face
	detection   float64 // least score of the detector
	landmarks   bool
	embedding   bool
	status      bool // how long it took, and by what
}

// question reads the parameters of a request about a picture. Plugins that are not
// known are passed over.
func (p params) question() (q question, err error) {
	if q.limit, err = p.number("limit", 0, 0); err != nil {
		return q, err
	}
	if q.predictions, err = p.number("prediction_count", 1, 1); err != nil {
		return q, err
	}
	if text := p.get("det_prob_threshold"); text != "" {
		q.detection, err = strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(q.detection) || q.detection < 0 || q.detection > 1 {
			return q, problemf(codeInvalid, "det_prob_threshold must be a number from 0 to 1, not %q", httpapi.Shorten(text))
		}
	}
	for plugin := range strings.SplitSeq(p.get("face_plugins"), ",") {
		switch strings.TrimSpace(plugin) {
		case "landmarks":
			q.landmarks = true
		case "calculator":
			q.embedding = true
		}
	}
	q.status = p.flag("status")
	return q, nil
}
