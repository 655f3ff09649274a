package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/childproc"
)

// child is a started process. It does not outlive this process.
type child struct{ *childproc.Process }

// signal sends a signal. It ignores that the child has ended.
func (c *child) signal(s os.Signal) error {
	if err := c.Signal(s); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// freeze pauses the child for d. Its connections stay open.
func (c *child) freeze(ctx context.Context, d time.Duration) error {
	if err := c.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	pause(ctx, d)
	return c.signal(syscall.SIGCONT)
}

// command is how to start a program. Its output is appended to a log file.
type command struct {
	name string // also of the log file
	path string
	args []string
	env  []string
	dir  string
}

func (c command) start() (*child, error) {
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own descriptor
	cmd := exec.Command(c.path, c.args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.env, c.dir, log, log
	started, err := childproc.Start(cmd)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	return &child{started}, nil
}

func (c command) logFile() string { return filepath.Join(c.dir, c.name+".log") }

// logTail returns the end of the log.
func (c command) logTail() string {
	f, err := os.Open(c.logFile())
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const limit = 1 << 10 // bytes
	if info, err := f.Stat(); err == nil {
		_, _ = f.Seek(max(0, info.Size()-limit), io.SeekStart) // on error, read from the start
	}
	words, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return string(words)
}

// panics returns the log lines that mention a panic.
func (c command) panics() ([]string, error) {
	text, err := os.ReadFile(c.logFile())
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "panic") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found, nil
}

// program keeps a command running, as Kubernetes does. If it ends by itself, it
// is started again and report records a violation.
type program struct {
	command
	report *Report

	mu    sync.Mutex // guards child; held while a child is replaced
	child *child     // nil during a planned restart
	over  bool       // true after end: start nothing
}

// restartPause limits how often a program that cannot start is restarted.
const restartPause = 500 * time.Millisecond

func (p *program) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.startLocked()
}

func (p *program) startLocked() error {
	if p.over {
		return nil
	}
	c, err := p.command.start()
	if err != nil {
		return err
	}
	p.child = c
	go p.watch(c)
	return nil
}

// watch waits for the end of a child. It restarts the program, unless the end
// was planned and the child replaced.
func (p *program) watch(c *child) {
	<-c.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.child != c {
		return
	}
	p.report.violate("%s ended unexpectedly: %v: %s", p.name, c.Err(), p.logTail())
	time.Sleep(restartPause)
	if err := p.startLocked(); err != nil {
		p.report.violate("%v", err)
	}
}

// take detaches the child, so that watch ignores its end.
func (p *program) take() *child {
	c := p.child
	p.child = nil
	return c
}

// kill kills the program and starts it again after a pause.
func (p *program) kill(ctx context.Context, down time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.take().Kill(); err != nil {
		return err
	}
	pause(ctx, down)
	return p.startLocked()
}

// stopGrace is the maximum time that a program may take to stop.
const stopGrace = 30 * time.Second

// stop stops the program with SIGTERM, as a rollout does, and starts it again
// after a pause.
func (p *program) stop(ctx context.Context, down time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.take()
	if err := c.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-c.Done():
	case <-time.After(stopGrace):
		p.report.violate("%s did not stop within %s", p.name, stopGrace)
		if err := c.Kill(); err != nil {
			return err
		}
	}
	pause(ctx, down)
	return p.startLocked()
}

func (p *program) freeze(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.child.freeze(ctx, d)
}

// end kills the program for good.
func (p *program) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if c := p.take(); c != nil {
		return c.Kill()
	}
	return nil
}
