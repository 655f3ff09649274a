package frontend

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"math/big"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

const (
	// pageLevel is how hard pages are compressed: a page takes about a millisecond.
	pageLevel = 5
	// leastCompressed is the size from which compressing is worth it, in bytes.
	leastCompressed = 1 << 10
	// mostPadding is the most that is added to the length of a page, in bytes.
	mostPadding = 64
)

// zipped returns a text as gzip, as small as it gets; nil if that is no gain.
func zipped(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if len(text) < leastCompressed || out.Len() >= len(text) {
		return nil, nil
	}
	return out.Bytes(), nil
}

// acceptsGzip reports whether a browser takes gzip.
func acceptsGzip(r *http.Request) bool {
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			_, q, has := strings.Cut(weight, "=")
			n, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
			return !has || err == nil && n > 0
		}
	}
	return false
}

// isOurs reports whether a request comes from a page of the dashboard, or from somebody who
// typed its address. Browsers say so, and no page can make them say it for its own requests.
// A page shows names beside what its address asks for, such as the text of a search. If
// foreign pages could open addresses of their choice here, and the answers were compressed,
// then whoever can see the lengths on the way could guess names letter by letter (the attack
// BREACH). So the answers to their requests are not compressed.
func isOurs(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "same-origin" || site == "none"
}

// writeHTML writes a page, compressed if that is safe.
func (s *Server) writeHTML(c *gin.Context, code int, html []byte) {
	const kind = "text/html; charset=utf-8"
	c.Header("Cache-Control", "no-store") // it contains names of people
	c.Writer.Header().Add("Vary", "Accept-Encoding, Sec-Fetch-Site")
	if len(html) < leastCompressed || !acceptsGzip(c.Request) || !isOurs(c.Request) {
		c.Data(code, kind, html)
		return
	}
	var out bytes.Buffer
	w, _ := s.zips.Get().(*gzip.Writer)
	defer s.zips.Put(w)
	w.Reset(&out)
	w.Name = padding() // lengths tell less
	_, err := w.Write(html)
	if err == nil {
		err = w.Close()
	}
	if err != nil { // never, into memory
		c.Data(code, kind, html)
		return
	}
	c.Header("Content-Encoding", "gzip")
	c.Data(code, kind, out.Bytes())
}

// newZip makes a writer for the pool.
func newZip() any {
	w, err := gzip.NewWriterLevel(nil, pageLevel)
	if err != nil {
		panic(err) // the level is wrong: the code is broken
	}
	return w
}

// padding returns a text of a random length.
func padding() string {
	n, err := rand.Int(rand.Reader, big.NewInt(mostPadding))
	if err != nil {
		return ""
	}
	return strings.Repeat("-", int(n.Int64()))
}
