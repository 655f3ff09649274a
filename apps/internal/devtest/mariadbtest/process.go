package mariadbtest

// This file owns the server's process: it lives as long as this one at most.

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// process is a started program.
type process struct {
	cmd  *exec.Cmd
	tail *tail
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read after done
}

// startProcess starts cmd, whose output goes to log.
func startProcess(cmd *exec.Cmd, log io.Writer) (*process, error) {
	p := &process{cmd: cmd, tail: &tail{w: log}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.tail, p.tail
	cmd.SysProcAttr = dieWithParent()
	cmd.WaitDelay = time.Second
	started := make(chan error)
	go func() {
		// Linux sends the parent's-death signal when the thread that started the
		// child ends, which is why this thread waits for the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	return p, <-started
}

func (p *process) signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// epitaph returns why a program that should be running has ended.
func (p *process) epitaph() error {
	words := p.tail.String()
	if strings.Contains(words, "Bind on TCP/IP port") {
		return fmt.Errorf("%w: %s", errPortTaken, words)
	}
	return fmt.Errorf("it ended (%w); its last words: %s", p.err, words)
}

// tail passes on what is written to it and remembers the end.
type tail struct {
	mu  sync.Mutex // guards the fields below
	w   io.Writer
	end []byte
}

const tailSize = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, p...)
	t.end = t.end[max(0, len(t.end)-tailSize):]
	return t.w.Write(p)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.end))
}
