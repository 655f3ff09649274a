package backupcli_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/rollcall-faces/rollcall/apps/internal/backup"
	"github.com/rollcall-faces/rollcall/apps/internal/backupcli"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// program has the commands, on a SQLite database in a folder of its own.
type program struct {
	*testing.T
	folders backup.Folders
	file    string
}

func newProgram(t *testing.T) *program {
	t.Helper()
	return &program{T: t, folders: backup.Folders{KnownPeople: t.TempDir(), UnknownPeople: t.TempDir()}, file: filepath.Join(t.TempDir(), "rollcall.db")}
}

func (p *program) open() *store.Store {
	p.Helper()
	db, err := store.OpenSQLite(p.file)
	p.must(err)
	p.Cleanup(func() { p.must(db.Close()) })
	return db
}

func (p *program) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func (p *program) spec() command.Spec {
	return command.Spec{
		Name: "program", Read: func(*config.Reader) {},
		Commands: backupcli.Commands("program", func() backupcli.System {
			return backupcli.System{
				Flags:   func(f *flag.FlagSet) { f.String("data", "", "a flag of the program") },
				Read:    func(r *config.Reader) { r.String("X", "", "a setting of the program") },
				Open:    func(bool) (*store.Store, error) { return store.OpenSQLite(p.file) },
				Folders: func() (backup.Folders, error) { return p.folders, nil },
			}
		}),
	}
}

