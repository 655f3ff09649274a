package receiver

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"mime"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// A boundary of a length between these, in bytes, counts as the same as any other. The
// ones that clients make by chance are. A shorter one could be in a body millions of
// times, and each place would cost more than its bytes; RFC 2046 allows no longer ones.
const (
	shortestBoundary = 16
	longestBoundary  = 70
)

// bodyPrint makes the fingerprint of a body while it is read. Clients make a new
// boundary for each form, also when they repeat a request; so it counts as the same
// whatever it is.
type bodyPrint struct {
	hash     hash.Hash
	size     int64  // of what was hashed, in bytes
	boundary []byte // nil if the body is no form
	tail     []byte // a boundary may begin here
}

// anyBoundary stands for the boundary of a form.
var anyBoundary = sha256.Sum256([]byte("the boundary of a form"))

func newBodyPrint(boundary string) *bodyPrint {
	return &bodyPrint{hash: sha256.New(), boundary: []byte(boundary)}
}

// boundaryOf returns the boundary of a request's form, or "" if the body counts as it is.
func boundaryOf(r *http.Request) string {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return ""
	}
	if boundary := params["boundary"]; len(boundary) >= shortestBoundary && len(boundary) <= longestBoundary {
		return boundary
	}
	return ""
}

// Write implements io.Writer. It does not fail.
func (p *bodyPrint) Write(part []byte) (int, error) {
	if len(p.boundary) == 0 {
		p.add(part)
		return len(part), nil
	}
	text := append(p.tail, part...)
	for {
		at := bytes.Index(text, p.boundary)
		if at < 0 {
			break
		}
		p.add(text[:at])
		p.add(anyBoundary[:])
		text = text[at+len(p.boundary):]
	}
	whole := max(0, len(text)-len(p.boundary)+1)
	p.add(text[:whole])
	p.tail = append([]byte(nil), text[whole:]...)
	return len(part), nil
}

func (p *bodyPrint) add(part []byte) {
	_, _ = p.hash.Write(part) // never fails
	p.size += int64(len(part))
}

// sum returns the fingerprint and the size of the whole body.
func (p *bodyPrint) sum() (store.Fingerprint, int64) {
	p.add(p.tail)
	p.tail = nil
	return store.Fingerprint(p.hash.Sum(nil)), p.size
}

// heldAnswer holds an answer back until send. One that gets too long is passed on.
type heldAnswer struct {
	gin.ResponseWriter
	text   bytes.Buffer
	begun  bool
	passed bool
}

// Write implements http.ResponseWriter.
func (h *heldAnswer) Write(part []byte) (int, error) {
	h.begun = true
	if !h.passed && h.text.Len()+len(part) <= maxHeld {
		return h.text.Write(part)
	}
	h.passed = true
	h.send()
	return h.ResponseWriter.Write(part)
}

// WriteString implements gin.ResponseWriter.
func (h *heldAnswer) WriteString(part string) (int, error) { return h.Write([]byte(part)) }

// WriteHeaderNow implements gin.ResponseWriter.
func (h *heldAnswer) WriteHeaderNow() { h.begun = true }

// Written implements gin.ResponseWriter.
func (h *heldAnswer) Written() bool { return h.begun || h.ResponseWriter.Written() }

// Size implements gin.ResponseWriter.
func (h *heldAnswer) Size() int { return max(h.text.Len(), h.ResponseWriter.Size()) }

// Flush implements http.Flusher.
func (h *heldAnswer) Flush() {}

// send sends what was held back. The client may have gone.
func (h *heldAnswer) send() {
	if h.text.Len() > 0 {
		_, _ = h.ResponseWriter.Write(h.text.Bytes())
		h.text.Reset()
	} else if h.begun && !h.passed {
		h.ResponseWriter.WriteHeaderNow()
	}
}
