package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
)

// A backup of one database is restored into another one, while the receiver says when the
// last backup was complete. It refuses to restore what it serves.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	from, to := mariadbtest.Database(t), mariadbtest.Database(t)
	migrate(t, from)
	env := settings(from)
	env["KNOWN_PEOPLE"], env["ROLLCALL_OPEN_INGEST"] = t.TempDir(), "true"
	r := start(t, env)
	r.ask(r.api+"/image/post", `{"path":"a.jpg"}`, http.StatusAccepted)
	const metric = "rollcall_backup_last_success_timestamp_seconds"
	if got := r.ask(r.admin+"/metrics", "", http.StatusOK); strings.Contains(got, metric) {
		t.Error("there was a backup before the first one")
	}
	archive := t.TempDir()
	code, stdout, stderr := commandtest.Run(t, spec(), env, "backup", "-to-folder", archive)
	if code != command.ExitOK || !strings.Contains(stdout, archive) {
		t.Fatalf("backup: exit code %d, %s%s", code, stdout, stderr)
	}
	var seconds float64
	got := r.ask(r.admin+"/metrics", "", http.StatusOK)
	if _, value, ok := strings.Cut(got, "\n"+metric+" "); !ok {
		t.Error("the receiver does not say when the backup was complete")
	} else if _, err := fmt.Sscan(value, &seconds); err != nil || seconds < 1e9 {
		t.Errorf("the last backup was at %v, %v", seconds, err)
	}
	code, _, stderr = commandtest.Run(t, spec(), env, "restore", "-from", archive, "-replace")
	if code != command.ExitFailed || !strings.Contains(stderr, "programs use this database (receiver)") {
		t.Errorf("a restore below a running receiver: exit code %d, %s", code, stderr)
	}

	other := settings(to)
	other["KNOWN_PEOPLE"] = t.TempDir()
	code, stdout, stderr = commandtest.Run(t, spec(), other, "restore", "-from", archive)
	if code != command.ExitOK || !strings.Contains(stdout, "restored as of") {
		t.Fatalf("restore: exit code %d, %s%s", code, stdout, stderr)
	}
	if printed := migrate(t, to); !strings.Contains(printed, "nothing to do") {
		t.Errorf("a migration after the restore: %s", printed)
	}
	other["ROLLCALL_OPEN_INGEST"] = "true"
	r = start(t, other)
	if got := r.ask(r.api+"/image/post", `{"path":"a.jpg"}`, http.StatusAccepted); !strings.Contains(got, `"id":1,`) {
		t.Errorf("the image is another one: %s", got)
	}
}
