package walk

import (
	"bytes"
	"os"
	"path/filepath"
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

// A refusal counts only if admission refused, and for the reason that was asked for.
func TestRefused(t *testing.T) {
	const denied = `Error from server (BadRequest): admission webhook "policy.sigstore.dev" denied the request: `
	for _, tt := range []struct{ name, kubectl, problem string }{
		{"for its reason", "echo '" + denied + "failed policy: no signatures found' >&2; exit 1", ""},
		{"for another one", "echo '" + denied + "must be an image digest' >&2; exit 1", `without "no signatures found"`},
		{"the cluster does not answer", "echo 'no signatures found: connection refused' >&2; exit 1", "refused, but without"},
		{"it was taken", "exit 0", "the cluster took the image"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte("#!/bin/sh\ncat >/dev/null\n"+tt.kubectl+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			var out bytes.Buffer
			s := &supply{walk: &Walk{out: &out}, kube: &kube{namespace: supplyNamespace}}
			err := s.refused(t.Context(), "unsigned", "registry/image@sha256:1", "no signatures found")
			switch {
			case tt.problem == "" && (err != nil || !strings.Contains(out.String(), "unsigned: refused: failed policy: no signatures found")):
				t.Errorf("got %v, and it says %q", err, &out)
			case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)):
				t.Errorf("got %v, want %q", err, tt.problem)
			}
		})
	}
}
