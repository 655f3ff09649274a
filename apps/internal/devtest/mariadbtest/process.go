package mariadbtest

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/childproc"
)

// process is a server's process, with the end of its output.
type process struct {
	*childproc.Process
	tail *tail
}

// startProcess starts cmd. Its output goes to log.
func startProcess(cmd *exec.Cmd, log io.Writer) (*process, error) {
	p := &process{tail: &tail{w: log}}
	cmd.Stdout, cmd.Stderr = p.tail, p.tail
	cmd.WaitDelay = time.Second
	var err error
	p.Process, err = childproc.Start(cmd)
	return p, err
}

// endError returns why the program ended. It is errPortTaken if another program
// has the port.
func (p *process) endError() error {
	output := p.tail.String()
	if strings.Contains(output, "Bind on TCP/IP port") {
		return fmt.Errorf("%w: %s", errPortTaken, output)
	}
	return fmt.Errorf("it ended (%w) with the output: %s", p.Err(), output)
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
