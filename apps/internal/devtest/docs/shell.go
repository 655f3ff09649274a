package docs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Shell is where blocks run.
type Shell struct {
	Dir     string            // the working directory
	Env     []string          // more variables
	Setup   string            // commands before the first block
	Replace *strings.Replacer // what this place has other than the documents say, such as ports; or nil
}

// header stops at the first command that fails, and names it.
const header = `set -eE
trap 'code=$?; echo "$here: $BASH_COMMAND: exit code $code" >&2' ERR
`

// Run runs blocks one after the other in one shell, as a reader types them. It
// returns what they print. Programs in the background end with the last block.
func (s Shell) Run(ctx context.Context, blocks []Block) (output string, err error) {
	dir, err := os.MkdirTemp("", "rollcall-docs-")
	if err != nil {
		return "", fmt.Errorf("run commands of documents: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	script, printed := filepath.Join(dir, "script"), filepath.Join(dir, "output")
	if err := os.WriteFile(script, []byte(s.script(blocks)), 0o600); err != nil {
		return "", fmt.Errorf("run commands of documents: %w", err)
	}
	failed := s.bash(ctx, script, printed)
	text, err := os.ReadFile(printed)
	if failed != nil {
		return string(text), fmt.Errorf("commands of documents: %w: %s", failed, lastLines(string(text)))
	}
	return string(text), err
}

// script joins blocks. Each begins with its place, for the message of a failure.
func (s Shell) script(blocks []Block) string {
	var b strings.Builder
	b.WriteString(header + s.Setup + "\n")
	for _, block := range blocks {
		text := block.Text
		if s.Replace != nil {
			text = s.Replace.Replace(text)
		}
		// The last line refuses a block that ends with a failed a && b, which set -e does not.
		fmt.Fprintf(&b, "here=%s\n%s[ $? = 0 ]\n", block, text)
	}
	return b.String()
}

// bash runs a script. Its output goes to a file, because a pipe would wait for
// programs in the background.
func (s Shell) bash(ctx context.Context, script, output string) error {
	out, err := os.Create(output)
	if err != nil {
		return err
	}
	defer out.Close() // bash has written it
	cmd := exec.CommandContext(ctx, "bash", script)
	cmd.Dir, cmd.Env = s.Dir, append(os.Environ(), s.Env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	group := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = group
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start bash: %w", err)
	}
	failed := cmd.Wait()
	_ = group() // fails if nothing is left
	return failed
}

// lastLines returns the end of a text, for a message.
func lastLines(text string) string {
	const most = 15
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
