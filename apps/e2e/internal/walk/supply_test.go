package walk

import (
	"bytes"
	"strings"
	"testing"
)

func TestSupplyWithoutTools(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, only string
		fails      bool
	}{
		{"a walk through everything leaves it out", "", false},
		{"somebody asked for it", supplyStep, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			w := &Walk{out: &out, opts: Options{Root: t.TempDir(), Only: tt.only}}
			err := w.checkSupply(t.Context())
			said := out.String()
			if err != nil {
				said += err.Error()
			}
			if (err != nil) != tt.fails || !strings.Contains(said, "sh apps/setup/signing.sh") {
				t.Errorf("got %v, and it says %q", err, said)
			}
		})
	}
}
