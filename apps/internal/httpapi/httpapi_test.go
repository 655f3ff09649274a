package httpapi_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

var quiet = slog.New(slog.DiscardHandler)

// serve returns a server with one route, GET or POST /, and its address.
func serve(t *testing.T, opts httpapi.Options, h gin.HandlerFunc) string {
	t.Helper()
	opts.Log, opts.Registry = quiet, prometheus.NewRegistry()
	e := httpapi.New(opts)
	e.GET("/", h)
	e.POST("/", h)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return server.URL
}

func send(t *testing.T, method, address, body string) (status int, text string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, string(answer), err
}

func TestBody(t *testing.T) {
	t.Parallel()
	cause := errors.New("SELECT secret")
	for name, c := range map[string]struct {
		err  error
		want api.ErrorBody
	}{
		"of the domain": {faces.Errorf(faces.CodeInvalid, "bad %s", "path").WithCause(cause), api.ErrorBody{Code: api.CodeInvalidRequest, Message: "bad path"}},
		"of the API":    {api.Errorf(api.CodeForbidden, "no"), api.ErrorBody{Code: api.CodeForbidden, Message: "no"}},
		"missing":       {faces.Errorf(faces.CodeMissing, "there is no image 1"), api.ErrorBody{Code: api.CodeNotFound, Message: "there is no image 1"}},
		// A picture without a file is no missing resource of the API.
		"a picture's fault": {faces.Fault(faces.NotFound, "no file"), api.ErrorBody{Code: api.CodeInternal, Message: "internal error"}},
		"foreign":           {cause, api.ErrorBody{Code: api.CodeInternal, Message: "internal error"}},
	} {
		if got := httpapi.Body(c.err); !cmp.Equal(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	t.Run("before an answer", func(t *testing.T) {
		t.Parallel()
		status, text, err := send(t, http.MethodGet, serve(t, httpapi.Options{}, func(*gin.Context) { panic("secret") }), "")
		if err != nil {
			t.Fatal(err)
		}
		var body api.ErrorResponse
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if status != http.StatusInternalServerError || body.Error.Code != api.CodeInternal || strings.Contains(text, "secret") {
			t.Errorf("got %d %s", status, text)
		}
	})
	t.Run("in the middle of an answer", func(t *testing.T) {
		t.Parallel()
		status, text, err := send(t, http.MethodGet, serve(t, httpapi.Options{}, func(c *gin.Context) {
			c.String(http.StatusOK, "half")
			c.Writer.Flush()
			panic("secret")
		}), "")
		if err == nil {
			t.Errorf("the client takes %d %q for a whole answer", status, text)
		}
		if strings.Contains(text, "error") {
			t.Errorf("a second answer is behind the first: %s", text)
		}
	})
}

func TestReadJSON(t *testing.T) {
	t.Parallel()
	type body struct {
		Name string `json:"name"`
		N    int64  `json:"n"`
		Yes  bool   `json:"yes"`
		Box  struct {
			X int `json:"x"`
		} `json:"box"`
		Note *string `json:"note,omitempty"`
	}
	for _, tt := range []struct {
		name, sent string
		read       func(*gin.Context, any) error
		want       string // the message of the error, in part; empty: none
	}{
		{"an object", ` {"name":"Ada"} `, httpapi.ReadJSON, ""},
		{"an unknown field", `{"nam":"Ada"}`, httpapi.ReadJSON, ""},
		{"an unknown field, strictly", `{"nam":"Ada"}`, httpapi.ReadStrictJSON, `unknown field "nam"`},
		{"everything, strictly", `{"name":"","n":0,"yes":false,"box":{"x":0}}`, httpapi.ReadStrictJSON, ""},
		{"without a number, strictly", `{"name":"Ada","yes":true,"box":{"x":0}}`, httpapi.ReadStrictJSON, `"n" is missing`},
		{"without a number in an object, strictly", `{"name":"Ada","n":1,"yes":true,"box":{}}`, httpapi.ReadStrictJSON, `"box.x" is missing`},
		{"null as a number, strictly", `{"name":"Ada","n":null,"yes":true,"box":{"x":0}}`, httpapi.ReadStrictJSON, `"n" is missing`},
		{"nothing", "\n", httpapi.ReadJSON, "the body is empty"},
		{"nothing, strictly", "", httpapi.ReadStrictJSON, "the body is empty"},
		{"nothing, which is allowed", " ", httpapi.ReadOptionalJSON, ""},
		{"something that may be left out", `{"n":"1"}`, httpapi.ReadOptionalJSON, `"n" must be a whole number, not a JSON string`},
		{"two values", `{} {}`, httpapi.ReadJSON, "the body is not JSON"},
		{"two values, strictly", `{} {}`, httpapi.ReadStrictJSON, "the body is not JSON"},
		{"half", `{"name":`, httpapi.ReadOptionalJSON, "the body is not JSON"},
		{"a list", `[]`, httpapi.ReadJSON, "must be a JSON object"},
		{"a number as a name", `{"name":1}`, httpapi.ReadJSON, `"name" must be a string, not a JSON number`},
		{"a number as an answer", `{"yes":1}`, httpapi.ReadJSON, `"yes" must be true or false`},
		{"not UTF-8", "{\"name\":\"\xff\"}", httpapi.ReadJSON, "not UTF-8"},
		{"too much", `{"name":"` + strings.Repeat("x", 100) + `"}`, httpapi.ReadJSON, "larger than 100 bytes"},
		{"too much space", strings.Repeat(" ", 101), httpapi.ReadOptionalJSON, "larger than 100 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := serve(t, httpapi.Options{MaxBody: 100}, httpapi.Handle(quiet, func(c *gin.Context) error {
				if err := tt.read(c, new(body)); err != nil {
					return err
				}
				c.Status(http.StatusNoContent)
				return nil
			}))
			status, text, err := send(t, http.MethodPost, address, tt.sent)
			if err != nil {
				t.Fatal(err)
			}
			var answer api.ErrorResponse
			if tt.want != "" {
				if err := json.Unmarshal([]byte(text), &answer); err != nil {
					t.Fatalf("%v in %q", err, text)
				}
			}
			if (status == http.StatusNoContent) != (tt.want == "") || !strings.Contains(answer.Error.Message, tt.want) {
				t.Errorf("got %d %s, want %q", status, text, tt.want)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	address := serve(t, httpapi.Options{Timeout: time.Millisecond}, func(c *gin.Context) {
		<-c.Request.Context().Done()
		c.Status(http.StatusNoContent)
	})
	if status, text, err := send(t, http.MethodGet, address, ""); err != nil || status != http.StatusNoContent {
		t.Errorf("got %d %s, %v", status, text, err)
	}
}
