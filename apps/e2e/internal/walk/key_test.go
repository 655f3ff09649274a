package walk

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// The overlay's key goes with every request, in the header that passes the
// Kubernetes API.
func TestKeyOfTheOverlay(t *testing.T) {
	dir := t.TempDir()
	kubectl := "#!/bin/sh\nprintf %s b2xk\\ bmV3\n" // old and new, in base64
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(kubectl), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	w := &Walk{kube: &kube{namespace: "rollcall"}}
	if err := w.readKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if got := req.Header.Get("X-API-Key"); got != "new" || req.Header.Get("Authorization") != "" {
			t.Errorf("headers %v", req.Header)
		}
		_, _ = rw.Write([]byte(`{"id":"dev"}`))
	}))
	defer server.Close()
	api := client.New(server.URL, client.WithHTTPClient(&http.Client{Transport: &w.key}))
	if who, err := api.Caller(t.Context()); err != nil || who.ID != "dev" {
		t.Errorf("got %+v, %v", who, err)
	}
}
