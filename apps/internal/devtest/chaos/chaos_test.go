package chaos_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/chaos"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
)

func TestMain(m *testing.M) {
	if code, ok := chaos.Role(os.Args[1:]); ok {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// seed is one whose first faults kill every kind of part but nsqlookupd, pause
// a processor and the receiver, and cut and hold links: what a short run has time for.
// Consumers of events have faults of their own.
const seed = 8572

// TestChaosShort is `make chaos` in short: fewer images, fewer faults.
func TestChaosShort(t *testing.T) {
	self, err := chaos.Self()
	if err != nil {
		t.Fatal(err)
	}
	report, err := chaos.Run(t.Context(), chaos.Options{
		Images: 500, Seed: seed, Faults: 12 * time.Second, Settle: 2 * time.Minute,
		Self: self, Dir: t.TempDir(), Verbose: true,
	}, t.Output())
	switch {
	case errors.Is(err, mariadbtest.ErrNotInstalled) && os.Getenv("ROLLCALL_TEST_REQUIRE") == "":
		t.Skipf("needs a database server: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	report.Print(t.Output())
	for _, v := range report.Violations() {
		t.Error(v)
	}
}

// TestChaosGalera loses nodes of a cluster of databases, beside all other faults.
func TestChaosGalera(t *testing.T) {
	const require = "ROLLCALL_TEST_REQUIRE_GALERA"
	if os.Getenv(require) == "" {
		t.Skipf("takes minutes: it runs if %s is set, as make test-galera does", require)
	}
	self, err := chaos.Self()
	if err != nil {
		t.Fatal(err)
	}
	report, err := chaos.Run(t.Context(), chaos.Options{
		Images: 3000, Seed: seed, Faults: 4 * time.Minute, Settle: 5 * time.Minute, Galera: true,
		Self: self, Dir: t.TempDir(),
	}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	report.Print(t.Output())
	for _, v := range report.Violations() {
		t.Error(v)
	}
}
