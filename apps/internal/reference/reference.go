// Package reference renders the OpenAPI document as one HTML page for people. The
// page needs no script and no other server.
//
//	page, err := reference.Render(api.Document())
//	mux.Handle("GET /docs", page)
package reference

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
)

//go:embed reference.html.tmpl
var layout string

//go:embed reference.css
var style string

// Page is a rendered reference. It serves itself.
type Page struct {
	html   []byte
	etag   string
	policy string // Content-Security-Policy
}

// Render renders an OpenAPI 3.1 document, as JSON. It fails if the document refers
// to something that it does not have.
func Render(openapi []byte) (*Page, error) {
	doc, err := read(openapi)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	t, err := template.New("reference").Funcs(template.FuncMap{
		"type": doc.typeOf, "words": words, "anchor": anchor, "properties": doc.propertiesOf, "limits": limits, "json": indented,
	}).Parse(layout)
	if err != nil {
		return nil, fmt.Errorf("parse the page's template: %w", err)
	}
	var html bytes.Buffer
	err = t.Execute(&html, struct {
		*document
		Style template.CSS
	}{doc, template.CSS(style)}) //nolint:gosec // the style is ours
	if err != nil {
		return nil, fmt.Errorf("render the reference: %w", err)
	}
	sum := sha256.Sum256(html.Bytes())
	styleSum := sha256.Sum256([]byte(style))
	return &Page{
		html: html.Bytes(), etag: strconv.Quote(hex.EncodeToString(sum[:8])),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(styleSum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}, nil
}

// ServeHTTP answers with the page.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", p.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.html))
}

// words renders the Markdown that descriptions have: `code`.
func words(text string) template.HTML {
	var html strings.Builder
	for i, part := range strings.Split(text, "`") {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		html.WriteString(part)
	}
	return template.HTML(html.String()) //nolint:gosec // each part is escaped
}

// anchor returns the id of a section of the page.
func anchor(parts ...string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		default:
			return '-'
		}
	}, strings.Join(parts, "-")), "-")
}
