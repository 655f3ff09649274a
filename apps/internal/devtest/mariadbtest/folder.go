package mariadbtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	templatePrefix = "template-"
	serverPrefix   = "server-"
)

// makeDir returns a new, locked folder with a fresh database server, for Start.
// It copies an installed template, and removes the folders that ended test
// binaries left behind: those that nobody has locked.
func makeDir(ctx context.Context) (*os.File, error) {
	program, err := find("mariadbd")
	if err != nil {
		return nil, err
	}
	parent := filepath.Join(os.TempDir(), fmt.Sprintf("rollcall-mariadb-%d", os.Getuid()))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, err
	}
	// Only one test binary at a time holds this lock: the others then find the
	// template, and no folder that is not locked yet.
	all, err := lock(parent, syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer all.Close()
	if err := removeAbandoned(parent); err != nil {
		return nil, err
	}
	template, err := template(ctx, parent, program)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(parent, serverPrefix)
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(dataFolder(dir), os.DirFS(template)); err != nil {
		return nil, errors.Join(fmt.Errorf("copy %s: %w", template, err), os.RemoveAll(dir))
	}
	return lock(dir, syscall.LOCK_EX)
}

// template returns a data folder to copy, made by this server program.
// Installing one takes seconds on a slow disk, copying does not, and the tests
// of every package need one.
func template(ctx context.Context, parent, program string) (string, error) {
	version, err := exec.CommandContext(ctx, program, "--no-defaults", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", program, err)
	}
	// The options that shape a data folder are part of its name.
	key := sha256.Sum256([]byte(string(version) + strings.Join(commonArgs(), " ")))
	dir := filepath.Join(parent, fmt.Sprintf("%s%x", templatePrefix, key[:6]))
	if err := install(ctx, dir); err != nil {
		return "", fmt.Errorf("install a database server in %s: %w", dir, err)
	}
	return dir, nil
}

// removeAbandoned removes the server folders that nobody has locked. It ignores
// errors; the next test binary tries again.
func removeAbandoned(parent string) error {
	dirs, err := filepath.Glob(filepath.Join(parent, serverPrefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if f, err := lock(dir, syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			_ = os.RemoveAll(dir)
			f.Close()
		}
	}
	return nil
}

// lock opens and locks a folder. The lock ends when the file is closed or the
// process ends.
func lock(dir string, how int) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}
