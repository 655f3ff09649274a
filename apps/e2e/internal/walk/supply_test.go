package walk

import (
	"bytes"
	"strings"
	"testing"
)

// The step about signed images deploys nothing, so it can be taken beside what runs.
func TestOnlySupply(t *testing.T) {
	t.Parallel()
	w := &Walk{opts: Options{Only: supplyStep}}
	steps, err := w.steps()
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) != len(w.beginning())+1 || steps[len(steps)-1].name != supplyStep {
		t.Errorf("got the steps %+v", steps)
	}
}

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
