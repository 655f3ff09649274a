package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestDotEnv(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, dir, ".env", "# a comment\nFROM_FILE=file\nBOTH=file\nEMPTIED=file\n"+
		"export EXPORTED=yes\nMYSQL_USERPASSWORD=root:a=b:c=d\nQUOTED='x $HOME # y'\n")
	env, err := config.WithDotEnv(config.Map(map[string]string{"FROM_ENV": "env", "BOTH": "env", "EMPTIED": ""}), dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"FROM_FILE": "file", "FROM_ENV": "env", "EXPORTED": "yes", "QUOTED": "x $HOME # y",
		"BOTH":               "env", // the environment wins
		"EMPTIED":            "",    // even with an empty value
		"MYSQL_USERPASSWORD": "root:a=b:c=d",
	} {
		if got, ok := env(name); !ok || got != want {
			t.Errorf("%s: got %q, %v; want %q", name, got, ok, want)
		}
	}
	if _, ok := env("NOWHERE"); ok {
		t.Error("a variable that nobody set is there")
	}
}

func TestNoDotEnv(t *testing.T) {
	t.Parallel()
	env, err := config.WithDotEnv(one("A", "1"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := env("A"); got != "1" {
		t.Errorf("got %q, want 1", got)
	}
}

func TestBadDotEnv(t *testing.T) {
	t.Parallel()
	t.Run("its content is not told", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{
			"MYSQL_USERPASSWORD root:hunter2\n", "root:hunter2", "A='root:hunter2", "A=\"root:hunter2\n", "=hunter2\nhunter2",
		} {
			dir := t.TempDir()
			writeFile(t, dir, ".env", text)
			env, err := config.WithDotEnv(config.Map(nil), dir)
			if err == nil {
				continue // the parser accepted it
			}
			if env != nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), ".env") {
				t.Errorf("%q: got %v", text, err)
			}
		}
	})
	t.Run("a line that is no setting", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"GOOD=1\nthis is no setting\n", "this is no setting\nGOOD=1\n", "GOOD=1\nthis is no setting", "nosetting"} {
			dir := t.TempDir()
			writeFile(t, dir, ".env", text)
			if _, err := config.WithDotEnv(config.Map(nil), dir); err == nil {
				t.Errorf("%q: no error", text)
			}
		}
	})
	t.Run("a folder", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, ".env"), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := config.WithDotEnv(config.Map(nil), dir); err == nil {
			t.Error("no error")
		}
	})
}
