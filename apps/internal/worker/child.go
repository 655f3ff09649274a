package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// lastWords is how long a child whose socket has closed may take to end, so
// that its exit status can be read before it is killed.
const lastWords = 200 * time.Millisecond

// child is one child process that is ready for requests, one at a time.
type child struct {
	conn    net.Conn
	statm   *os.File // /proc/<pid>/statm; it stays this process's own, whatever becomes of the pid
	cmd     *exec.Cmd
	decoder decoder
	gone    chan struct{} // closed once the process has ended and was waited for
	seq     uint32        // of the last request

	mu    sync.Mutex
	cause Cause // why we ended it; empty while we have not
}

// start starts a child and waits until its engine is open. ctx bounds the start
// only.
func start(ctx context.Context, opts Options) (*child, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, opts.StartTimeout,
		fmt.Errorf("it was not ready after %v", opts.StartTimeout))
	defer cancel()
	c, err := launch(opts.Command)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.end(Crash) })
	err = c.greet(opts.RestMemory)
	if !stop() && err == nil {
		err = context.Cause(ctx) // it was ended while it said hello
	}
	if err == nil {
		return c, nil
	}
	how := c.bury()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if errors.Is(err, errNoHello) {
		err = fmt.Errorf("it ended before it was ready (%s); its log says why", how)
	}
	return nil, fmt.Errorf("start a worker process: %w", err)
}

// launch starts the process.
func launch(command Command) (*child, error) {
	d, err := newDecoder()
	if err != nil {
		return nil, err
	}
	conn, socket, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer socket.Close() // the child has its own
	c := &child{conn: conn, cmd: command.build(socket), decoder: d, gone: make(chan struct{})}
	started := make(chan error)
	go c.run(started)
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("start a worker process: %w", err), conn.Close())
	}
	return c, nil
}

// run starts the process and waits for its end. The kernel ends the child when
// the thread that started it ends; this goroutine therefore keeps its thread.
func (c *child) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.cmd.Start(); err != nil {
		started <- err
		return
	}
	var err error
	c.statm, err = os.Open("/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/statm")
	if err != nil {
		c.end(Crash)
	}
	started <- err
	_ = c.cmd.Wait() // ProcessState tells
	// The connection stays open: the child's last words may still be in it.
	if c.statm != nil {
		c.statm.Close()
	}
	close(c.gone)
}

// socketPair returns the parent's end and the child's end of a connection.
func socketPair() (net.Conn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "worker"), os.NewFile(uintptr(fds[1]), "parent")
	conn, err := net.FileConn(ours) // a duplicate
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("use a socket pair: %w", err), ours.Close(), theirs.Close())
	}
	ours.Close()
	return conn, theirs, nil
}

// errNoHello marks a connection that ended before the child's hello.
var errNoHello = errors.New("the worker said no hello")

// greet tells the child what it must know, and waits until it is ready.
func (c *child) greet(restMemory int64) error {
	greeting := binary.BigEndian.AppendUint64([]byte{protocolVersion}, uint64(restMemory))
	if err := writeFrame(c.conn, kindGreeting, 0, greeting); err != nil {
		return fmt.Errorf("%w: %w", errNoHello, err)
	}
	f, err := readFrame(c.conn, parentLimits, newRoom)
	switch {
	case errors.Is(err, errFrame):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", errNoHello, err)
	case f.kind != kindHello:
		return fmt.Errorf("%w: kind %d in place of a hello", errFrame, f.kind)
	}
	var h hello
	if err := c.decoder.decode(f.payload, &h); err != nil {
		return err
	}
	if h.Version != protocolVersion {
		return fmt.Errorf("it speaks version %d of the protocol, not %d", h.Version, protocolVersion)
	}
	if h.Problem != "" {
		return errors.New(h.Problem)
	}
	return nil
}

// end kills the process where it still lives and closes the connection. The
// first cause counts.
func (c *child) end(cause Cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != "" {
		return
	}
	c.cause = cause
	_ = c.cmd.Process.Kill() // it may have ended already
	c.conn.Close()
}

// bury waits for the end of a process whose connection failed, and kills it
// where it lives on. It says how the process ended.
func (c *child) bury() string {
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-c.gone:
	case <-timer.C:
	}
	c.end(Crash)
	<-c.gone
	return c.cmd.ProcessState.String()
}

// ended returns why the child has ended or is about to, and false while it is
// fit for use.
func (c *child) ended() (Cause, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != "" {
		return c.cause, true
	}
	select {
	case <-c.gone:
		return Crash, true
	default:
		return "", false
	}
}

// killedFromOutside reports whether somebody else killed the process: a person,
// or the kernel because memory ran out. The process must have ended.
func (c *child) killedFromOutside() bool {
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// memory returns the child's resident memory in bytes, 0 where it has ended.
func (c *child) memory() int64 {
	n, err := resident(c.statm)
	if err != nil {
		return 0
	}
	return n
}