// run runs a command, and checks its exit code and what it says.
func (p *program) run(code int, want string, args ...string) (stdout string) {
	p.Helper()
	got, stdout, stderr := commandtest.Run(p.T, p.spec(), map[string]string{}, args...)
	if got != code || !strings.Contains(stdout+stderr, want) {
		p.Errorf("%v: exit code %d, %s%s; want %d and %q", args, got, stdout, stderr, code, want)
	}
	return stdout
}

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	p, dir := newProgram(t), t.TempDir()
	db := p.open()
	_, err := db.Migrate(t.Context(), p.folders.UnknownPeople)
	p.must(err)
	_, err = db.AddPerson(t.Context(), "Ada")
	p.must(err)
	id, err := age.GenerateX25519Identity()
	p.must(err)
	key := filepath.Join(dir, "key.txt")
	p.must(os.WriteFile(key, []byte(id.String()+"\n"), 0o600))
	plain, encrypted := filepath.Join(dir, "a.tar.gz"), filepath.Join(dir, "a.tar.gz.age")

	for _, args := range [][]string{{"backup", "-h"}, {"restore", "-h"}, {"backup", "verify", "-h"}} {
		p.run(command.ExitOK, "Example:", args...)
	}
	p.run(command.ExitOK, "0 images, 1 people,", "backup", "-to", plain)
	if at, err := db.LastBackup(t.Context()); err != nil || !at.IsZero() { // an alert would wait for the next one
		t.Errorf("a backup to a file was noted: %s, %v", at, err)
	}
	before := time.Now().Add(-time.Second)
	p.run(command.ExitOK, "0 files of known people", "backup", "-to-folder", t.TempDir())
	if at, err := db.LastBackup(t.Context()); err != nil || at.Before(before.Truncate(time.Second)) {
		t.Errorf("the last backup was at %s, %v", at, err)
	}
	info, err := os.Stat(plain)
	p.must(err)
	if info.Mode().Perm() != backup.ArchiveMode {
		t.Errorf("the archive has the mode %s", info.Mode())
	}
	p.run(command.ExitFailed, "already", "backup", "-to", plain)
	p.run(command.ExitOK, "in ", "backup", "-to", encrypted, "-recipient", id.Recipient().String())
	p.run(command.ExitOK, "whole and undamaged", "backup", "verify", "-from", plain)
	p.run(command.ExitFailed, "-identity-file", "backup", "verify", "-from", encrypted)
	p.run(command.ExitOK, "whole and undamaged", "backup", "verify", "-from", encrypted, "-identity-file", key)
	streamed := p.run(command.ExitOK, "", "backup", "-to", "-")
	p.must(os.WriteFile(filepath.Join(dir, "streamed"), []byte(streamed), 0o600))
	p.run(command.ExitOK, "whole and undamaged", "backup", "verify", "-from", filepath.Join(dir, "streamed"))

	to := newProgram(t)
	to.run(command.ExitOK, "restored as of", "restore", "-from", encrypted, "-identity-file", key)
	people, err := to.open().People(t.Context())
	p.must(err)
	if len(people) != 1 || people[0].Name != "Ada" {
		t.Errorf("people: %v", people)
	}
	to.run(command.ExitFailed, "not empty", "restore", "-from", plain)
	to.run(command.ExitOK, "restored as of", "restore", "-from", plain, "-replace")
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	p, dir := newProgram(t), t.TempDir()
	bad := filepath.Join(dir, "bad")
	p.must(os.WriteFile(bad, []byte("AGE-SECRET-KEY-OF-NOBODY"), 0o600))
	for want, args := range map[string][]string{
		"say where to write":     {"backup"},
		"say where to write the": {"backup", "-to", "x", "-to-folder", dir},
		"-keep needs":            {"backup", "-to", "x", "-keep", "3"},
		"-recipient: ":           {"backup", "-to", "x", "-recipient", "age1nobody"},
		"-recipients-file: ":     {"backup", "-to", "x", "-recipients-file", bad},
		"say which archive":      {"restore"},
		"no identities":          {"restore", "-from", bad, "-identity-file", bad},
		"the archive is damaged": {"restore", "-from", bad},
		"no ledger of erasures":  {"restore", "-from", bad, "-ledger", bad},
		"there is no archive":    {"restore", "-from", dir},
		"look for the archive":   {"backup", "verify", "-from", filepath.Join(dir, "nothing")},
		"nothing to back up":     {"backup", "-to", filepath.Join(dir, "x")},
	} {
		got, stdout, stderr := commandtest.Run(t, p.spec(), map[string]string{}, args...)
		if got != command.ExitFailed || !strings.Contains(stderr, want) || strings.Contains(stdout+stderr, "OF-NOBODY") {
			t.Errorf("%v: exit code %d, %s%s; want %q", args, got, stdout, stderr, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("a backup that failed left an archive")
	}
}

// The newest archives are kept, and what a killed backup left goes.
func TestKeep(t *testing.T) {
	t.Parallel()
	p, dir := newProgram(t), t.TempDir()
	db := p.open()
	_, err := db.Migrate(t.Context(), p.folders.UnknownPeople)
	p.must(err)
	_, err = db.AddPerson(t.Context(), "Ada")
	p.must(err)
	old := time.Now().Add(-48 * time.Hour)
	for _, name := range []string{"rollcall-20200101T000000Z.tar.gz", "rollcall-20200102T000000Z.tar.gz.age", "rollcall-20200103T000000Z.tar.gz", "mine.tar.gz", ".tmp-OLD", ".tmp-NEW"} {
		p.must(os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		if name != ".tmp-NEW" {
			p.must(os.Chtimes(filepath.Join(dir, name), old, old))
		}
	}
	p.run(command.ExitOK, "old archives are deleted", "backup", "-to-folder", dir, "-keep", "2")
	left := p.names(dir)
	if len(left) != 4 || left[0] != ".tmp-NEW" || left[1] != "mine.tar.gz" || left[2] != "rollcall-20200103T000000Z.tar.gz" {
		t.Errorf("left: %q", left)
	}
	to := newProgram(t)
	to.run(command.ExitOK, "restored as of", "restore", "-from", dir)
}

func (p *program) names(dir string) (list []string) {
	p.Helper()
	entries, err := os.ReadDir(dir)
	p.must(err)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// A database that was lost, and has been made anew, is not backed up in the place of what it
// had, also if nobody here can look into the archives.
func TestEmptyTakesNoPlace(t *testing.T) {
	t.Parallel()
	p, dir := newProgram(t), t.TempDir()
	db := p.open()
	_, err := db.Migrate(t.Context(), p.folders.UnknownPeople)
	p.must(err)
	id, err := age.GenerateX25519Identity()
	p.must(err)
	args := []string{"backup", "-to-folder", dir, "-keep", "1", "-recipient", id.Recipient().String()}
	p.run(command.ExitOK, "-empty.tar.gz.age", args...) // a new system
	p.must(os.WriteFile(filepath.Join(dir, "rollcall-20200101T000000Z-empty.tar.gz"), nil, 0o600))
	nextSecond(t)
	p.run(command.ExitOK, "old archives are deleted", args...)
	if names := p.names(dir); len(names) != 1 || !strings.HasSuffix(names[0], "-empty.tar.gz.age") {
		t.Errorf("of an empty system: %q", names)
	}

	const good, killed = "rollcall-20200101T000000Z.tar.gz.age", ".tmp-KILLED"
	lastNight := time.Now().Add(-23 * time.Hour)
	for _, name := range []string{good, killed} {
		p.must(os.WriteFile(filepath.Join(dir, name), []byte("encrypted"), 0o600))
		p.must(os.Chtimes(filepath.Join(dir, name), lastNight, lastNight))
	}
	noted, err := db.LastBackup(t.Context())
	p.must(err)
	nextSecond(t)
	p.run(command.ExitFailed, "is it the right database?", args...)
	// What a killed backup left is gone although this one failed: the volume could be full of it.
	if names := p.names(dir); len(names) != 2 || names[0] != good {
		t.Errorf("after a refusal: %q", names)
	}
	if at, err := db.LastBackup(t.Context()); err != nil || !at.Equal(noted) {
		t.Errorf("a refusal was noted as a backup: %s, %v", at, err)
	}
	p.run(command.ExitOK, "0 images, 0 people", "backup", "-to", filepath.Join(t.TempDir(), "a.tar.gz"))
	_, err = db.AddPerson(t.Context(), "Ada")
	p.must(err)
	p.run(command.ExitOK, "old archives are deleted", args...)
}

// nextSecond waits until the clock shows another second: archives are named by it.
func nextSecond(t *testing.T) {
	t.Helper()
	now := time.Now().Unix()
	wait.Until(t, "the next second", func() bool { return time.Now().Unix() > now })
}
