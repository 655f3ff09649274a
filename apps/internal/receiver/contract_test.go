package receiver_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/compreface"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

// contract is the OpenAPI document, and what finds an operation in it.
type contract struct {
	doc    *openapi3.T
	router routers.Router
}

var document = sync.OnceValues(func() (contract, error) {
	openapi3filter.RegisterBodyDecoder("image/jpeg", openapi3filter.FileBodyDecoder)
	doc, err := openapi3.NewLoader().LoadFromData(api.Document())
	if err != nil {
		return contract{}, err
	}
	doc.Servers = nil                    // the router would look for the host "/"
	router, err := legacy.NewRouter(doc) // it validates the document and its examples
	return contract{doc, router}, err
})

func theContract(t *testing.T) contract {
	t.Helper()
	c, err := document()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkExchange compares a request and its answer with the document. A request
// that was accepted must be one that the document allows, but for the entries of
// a bulk post that were refused.
func checkExchange(t *testing.T, req *http.Request, sent string, a answer) {
	t.Helper()
	input, ok := find(t, req, a)
	if !ok {
		return
	}
	if a.code < http.StatusMultipleChoices && !hasEmptyFilter(req) && !bytes.Contains(a.body, []byte(`"error":{`)) {
		if body := input.Route.Operation.RequestBody; body == nil || body.Value.Content.Get(req.Header.Get("Content-Type")) == nil {
			req.Header.Set("Content-Type", "application/json") // another type does not matter to the receiver
		}
		req.Body = io.NopCloser(strings.NewReader(sent))
		if err := openapi3filter.ValidateRequest(t.Context(), input); err != nil {
			t.Errorf("the receiver took what the document forbids: %s %s %s: %v", req.Method, req.URL, sent, err)
		}
	}
	checkAnswer(t, input, a)
}

// find returns the operation of a request. It is not ok for a request that the
// document does not have, which must have been refused.
func find(t *testing.T, req *http.Request, a answer) (*openapi3filter.RequestValidationInput, bool) {
	t.Helper()
	route, params, err := theContract(t).router.FindRoute(req)
	if err == nil {
		// Keys are the business of TestRoutesNeedTheirScopes.
		noKeys := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
		return &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route, Options: noKeys}, true
	}
	switch a.code {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusForbidden: // the callers check its shape
	default:
		t.Errorf("%s %s is not in the document, but was answered with %d", req.Method, req.URL.Path, a.code)
	}
	return nil, false
}

// checkAnswer compares an answer with the document.
func checkAnswer(t *testing.T, input *openapi3filter.RequestValidationInput, a answer) {
	t.Helper()
	err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: a.code, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		t.Errorf("%s %s: the answer is not as the document says: %v\n%s", input.Request.Method, input.Request.URL, err, a.body)
	}
}

// hasEmptyFilter reports whether a query has a filter without a value. The
// receiver takes it for one that is not given, which OpenAPI cannot say.
func hasEmptyFilter(req *http.Request) bool {
	for _, values := range req.URL.Query() {
		if slices.Contains(values, "") {
			return true
		}
	}
	return false
}

var pathParameter = regexp.MustCompile(`:(\w+)`)

func TestRoutesAreDocumented(t *testing.T) {
	t.Parallel()
	var served, documented []string
	for _, r := range handler(newStore(t), nowhere{}, options()).(httpapi.Lenient).Routes() {
		if compreface.Owns(r.Path) { // another contract: TestCallersRoutesAreDocumented
			continue
		}
		served = append(served, r.Method+" "+pathParameter.ReplaceAllString(r.Path, "{$1}"))
	}
	for path, item := range theContract(t).doc.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(documented)
	if diff := cmp.Diff(documented, served); diff != "" {
		t.Errorf("routes (-documented +served):\n%s", diff)
	}
}

func TestDocumentIsServed(t *testing.T) {
	t.Parallel()
	got := serve(t, newStore(t), nowhere{}).get("/openapi.json").expect(http.StatusOK)
	if !bytes.Equal(got.body, api.Document()) {
		t.Error("another document is served")
	}
}

