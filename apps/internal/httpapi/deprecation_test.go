package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

// deprecating is a document in which something goes away.
const deprecating = `{
	"paths": {
		"/old": {"get": {"operationId": "getOld", "deprecated": true, "x-deprecated": "2026-12-01", "x-sunset": "2027-06-01"}, "post": {"operationId": "postOld"}},
		"/things/{id}": {
			"parameters": [{"name": "id", "in": "path"}],
			"get": {"operationId": "getThing", "parameters": [
				{"name": "page", "in": "query", "deprecated": true, "x-deprecated": "2026-12-02", "x-sunset": "2027-06-02"},
				{"$ref": "#/components/parameters/Size"}, {"name": "after", "in": "query"}]}
		}
	},
	"components": {"parameters": {"Size": {"name": "size", "in": "query", "deprecated": true, "x-deprecated": "2026-12-03", "x-sunset": "2027-05-03"}}}
}`

func TestDeprecated(t *testing.T) {
	t.Parallel()
	documented, err := api.Deprecations([]byte(deprecating))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string][]api.Deprecation{}
	for operation, list := range documented {
		known[strings.NewReplacer("{", ":", "}", "").Replace(operation)] = list
	}
	e := httpapi.New(httpapi.Options{Log: quiet, Registry: prometheus.NewRegistry()})
	e.Use(httpapi.Deprecated(known, "/base/docs"))
	answer := func(c *gin.Context) { c.Status(http.StatusNoContent) }
	e.GET("/old", answer)
	e.POST("/old", answer)
	e.GET("/things/:id", answer)
	const link = `; rel="deprecation"; type="text/html"`
	for _, tt := range []struct {
		method, path string
		want         []string // Deprecation, Sunset, Link
	}{
		{"GET", "/old", []string{"@1796083200", "Tue, 01 Jun 2027 00:00:00 GMT", "</base/docs#getOld>" + link}},
		{"POST", "/old", []string{"", "", ""}},
		{"GET", "/things/7", []string{"", "", ""}},
		{"GET", "/things/7?after=3", []string{"", "", ""}},
		{"GET", "/things/7?page=3", []string{"@1796169600", "Wed, 02 Jun 2027 00:00:00 GMT", "</base/docs#getThing>" + link}},
		{"GET", "/things/7?page=3&size=", []string{"@1796256000", "Mon, 03 May 2027 00:00:00 GMT", "</base/docs#getThing>" + link}},
		{"GET", "/nothing", []string{"", "", ""}},
	} {
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), tt.method, "http://127.0.0.1"+tt.path, nil))
		h := rec.Header()
		if diff := cmp.Diff(tt.want, []string{h.Get("Deprecation"), h.Get("Sunset"), h.Get("Link")}); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.method, tt.path, diff)
		}
	}
}

func TestDeprecationsNeedTheirDays(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]string{
		"no day":              `"deprecated": true`,
		"no sunset":           `"deprecated": true, "x-deprecated": "2026-12-01"`,
		"a sunset before":     `"deprecated": true, "x-deprecated": "2026-12-01", "x-sunset": "2026-11-01"`,
		"no day at all":       `"deprecated": true, "x-deprecated": "soon", "x-sunset": "2027-11-01"`,
		"a header":            `"parameters": [{"name": "X", "in": "header", "deprecated": true, "x-deprecated": "2026-12-01", "x-sunset": "2027-11-01"}]`,
		"a parameter, no day": `"parameters": [{"name": "x", "in": "query", "deprecated": true}]`,
	} {
		if _, err := api.Deprecations([]byte(`{"paths": {"/a": {"get": {` + part + `}}}}`)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
