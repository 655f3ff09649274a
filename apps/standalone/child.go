package main

// This file owns the recognizer as a supervised child process. The parent
// holds the listening socket: while a crashed child is being replaced, calls
// wait for the next one.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/command"
	"github.com/rollcall-faces/rollcall/apps/internal/config"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/models"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
)

const (
	// childName as the first argument makes the program the child.
	childName = "recognizer"
	// childSocket is the child's listening socket: the first file after the
	// three that every process has.
	childSocket = 3

	firstRestartPause = 200 * time.Millisecond
	maxRestartPause   = 10 * time.Second
	// steady is how long a child must live for the next pause to be short again.
	steady = time.Minute
	// childGrace is what the child has from SIGTERM to SIGKILL.
	childGrace = 10 * time.Second
)

// childSpec is the program that the child runs.
func childSpec() command.Spec {
	var cfg recognizer.Config
	return command.Spec{
		Name:  childName,
		About: "The recognizer as standalone's child process. It is started by standalone only.",
		Read:  func(r *config.Reader) { cfg = recognizer.ReadConfig(r) },
		Run: func(ctx context.Context, _, stderr io.Writer) error {
			set, err := models.Choose(cfg.Official, cfg.Lite)
			if err != nil {
				return err
			}
			open, err := opener(set, cfg.Options)
			if err != nil {
				return err
			}
			listen := func() (net.Listener, error) {
				return net.FileListener(os.NewFile(childSocket, "socket from the parent"))
			}
			log := logging.New(stderr, childName, cfg.Log)
			return recognizer.Serve(ctx, cfg, set.Model(), open, kernel.New(), dlib.BLAS(), listen, log)
		},
	}
}

// opener opens engines of a model set as the settings say.
func opener(set models.Set, opts recognizer.Options) (func() (engine.PixelEngine, error), error) {
	open, err := dlib.OpenerWith(set, dlib.Options{CNN: opts.CNNFallback})
	if err != nil {
		return nil, fmt.Errorf("ROLLCALL_CNN_FALLBACK: %w", err)
	}
	return open, nil
}

// child keeps a recognizer running.
type child struct {
	log    *slog.Logger
	model  faces.Model
	env    []string
	listen *net.TCPListener
	socket *os.File
	quit   chan struct{} // closed by Stop
	ended  chan struct{} // closed when the supervisor has ended

	mu       sync.Mutex // guards the fields below
	process  *os.Process
	stopping bool
}

func newChild(s settings, log *slog.Logger) (*child, error) {
	set, err := models.Choose(s.official, s.lite)
	if err != nil {
		return nil, err
	}
	listen, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("listen for the recognizer: %w", err)
	}
	socket, err := listen.File()
	if err != nil {
		return nil, errors.Join(err, listen.Close())
	}
	return &child{
		log: log, model: set.Model(), env: childEnv(s), listen: listen, socket: socket,
		quit: make(chan struct{}), ended: make(chan struct{}),
	}, nil
}

// childEnv hands the parent's settings on.
func childEnv(s settings) []string {
	return append(os.Environ(),
		"KNOWN_PEOPLE="+s.known, "UNKNOWN_PEOPLE="+s.unknown,
		"ROLLCALL_MODELS="+s.official, "ROLLCALL_MODELS_LITE="+s.lite,
		"ROLLCALL_LISTEN_ADDRESS=127.0.0.1:0", // not used: the socket comes from here
		"ROLLCALL_ADMIN_ADDRESS=127.0.0.1:0",
		"ROLLCALL_ENGINES="+strconv.Itoa(s.recognizer.Engines),
		"ROLLCALL_CNN_FALLBACK="+onOff(s.recognizer.CNNFallback),
		"ROLLCALL_MAX_PIXELS="+strconv.FormatInt(s.recognizer.MaxPixels, 10),
		"ROLLCALL_GALLERY_REFRESH="+s.recognizer.Refresh.String(),
		"ROLLCALL_GALLERY_CACHE="+first(s.recognizer.Cache, filepath.Join(s.data, "gallery")),
		"ROLLCALL_LOG_LEVEL="+s.log.Level, "ROLLCALL_LOG_FORMAT="+s.log.Format,
		"ROLLCALL_SHUTDOWN_TIMEOUT="+(childGrace-time.Second).String(),
		"OPENBLAS_NUM_THREADS=1", // one engine a core; more threads would fight
	)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// Address returns the host:port that the recognizer answers on.
func (c *child) Address() string { return c.listen.Addr().String() }

// Start begins to supervise.
func (c *child) Start() { go c.supervise() }

// supervise starts the child again whenever it ends, until Stop. The kernel
// ends the child when the thread that started it ends, so that it cannot
// outlive the parent; therefore this goroutine keeps its thread.
func (c *child) supervise() {
	defer close(c.ended)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for pause := firstRestartPause; ; pause = min(2*pause, maxRestartPause) {
		begin := time.Now()
		err := c.runOnce()
		if c.isStopping() {
			return
		}
		if time.Since(begin) > steady {
			pause = firstRestartPause
		}
		c.log.Error("the recognizer ended; starting it again", "why", err, "in", pause)
		select {
		case <-c.quit:
			return
		case <-time.After(pause):
		}
	}
}

func (c *child) runOnce() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(program, childName)
	cmd.Env = c.env
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{c.socket}
	// A group of its own: Ctrl-C is for the parent, who stops things in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.begin(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return err
	}
	return errors.New("it ended by itself")
}

// begin starts the process, unless it is time to stop.
func (c *child) begin(cmd *exec.Cmd) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return errors.New("stopping")
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the recognizer: %w", err)
	}
	c.process = cmd.Process
	return nil
}

func (c *child) isStopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping
}

// Stop ends the child: it is asked to, and made to when it does not.
func (c *child) Stop(ctx context.Context) error {
	c.mu.Lock()
	c.stopping = true
	process := c.process
	c.mu.Unlock()
	close(c.quit)
	if process != nil {
		_ = process.Signal(syscall.SIGTERM) // it may have ended already
	}
	ctx, cancel := context.WithTimeout(ctx, childGrace)
	defer cancel()
	select {
	case <-c.ended:
		return nil
	case <-ctx.Done():
	}
	if process != nil {
		_ = process.Kill()
	}
	<-c.ended
	return errors.New("the recognizer did not end in time and was killed")
}

// Close gives the socket back.
func (c *child) Close() error { return errors.Join(c.socket.Close(), c.listen.Close()) }

// WaitReady returns once the child answers that it is ready. Describing many
// known pictures takes its time; the child's log tells how far it is.
func (c *child) WaitReady(ctx context.Context, client *recognizerclient.Client) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		ping, cancel := context.WithTimeout(ctx, time.Second)
		err := client.Ping(ping)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the recognizer: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}
