package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// receiver answers requests with what it is told, one after another, and
// repeats the last.
type receiver struct {
	answers []answer
	asked   []string // method, URL and body
	keys    []string // of idempotency
}

type answer struct {
	status int // 0: the connection breaks
	body   string
	header http.Header
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body := ""
	if req.Body != nil {
		text, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		body = " " + string(text)
	}
	r.asked = append(r.asked, req.Method+" "+req.URL.String()+body)
	r.keys = append(r.keys, req.Header.Get("Idempotency-Key"))
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	a := r.answers[min(len(r.asked), len(r.answers))-1]
	if a.status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	rec := httptest.NewRecorder()
	for name, values := range a.header {
		rec.Header()[name] = values
	}
	rec.WriteHeader(a.status)
	_, _ = rec.WriteString(a.body)
	res := rec.Result()
	res.Request = req
	return res, nil
}

// of returns a client of r.
func of(r *receiver, opts ...client.Option) *client.Client {
	return client.New("http://receiver:8000", append(opts, client.WithHTTPClient(&http.Client{Transport: r}))...)
}

const (
	unavailable = `{"error":{"code":"unavailable","message":"the database is away"},"request_id":"r1"}`
	accepted    = `{"id":4,"path":"/p/a.jpg","status":"pending","reason":"queued","person":null,"queued":true}`
)

