package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/child"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
)

func TestMain(m *testing.M) {
	child.Main() // the workers of the program under test are this binary
	os.Exit(m.Run())
}

func TestProgram(t *testing.T) {
	t.Parallel()
	commandtest.Test(t, spec)
}

func TestWrongSettings(t *testing.T) {
	t.Parallel()
	bad := map[string]string{
		"ROLLCALL_LOG_LEVEL": "loud", "ROLLCALL_LOG_FORMAT": "xml", "ROLLCALL_ADMIN_ADDRESS": "9002",
		"ROLLCALL_SHUTDOWN_TIMEOUT": "20", "ROLLCALL_LISTEN_ADDRESS": "50051", "ROLLCALL_ENGINES": "one a core",
		"ROLLCALL_MAX_PIXELS": "8K", "ROLLCALL_GALLERY_REFRESH": "often",
	}
	code, _, stderr := commandtest.Run(t, spec(), bad)
	if code != command.ExitFailed {
		t.Errorf("exit code %d, want %d", code, command.ExitFailed)
	}
	for name := range bad {
		if !strings.Contains(stderr, "  "+name+": ") {
			t.Errorf("%s is not named in: %v", name, stderr)
		}
	}
}

// Without models the program exits at once and says where it looked and what
// to do.
func TestWithoutModels(t *testing.T) {
	t.Parallel()
	models := t.TempDir()
	code, _, stderr := commandtest.Run(t, spec(), map[string]string{
		"ROLLCALL_MODELS":         models,
		"ROLLCALL_LISTEN_ADDRESS": "127.0.0.1:0", "ROLLCALL_ADMIN_ADDRESS": "127.0.0.1:0",
	})
	if code != command.ExitFailed {
		t.Errorf("exit code %d, want %d", code, command.ExitFailed)
	}
	for _, want := range []string{models, "set.json", "ROLLCALL_MODELS"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not in: %s", want, stderr)
		}
	}
}
