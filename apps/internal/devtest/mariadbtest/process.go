package mariadbtest

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

// process is a started program. It does not outlive this process.
type process struct {
	cmd  *exec.Cmd
	tail *tail
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read it after done
}

// startProcess starts cmd. Its output goes to log.
func startProcess(cmd *exec.Cmd, log io.Writer) (*process, error) {
	p := &process{cmd: cmd, tail: &tail{w: log}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.tail, p.tail
	cmd.SysProcAttr = dieWithParent()
	cmd.WaitDelay = time.Second
	started := make(chan error)
	go func() {
		// Linux sends the parent-death signal when the thread that started the
		// child ends. So this thread stays and waits for the child.
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

// endError returns why the program ended. It is errPortTaken if another program
// has the port.
func (p *process) endError() error {
	output := p.tail.String()
	if strings.Contains(output, "Bind on TCP/IP port") {
		return fmt.Errorf("%w: %s", errPortTaken, output)
	}
	return fmt.Errorf("it ended (%w) with the output: %s", p.err, output)
}

// tail forwards its input to w and keeps the end of it.
type tail struct {
	mu  sync.Mutex // guards the fields below
	w   io.Writer
	end []byte
}

const tailSize = 2 << 10 // bytes

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
