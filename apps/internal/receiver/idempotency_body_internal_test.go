package receiver

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// printOf returns the fingerprint of a form that is read in parts of a few bytes.
func printOf(t *testing.T, boundary, body string) (store.Fingerprint, int64) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", `multipart/form-data; boundary="`+boundary+`"`)
	p := newBodyPrint(boundaryOf(req))
	for part := body; part != ""; {
		n := min(len(part), 1000)
		if _, err := p.Write([]byte(part[:n])); err != nil {
			t.Fatal(err)
		}
		part = part[n:]
	}
	return p.sum()
}

// TestBodyOfBoundaries hashes bodies in which the boundary is everywhere. What is hashed
// must not be much more than the body.
func TestBodyOfBoundaries(t *testing.T) {
	t.Parallel()
	for name, boundary := range map[string]string{
		"of one byte":  "a",
		"of two":       "aa",
		"of a few":     strings.Repeat("a", shortestBoundary-1),
		"of a client":  strings.Repeat("a", shortestBoundary),
		"the longest":  strings.Repeat("a", longestBoundary),
		"not allowed":  strings.Repeat("a", 8000),
		"of no letter": "-",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := strings.Repeat(boundary, 1+100_000/len(boundary))
			if _, hashed := printOf(t, boundary, body); hashed > 2*int64(len(body)) {
				t.Errorf("%d bytes are hashed of a body of %d", hashed, len(body))
			}
		})
	}
}

func TestBoundariesThatCountAsTheSame(t *testing.T) {
	t.Parallel()
	form := func(boundary string) (store.Fingerprint, int64) {
		return printOf(t, boundary, "--"+boundary+"\r\n\r\nhello\r\n--"+boundary+"--\r\n")
	}
	for name, c := range map[string]struct {
		first, second string
		same          bool
	}{
		"a client's":      {"------------------------a1b2c3d4e5f6", "------------------------0f9e8d7c6b5a", true},
		"of other length": {"------------------------a1b2c3d4e5f6", "0123456789abcdef", true},
		"short":           {"a", "b", false},
		"the same":        {"a", "a", true},
	} {
		first, n := form(c.first)
		second, m := form(c.second)
		if (first == second && n == m) != c.same {
			t.Errorf("%s: the fingerprints are the same: %v, want %v", name, first == second, c.same)
		}
	}
}