func TestRequests(t *testing.T) {
	t.Parallel()
	r := &receiver{answers: []answer{{200, `{}`, nil}}}
	c := client.New("http://host/base/", client.WithHTTPClient(&http.Client{Transport: r}))
	ctx := t.Context()
	failed, limit, after := api.StatusFailed, 2, int64(7)
	calls := []func() error{
		func() error { _, err := c.PostImage(ctx, "a b.jpg"); return err },
		func() error {
			_, err := c.ListImages(ctx, api.ListImagesParams{Status: &failed, Limit: &limit, After: &after})
			return err
		},
		func() error { _, err := c.GetImage(ctx, 3); return err },
		func() error { _, err := c.ExcludeFace(ctx, 3, 1); return err },
		func() error { _, err := c.UndoCorrection(ctx, 5); return err },
		func() error { return c.DeleteImage(ctx, 5) },
		func() error { _, err := c.CreateRematch(ctx, api.RematchRequest{}); return err },
	}
	for _, call := range calls {
		if err := call(); err != nil {
			t.Error(err)
		}
	}
	want := []string{
		`POST http://host/base/image/post {"path":"a b.jpg"}`,
		`GET http://host/base/api/v1/images?status=failed&after=7&limit=2`,
		`GET http://host/base/api/v1/images/3`,
		`POST http://host/base/api/v1/faces/3/not-person {"person_id":1}`,
		`DELETE http://host/base/api/v1/corrections/5`,
		`DELETE http://host/base/api/v1/images/5`,
		`POST http://host/base/api/v1/rematches {}`,
	}
	if diff := cmp.Diff(want, r.asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestBulkPost(t *testing.T) {
	t.Parallel()
	refused := `{"path":"../b.jpg","error":{"code":"path_not_allowed","message":"no"}}`
	got, err := of(&receiver{answers: []answer{{202, `{"images":[` + accepted + `,` + refused + `]}`, nil}}}).
		PostImages(t.Context(), "a.jpg", "../b.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if got[0].ID != 4 || !got[0].Queued || !got[0].Waits() || got[0].Error != nil {
		t.Errorf("accepted: %+v", got[0])
	}
	if got[1].ID != 0 || got[1].Path != "../b.jpg" || got[1].Error == nil || got[1].Error.Code != api.CodePathNotAllowed {
		t.Errorf("refused: %+v", got[1])
	}
	if _, err := of(&receiver{answers: []answer{{202, `{"images":[]}`, nil}}}).PostImages(t.Context(), "a.jpg"); err == nil {
		t.Error("no entry for a path is no error")
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer answer
		want   *api.Error // nil: the error is another one
		text   string
	}{
		{
			"of Rollcall", answer{503, unavailable, http.Header{"Retry-After": {"2"}}},
			&api.Error{Code: api.CodeUnavailable, Message: "the database is away", Status: 503, RequestID: "r1", RetryAfter: 2 * time.Second},
			"GET /api/v1/images/1: 503 Service Unavailable: the database is away",
		},
		{
			"of a proxy", answer{502, "<html>bad gateway</html>", nil}, &api.Error{Message: "<html>bad gateway</html>", Status: 502},
			"GET /api/v1/images/1: 502 Bad Gateway: <html>bad gateway</html>",
		},
		{"no JSON", answer{200, `{"id":`, nil}, nil, "GET /api/v1/images/1: read the answer: unexpected EOF"},
		{"no answer", answer{}, nil, `Get "http://receiver:8000/api/v1/images/1": unexpected EOF`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := of(&receiver{answers: []answer{tt.answer}}).GetImage(t.Context(), 1)
			if err == nil || err.Error() != tt.text {
				t.Errorf("got %v, want %s", err, tt.text)
			}
			var got *api.Error
			errors.As(err, &got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	down, gone := answer{503, unavailable, http.Header{"Retry-After": {"2"}}}, answer{}
	good, bad := answer{202, accepted, nil}, answer{400, `{"error":{"code":"invalid_request","message":"no"},"request_id":"r"}`, nil}
	underWay := answer{409, `{"error":{"code":"idempotency_key_in_use","message":"wait"},"request_id":"r"}`, http.Header{"Retry-After": {"2"}}}
	post := func(ctx context.Context, c *client.Client) error { _, err := c.PostImage(ctx, "a.jpg"); return err }
	create := func(ctx context.Context, c *client.Client) error {
		_, err := c.CreateRematch(ctx, api.RematchRequest{})
		return err
	}
	for _, tt := range []struct {
		name    string
		limit   time.Duration
		answers []answer
		call    func(context.Context, *client.Client) error
		asked   int
		status  int // of the error; 0: none
	}{
		{"until it works", time.Minute, []answer{down, gone, down, good}, post, 4, 0},
		{"not without the option", 0, []answer{down, good}, post, 1, 503},
		{"not what is wrong in itself", time.Minute, []answer{bad, good}, post, 1, 400},
		{"what must not be done twice", time.Minute, []answer{down, gone, underWay, good}, create, 4, 0},
		{"not for ever, and not sooner than the server says", 3 * time.Second, []answer{down}, post, 2, 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{answers: tt.answers}
				err := tt.call(t.Context(), of(r, client.WithRetry(tt.limit)))
				var problem *api.Error
				if errors.As(err, &problem) != (tt.status != 0) || problem != nil && problem.Status != tt.status {
					t.Errorf("got %v, want status %d", err, tt.status)
				}
				if len(r.asked) != tt.asked {
					t.Errorf("asked %d times, want %d: %v", len(r.asked), tt.asked, r.asked)
				}
				for _, asked := range r.asked {
					if !strings.Contains(asked, "{") {
						t.Errorf("a repeated request has lost its body: %s", asked)
					}
				}
			})
		})
	}
}

// All sendings of one request have one key; a request that may run twice needs none.
func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down, good := answer{503, unavailable, nil}, answer{202, accepted, nil}
		r := &receiver{answers: []answer{down, good, good}}
		c := of(r, client.WithRetry(time.Minute))
		for range 2 {
			if _, err := c.CreateRematch(t.Context(), api.RematchRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		if len(r.keys) != 3 || len(r.keys[0]) < 20 || r.keys[0] != r.keys[1] || r.keys[1] == r.keys[2] {
			t.Errorf("the keys are %q, want one for both sendings of the first request, and another", r.keys)
		}
		r.keys = nil
		if _, err := c.PostImage(t.Context(), "a.jpg"); err != nil {
			t.Fatal(err)
		}
		mine := client.WithIdempotencyKey(t.Context(), "mine")
		if _, err := of(r).PostImage(mine, "a.jpg"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.CreatePerson(mine, "Ada"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"", "mine", "mine"}, r.keys); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
	})
}

func TestRetryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := of(&receiver{answers: []answer{{503, unavailable, nil}}}, client.WithRetry(time.Hour)).GetImage(ctx, 1)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAllImages(t *testing.T) {
	t.Parallel()
	r := &receiver{answers: []answer{
		{200, `{"images":[{"id":1},{"id":2}],"next":2}`, nil}, {200, `{"images":[{"id":3}],"next":null}`, nil},
	}}
	var got []int64
	for img, err := range of(r).AllImages(t.Context(), api.ListImagesParams{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, img.ID)
	}
	if diff := cmp.Diff([]int64{1, 2, 3}, got); diff != "" {
		t.Error(diff)
	}
	if want := "GET http://receiver:8000/api/v1/images?after=2"; r.asked[1] != want {
		t.Errorf("asked %s, want %s", r.asked[1], want)
	}
	failures := 0
	for _, err := range of(&receiver{answers: []answer{{503, unavailable, nil}}}).AllImages(t.Context(), api.ListImagesParams{}) {
		if err != nil {
			failures++
		}
	}
	if failures != 1 {
		t.Errorf("%d errors, want 1", failures)
	}
}
