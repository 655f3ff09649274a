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
