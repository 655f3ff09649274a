package frontend

import (
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"path"

	"github.com/gin-gonic/gin"
)

// asset is one static file. Its URL carries a digest of its content, so that
// browsers can cache it for ever and still get the next version.
type asset struct {
	content     []byte
	zipped      []byte // the same as gzip; nil if that is not smaller
	contentType string
	digest      string
	url         string
}

// loadAssets reads the embedded files, by name.
func loadAssets() (map[string]asset, error) {
	entries, err := files.ReadDir("static")
	if err != nil {
		return nil, err
	}
	assets := make(map[string]asset, len(entries))
	for _, e := range entries {
		content, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		digest := hex.EncodeToString(sum[:6])
		small, err := zipped(content)
		if err != nil {
			return nil, err
		}
		assets[e.Name()] = asset{
			content: content, zipped: small, contentType: contentType(e.Name()), digest: digest,
			url: "/static/" + e.Name() + "?v=" + digest,
		}
	}
	return assets, nil
}

// contentType does not use the machine's MIME table: a slim container has a
// short one, and browsers ignore a style sheet without its type.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return mime.TypeByExtension(path.Ext(name))
	}
}

// static answers with a static file.
func (s *Server) static(c *gin.Context) {
	a, ok := s.assets[c.Param("name")]
	if !ok {
		s.problem(c, pageMissing())
		return
	}
	content, tag := a.content, `"`+a.digest+`"`
	c.Header("Vary", "Accept-Encoding")
	if a.zipped != nil && acceptsGzip(c.Request) {
		content, tag = a.zipped, `"`+a.digest+`-gzip"`
		c.Header("Content-Encoding", "gzip")
	}
	c.Header("ETag", tag)
	c.Header("Cache-Control", "no-cache")
	if c.Query("v") == a.digest {
		// Only this version may be cached: during a rollout, a browser may ask
		// for the file of another one.
		c.Header("Cache-Control", "public, max-age=31536000, immutable")
	}
	if c.GetHeader("If-None-Match") == tag {
		c.Status(http.StatusNotModified)
		return
	}
	c.Data(http.StatusOK, a.contentType, content)
}
