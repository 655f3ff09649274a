package reference_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/reference"
)

func get(t *testing.T, p *reference.Page, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/docs", nil)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	p.ServeHTTP(rec, req)
	return rec
}

func TestShowsEveryOperationAndSchema(t *testing.T) {
	t.Parallel()
	page, err := reference.Render(api.Document())
	if err != nil {
		t.Fatal(err)
	}
	rec := get(t, page)
	body := rec.Body.String()
	var doc struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(api.Document(), &doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths {
		for _, text := range item {
			var o struct{ OperationID string }
			_ = json.Unmarshal(text, &o) // the parameters of all operations are a list
			if o.OperationID != "" && !strings.Contains(body, `<article id="`+o.OperationID+`">`) {
				t.Errorf("%s: %s is missing", path, o.OperationID)
			}
		}
	}
	for name := range doc.Components.Schemas {
		if !strings.Contains(body, `<article id="schema-`+name+`">`) {
			t.Errorf("the schema %s is missing", name)
		}
	}
	checkLinks(t, body)
}

// checkLinks checks that every link leads to a section of the page or to the
// document, and that the page loads nothing.
func checkLinks(t *testing.T, body string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	ids, links := map[string]bool{}, map[string]bool{}
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			switch a.Key {
			case "id":
				if ids[a.Val] {
					t.Errorf("two sections have the id %s", a.Val)
				}
				ids[a.Val] = true
			case "href":
				links[a.Val] = true
			case "src":
				t.Errorf("the page loads %s", a.Val)
			}
		}
	}
	// The one page elsewhere is in the repository; nobody needs it to read this one.
	examples := "https://github.com/rollcall-faces/rollcall/blob/main/docs/examples.md"
	if !links[examples] {
		t.Errorf("no link leads to the examples")
	}
	delete(links, examples)
	for link := range links {
		if id, ok := strings.CutPrefix(link, "#"); ok && !ids[id] || !ok && link != "openapi.json" {
			t.Errorf("the link %s leads nowhere", link)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	page, err := reference.Render(api.Document())
	if err != nil {
		t.Fatal(err)
	}
	rec := get(t, page)
	if policy := rec.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if again := get(t, page, "If-None-Match", rec.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("with its ETag: %d", again.Code)
	}
}

func TestRefusesWhatIsNoDocument(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no JSON":         `openapi`,
		"an unknown tag":  `{"paths":{"/a":{"get":{"tags":["x"]}}}}`,
		"a lost response": `{"tags":[{"name":"x"}],"paths":{"/a":{"get":{"tags":["x"],"responses":{"200":{"$ref":"#/components/responses/No"}}}}}}`,
		"a lost schema":   `{"components":{"schemas":{"A":{"$ref":"#/components/schemas/B"}}}}`,
	} {
		if _, err := reference.Render([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestEscapes(t *testing.T) {
	t.Parallel()
	page, err := reference.Render([]byte("{\"info\":{\"title\":\"<b>x\",\"description\":\"`<i>` <u>\"}}"))
	if err != nil {
		t.Fatal(err)
	}
	body := get(t, page).Body.String()
	for _, raw := range []string{"<b>", "<i>", "<u>"} {
		if strings.Contains(body, raw) {
			t.Errorf("%s is not escaped", raw)
		}
	}
}
