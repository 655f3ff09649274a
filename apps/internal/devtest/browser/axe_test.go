package browser

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// The file is the one that its README names.
func TestAxeIsUnchanged(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("axe/README.md")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(axe))
	if text := hex.EncodeToString(sum[:]); !strings.Contains(string(readme), text) {
		t.Errorf("axe.min.js has the SHA-256 %s, which its README does not name", text)
	}
}
