// Package childproc starts child processes that do not outlive this process. The
// test servers and the chaos program run their programs with it.
package childproc

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Process is a started program. It is safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read it after done
}

// Start starts cmd. On Linux the kernel kills the child when this process ends
// for any reason.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, done: make(chan struct{})}
	cmd.SysProcAttr = DieWithParent()
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
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Done returns a channel that is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err waits for the child's end and returns the error of its exit.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// PID returns the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal. It returns os.ErrProcessDone if the child has ended.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Kill kills the child and waits for its end. It does nothing if the child has
// ended.
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}
