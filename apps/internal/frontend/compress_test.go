package frontend_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
)

// Pages are compressed for whoever opens them in the dashboard, and never for a foreign page,
// which could choose the text beside the names. Static files are compressed for everybody.
func TestCompression(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	a.answer(root+"/party.jpg", sight(10, "Anna", 0.3))
	srv, err := frontend.New(a.Store, frontend.Options{Address: "127.0.0.1:0"})
	a.check(err)
	for name, tt := range map[string]struct {
		target, accept, site string
		want                 bool
	}{
		"a link of ours":        {"/", "gzip, deflate, br, zstd", "same-origin", true},
		"typed":                 {"/?q=party", "gzip", "none", true},
		"a foreign page":        {"/?q=party", "gzip, deflate, br", "cross-site", false},
		"a neighbour":           {"/?q=party", "gzip", "same-site", false},
		"an old browser":        {"/", "gzip", "", false},
		"no gzip":               {"/", "br", "same-origin", false},
		"gzip is refused":       {"/", "br, gzip;q=0", "same-origin", false},
		"gzip is second":        {"/", "br;q=1.0, gzip; q=0.8", "same-origin", true},
		"a problem":             {"/images/99", "gzip", "none", true},
		"a file":                {"/static/rollcall.js", "gzip", "", true},
		"a file, without":       {"/static/rollcall.js", "", "same-origin", false},
		"a file that is small":  {"/static/favicon.svg", "gzip", "same-origin", false},
		"a file that is absent": {"/static/nothing.js", "gzip", "same-origin", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			get := func(accept string) *httptest.ResponseRecorder {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+tt.target, nil)
				r.Header.Set("Accept-Encoding", accept)
				r.Header.Set("Sec-Fetch-Site", tt.site)
				w := httptest.NewRecorder()
				srv.Handler().ServeHTTP(w, r)
				return w
			}
			w := get(tt.accept)
			if got := w.Header().Get("Content-Encoding") == "gzip"; got != tt.want || !strings.Contains(w.Header().Get("Vary"), "Accept-Encoding") {
				t.Fatalf("compressed: %v, want %v; headers %v", got, tt.want, w.Header())
			}
			if !tt.want {
				return
			}
			r, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if plain := get("identity").Body.String(); err != nil || string(text) != plain {
				t.Errorf("%v; %d bytes, and %d without compression", err, len(text), len(plain))
			}
		})
	}
}
