package frontend

// This file owns the static files. A page names each with a digest of what is
// in it, so that browsers may keep it for ever and still see the next version.

import (
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"path"

	"github.com/gin-gonic/gin"
)

type asset struct {
	content     []byte
	contentType string
	digest      string
	url         string
}

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
		assets[e.Name()] = asset{
			content: content, contentType: contentType(e.Name()), digest: digest,
			url: "/static/" + e.Name() + "?v=" + digest,
		}
	}
	return assets, nil
}

// contentType does not ask the machine it runs on: a slim container knows few
// types, and a style sheet without its type is not applied.
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

func (s *Server) static(c *gin.Context) {
	a, ok := s.assets[c.Param("name")]
	if !ok {
		s.problem(c, pageMissing())
		return
	}
	c.Header("ETag", `"`+a.digest+`"`)
	c.Header("Cache-Control", "no-cache")
	if c.Query("v") == a.digest {
		// During a rollout another version may be asked for: that one is not kept.
		c.Header("Cache-Control", "public, max-age=31536000, immutable")
	}
	if c.GetHeader("If-None-Match") == `"`+a.digest+`"` {
		c.Status(http.StatusNotModified)
		return
	}
	c.Data(http.StatusOK, a.contentType, a.content)
}