// Everything that has a meaning in the domain has its name in the document.
func TestEnumerations(t *testing.T) {
	t.Parallel()
	names := func(list []faces.Reason) (out []string) {
		for _, r := range list {
			out = append(out, string(r))
		}
		return out
	}
	for schema, want := range map[string][]string{
		"Status":           {faces.Pending.String(), faces.Processing.String(), faces.Processed.String(), faces.Failed.String()},
		"Reason":           append(names(faces.Reasons()), string(faces.NoReason)),
		"FaceReason":       names(faces.FaceReasons()),
		"Says":             append([]string{"is", "is_not"}, texts(faces.SaysIgnore, faces.SaysNoFace, faces.SaysDrawn)...),
		"ImageRescanState": {string(faces.RescanWaiting), string(faces.RescanFailed)},
		"JobCause":         texts(history.CauseRequest, history.CauseKnown, history.CauseModel, history.CauseTrial),
		"RematchScope":     texts(history.ScopeFull, history.ScopeAdded, history.ScopeTouched, ""),
		"RematchState": texts(
			history.Requested, history.Running, history.Ready, history.Applying, history.Applied,
			history.Undoing, history.Undone, history.Outdated, history.Failed,
		),
		"RescanState": texts(
			history.RescanWaiting, history.RescanRunning, history.RescanPaused, history.RescanFinished, history.RescanCancelled, history.RescanSuperseded,
		),
		"RescanResultState": texts(history.ResultChanged, history.ResultFailed),
	} {
		if diff := cmp.Diff(want, enumeration(t, schema)); diff != "" {
			t.Errorf("%s (-domain +document):\n%s", schema, diff)
		}
	}
}

// texts returns values of one string type as strings.
func texts[S ~string](values ...S) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

func enumeration(t *testing.T, schema string) []string {
	t.Helper()
	ref := theContract(t).doc.Components.Schemas[schema]
	if ref == nil {
		t.Fatalf("there is no schema %s", schema)
	}
	var values []string
	for _, v := range ref.Value.Enum {
		values = append(values, v.(string))
	}
	return values
}

func TestErrorCodesHaveAStatus(t *testing.T) {
	t.Parallel()
	description := theContract(t).doc.Components.Schemas["ErrorCode"].Value.Description
	for _, code := range enumeration(t, "ErrorCode") {
		if want := fmt.Sprintf("`%s` (%d):", code, httpapi.StatusOf(api.ErrorCode(code))); !strings.Contains(description, want) {
			t.Errorf("the description of the codes does not have %s", want)
		}
	}
}

// Every field tells people what it is.
func TestEverythingIsDescribed(t *testing.T) {
	t.Parallel()
	for name, ref := range theContract(t).doc.Components.Schemas {
		if ref.Value.Description == "" {
			t.Errorf("%s has no description", name)
		}
		schemas := append(openapi3.SchemaRefs{ref}, ref.Value.AllOf...)
		for _, s := range schemas {
			for field, property := range s.Value.Properties {
				if property.Value.Description == "" {
					t.Errorf("%s.%s has no description", name, field)
				}
			}
		}
	}
}

// Whatever the document deprecates is answered with the headers that say so, and nothing
// else is.
func TestDeprecationsAreSent(t *testing.T) {
	t.Parallel()
	c := serve(t, newStore(t), nowhere{})
	documented, err := api.Deprecations(api.Document())
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range theContract(t).doc.Paths.Map() {
		for method := range item.Operations() {
			want := slices.ContainsFunc(documented[method+" "+path], func(d api.Deprecation) bool { return d.Parameter == "" })
			req, err := http.NewRequestWithContext(t.Context(), method, c.url+strings.NewReplacer("{", "", "}", "").Replace(path), nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if got := res.Header.Get("Deprecation") != "" && res.Header.Get("Sunset") != "" && res.Header.Get("Link") != ""; got != want {
				t.Errorf("%s %s has the headers: %v, want %v", method, path, got, want)
			}
		}
	}
}
