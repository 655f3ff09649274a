package asuser_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/asuser"
)

func TestRun(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a file", "a (file)"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asuser.Run(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "secret")
				if err := os.WriteFile(path, nil, 0); err != nil {
					t.Fatal(err)
				}
				if _, err := os.ReadFile(path); !errors.Is(err, fs.ErrPermission) {
					t.Errorf("error %v, want permission denied", err)
				}
			})
		})
	}
}
