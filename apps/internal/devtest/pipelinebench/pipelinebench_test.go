package pipelinebench_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/pipelinebench"
)

// TestRun checks that the benchmark runs, on tables that are too small to
// measure anything.
func TestRun(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := pipelinebench.Run(t.Context(), &out, pipelinebench.Options{
		Dir: t.TempDir(), Rows: 1000, Bulk: 50, Images: 200, Posting: 200 * time.Millisecond,
	})
	switch {
	case errors.Is(err, mariadbtest.ErrNotInstalled) && os.Getenv("ROLLCALL_TEST_REQUIRE") == "":
		t.Skipf("needs a database server: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	const rows = 7
	if got := strings.Count(out.String(), "\n") - 2; got != rows {
		t.Errorf("the table has %d rows, want %d:\n%s", got, rows, &out)
	}
	t.Log("\n" + out.String())
}

// TestIntake checks that single posts can be compared; it measures nothing.
func TestIntake(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := pipelinebench.Intake(t.Context(), &out, pipelinebench.IntakeOptions{
		Dir: t.TempDir(), Clients: []int{1, 3}, Rounds: 2, Posting: 100 * time.Millisecond, Rows: 100,
	})
	switch {
	case errors.Is(err, mariadbtest.ErrNotInstalled) && os.Getenv("ROLLCALL_TEST_REQUIRE") == "":
		t.Skipf("needs a database server: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	const rows = 6 // three receivers with one client and with three
	if got := strings.Count(out.String(), "\n") - 2; got != rows {
		t.Errorf("the table has %d rows, want %d:\n%s", got, rows, &out)
	}
	t.Log("\n" + out.String())
}
