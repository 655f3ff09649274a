package httpapi_test

// What the middleware does is tested through the receiver's routes. This file
// owns the tests of what has no route.

import (
	"errors"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"127.0.0.1:8000": true, "127.9.9.9:0": true, "[::1]:8000": true, "localhost:8000": true, "LocalHost:1": true,
		":8000": false, "0.0.0.0:8000": false, "[::]:8000": false, "10.0.0.1:8000": false, "receiver:8000": false,
		"localhost.example:8000": false, "127.0.0.1": false, "": false,
	} {
		if got := httpapi.IsLoopback(address); got != want {
			t.Errorf("%q: got %v", address, got)
		}
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	cause := errors.New("SELECT secret")
	for name, c := range map[string]struct {
		err  error
		want httpapi.ErrorBody
	}{
		"ours":    {faces.Errorf(faces.CodeInvalid, "bad %s", "path").WithCause(cause), httpapi.ErrorBody{Code: "invalid_request", Message: "bad path"}},
		"foreign": {cause, httpapi.ErrorBody{Code: "internal", Message: "internal error"}},
	} {
		if got := httpapi.Body(c.err); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
