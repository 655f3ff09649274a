package chaos

// This file owns child processes: a program that is kept running, and what can
// be done to it. None outlives this process.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is a started process.
type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read after done
}

func startChild(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	cmd.SysProcAttr = dieWithParent()
	started := make(chan error)
	go func() {
		// Linux sends the parent's-death signal when the thread that started the
		// child ends, which is why this thread waits for the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.done)
		}
	}()
	return c, <-started
}

// signal does not mind a child that has ended.
func (c *child) signal(s os.Signal) error {
	if err := c.cmd.Process.Signal(s); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// freeze pauses the child for a time; its connections stay open.
func (c *child) freeze(ctx context.Context, d time.Duration) error {
	if err := c.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	pause(ctx, d)
	return c.signal(syscall.SIGCONT)
}

func (c *child) kill() error {
	if err := c.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-c.done
	return nil
}

// command says how to start a program; its output goes to the end of a file.
type command struct {
	name string // of the log
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
	defer log.Close() // the child has its own
	cmd := exec.Command(c.path, c.args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.env, c.dir, log, log
	started, err := startChild(cmd)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	return started, nil
}

func (c command) logFile() string { return filepath.Join(c.dir, c.name+".log") }

// lastWords returns the end of the log.
func (c command) lastWords() string {
	f, err := os.Open(c.logFile())
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const limit = 1 << 10
	if info, err := f.Stat(); err == nil {
		_, _ = f.Seek(max(0, info.Size()-limit), io.SeekStart) // else from the start
	}
	words, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return string(words)
}

// panics returns the lines of the log that tell of one, survived or not.
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

// program is a command that is kept running, as Kubernetes would: where it
// ends without being asked to, it is started again, and report hears of it.
type program struct {
	command
	report *Report

	mu    sync.Mutex // guards child; held while one is replaced by the next
	child *child
	over  bool // nothing is to be started any more
}

// restartPause keeps a program that cannot start from starting all the time.
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

// watch waits for a child's end. One that was meant to end is not the
// program's child any more.
func (p *program) watch(c *child) {
	<-c.done
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.child != c {
		return
	}
	p.report.violate("%s ended by itself: %v: %s", p.name, c.err, p.lastWords())
	time.Sleep(restartPause)
	if err := p.startLocked(); err != nil {
		p.report.violate("%v", err)
	}
}

// take makes the child nobody's, for its end to be no surprise.
func (p *program) take() *child {
	c := p.child
	p.child = nil
	return c
}

// kill ends the program as a crash does and starts it again after a time.
func (p *program) kill(ctx context.Context, down time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.take().kill(); err != nil {
		return err
	}
	pause(ctx, down)
	return p.startLocked()
}

// stopGrace is more than any program may take to stop.
const stopGrace = 30 * time.Second

// stop asks the program to end, as a new version's roll-out does, and starts
// it again after a time.
func (p *program) stop(ctx context.Context, down time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.take()
	if err := c.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-c.done:
	case <-time.After(stopGrace):
		p.report.violate("%s did not stop within %s", p.name, stopGrace)
		if err := c.kill(); err != nil {
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
		return c.kill()
	}
	return nil
}
