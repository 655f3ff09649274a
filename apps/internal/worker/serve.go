package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	// trimAfter is how long nothing is asked before the child gives freed memory
	// back to the system.
	trimAfter = time.Second
	// leaveGrace is how long a request may run on after the parent has gone.
	leaveGrace = time.Second
	// gcPercent is GOGC of a child unless the environment sets it. Almost all of a
	// child's Go memory are pixels, which the collector need not read: collecting
	// often is cheap and keeps a picture's buffers from piling up.
	gcPercent = 30
)

// Run is the main function of a child that Start has started: it serves until
// the parent goes. It ignores the signals that stop programs: the parent
// decides when its children end.
func Run(open func() (engine.Engine, error)) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	preferForOOM()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	// The name that tools show; otherwise it would be "exe" (see Self).
	_ = os.WriteFile("/proc/self/comm", []byte("rollcall-worker"), 0)
	socket := os.NewFile(childSocket, "parent")
	conn, err := net.FileConn(socket) // a duplicate
	if err != nil {
		return fmt.Errorf("a worker is started by its parent program only: %w", err)
	}
	socket.Close()
	defer conn.Close()
	return Serve(context.Background(), conn, open)
}

// Serve is the child's side of a connection: it opens the engine, says hello and
// answers requests until the parent goes or ctx ends. An engine that cannot be
// opened is reported to the parent, not returned. Where a request does not end
// soon after the parent has gone, Serve returns an error and leaves it running;
// the process is expected to exit.
func Serve(ctx context.Context, conn net.Conn, open func() (engine.Engine, error)) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	d, err := newDecoder()
	if err != nil {
		return err
	}
	restMemory, err := readGreeting(conn)
	if err != nil {
		return err
	}
	eng, err := openSafely(open)
	if err != nil {
		return say(conn, hello{Version: protocolVersion, Problem: cut(err.Error())})
	}
	statm, err := os.Open("/proc/self/statm")
	if err != nil {
		eng.Close()
		return fmt.Errorf("open the worker's own memory figures: %w", err)
	}
	defer statm.Close()
	s := &server{conn: conn, engine: eng, decoder: d, statm: statm, restMemory: restMemory, jobs: make(chan job, 1)}
	if err := say(conn, hello{Version: protocolVersion}); err != nil {
		eng.Close()
		return err
	}
	return s.serve(ctx)
}

// readGreeting returns the memory above which the child trims itself, in bytes.
func readGreeting(conn net.Conn) (int64, error) {
	f, err := readFrame(conn, childLimits, newRoom)
	if err != nil {
		return 0, fmt.Errorf("wait for the parent's greeting: %w", err)
	}
	if f.kind != kindGreeting || len(f.payload) != 9 {
		return 0, fmt.Errorf("%w: no greeting", errFrame)
	}
	if v := f.payload[0]; v != protocolVersion {
		err := fmt.Errorf("the parent speaks version %d of the protocol, not %d", v, protocolVersion)
		return 0, errors.Join(err, say(conn, hello{Version: protocolVersion, Problem: err.Error()}))
	}
	return int64(binary.BigEndian.Uint64(f.payload[1:])), nil
}

func say(conn net.Conn, h hello) error {
	payload, err := encode(h)
	if err != nil {
		return err
	}
	return writeFrame(conn, kindHello, 0, payload)
}

// openSafely turns a panic of open into an error.
func openSafely(open func() (engine.Engine, error)) (eng engine.Engine, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while the engine was opened: %v\n%s", p, debug.Stack())
		}
	}()
	return open()
}

// job is a request on its way to the engine.
type job struct {
	frame
	ctx  context.Context
	done context.CancelFunc
}

// server answers the requests of one parent.
type server struct {
	conn       net.Conn
	engine     engine.Engine
	decoder    decoder
	statm      *os.File
	restMemory int64
	jobs       chan job

	mu      sync.Mutex
	current job    // the last that was read
	file    []byte // memory for a picture file, used again for the next one
}

// maxKept is the largest memory for a file, in bytes, that is kept at rest.
const maxKept = 8 << 20

// room gives memory for a payload. A picture takes the place of the one before:
// an engine may read a file until its next Look (see engine.Engine).
func (s *server) room(k kind, n int) []byte {
	if k != kindLook && k != kindRender && k != kindDescribe {
		return make([]byte, n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if cap(s.file) < n {
		s.file = nil // so that the two are not needed at once
		s.file = make([]byte, n+n/4)
	}
	return s.file[:n]
}

// serve reads requests here, so that a cancel is heard at once, and answers them
// in another goroutine.
func (s *server) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	worked := make(chan error, 1)
	go func() {
		worked <- s.work()
		s.conn.Close() // ends read too where an answer could not be sent
	}()
	err := s.read(ctx)
	close(s.jobs)
	cancel()
	timer := time.NewTimer(leaveGrace)
	defer timer.Stop()
	select {
	case workErr := <-worked:
		s.engine.Close()
		return errors.Join(err, workErr)
	case <-timer.C:
		return errors.Join(err, errors.New("the parent went, and the engine is still at work"))
	}
}

// read passes requests on until the connection ends, which is no error between
// two frames.
func (s *server) read(ctx context.Context) error {
	for {
		f, err := readFrame(s.conn, childLimits, s.room)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET):
			return nil
		case err != nil:
			return err
		}
		switch f.kind {
		case kindCancel:
			s.cancel(f.seq)
		case kindLook, kindReexamine, kindRender, kindDescribe:
			j := job{frame: f}
			j.ctx, j.done = context.WithCancel(ctx)
			s.mu.Lock()
			s.current = j
			s.mu.Unlock()
			select {
			case s.jobs <- j:
			default:
				j.done()
				return fmt.Errorf("%w: a request before the last was answered", errFrame)
			}
		default:
			return fmt.Errorf("%w: kind %d in place of a request", errFrame, f.kind)
		}
	}
}

func (s *server) cancel(seq uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.done != nil && s.current.seq == seq {
		s.current.done()
	}
}

// work answers requests until there are no more.
func (s *server) work() error {
	idle := time.NewTimer(trimAfter)
	defer idle.Stop()
	for {
		select {
		case <-idle.C:
			s.trim()
		case j, ok := <-s.jobs:
			if !ok {
				return nil
			}
			err := s.answer(j)
			j.done()
			if err != nil {
				return err
			}
			idle.Reset(trimAfter)
		}
	}
}

// answer runs one request and sends its reply.
func (s *server) answer(j job) error {
	r := s.run(j)
	if r.Failure != nil && j.ctx.Err() != nil {
		r.Failure.Cancelled = true
	}
	payload, err := encode(r)
	if err == nil && len(payload) > maxReply {
		err = fmt.Errorf("the answer has %d bytes, at most %d fit", len(payload), maxReply)
	}
	if err != nil {
		if payload, err = encode(reply{Failure: failureOf(err)}); err != nil {
			return err
		}
	}
	// The parent measures the memory when it has the reply.
	if n, err := resident(s.statm); err == nil && n > s.restMemory {
		s.trim()
	}
	return writeFrame(s.conn, kindReply, j.seq, payload)
}

// run calls the engine. A panic becomes the failure of this one request.
func (s *server) run(j job) (r reply) {
	defer func() {
		if p := recover(); p != nil {
			r = reply{Failure: &failure{
				Panic: true, Message: cut(fmt.Sprintf("panic while looking at the picture: %v", p)), Cause: cut(string(debug.Stack())),
			}}
		}
	}()
	switch j.kind {
	case kindReexamine:
		return s.reexamine(j)
	case kindRender:
		return s.render(j)
	case kindDescribe:
		return s.describe(j)
	}
	if len(j.payload) == 0 {
		return reply{Failure: failureOf(fmt.Errorf("%w: a picture without a purpose", errFrame))}
	}
	seen, err := s.engine.Look(j.ctx, j.payload[1:], engine.Purpose(j.payload[0]))
	if err != nil {
		return reply{Failure: failureOf(err)}
	}
	return seenReply(seen)
}

func (s *server) reexamine(j job) reply {
	var numbers []int
	if err := s.decoder.decode(j.payload, &numbers); err != nil {
		return reply{Failure: failureOf(err)}
	}
	list, err := s.engine.Reexamine(j.ctx, numbers)
	if err != nil {
		return reply{Failure: failureOf(err)}
	}
	return reply{Vectors: vectorsOf(list)}
}

func (s *server) render(j job) reply {
	renderer, ok := s.engine.(engine.Renderer)
	if !ok {
		return reply{Failure: failureOf(errors.New("this engine renders no pictures"))}
	}
	var r faces.Rendering
	file, err := s.split(j.payload, &r)
	if err != nil {
		return reply{Failure: failureOf(err)}
	}
	rendered, err := renderer.Render(j.ctx, file, r)
	if err != nil {
		return reply{Failure: failureOf(err)}
	}
	return reply{Rendered: &rendered}
}

func (s *server) describe(j job) reply {
	describer, ok := s.engine.(engine.BoxDescriber)
	if !ok {
		return reply{Failure: failureOf(errors.New("this engine describes no boxes"))}
	}
	var box faces.Box
	file, err := s.split(j.payload, &box)
	if err != nil {
		return reply{Failure: failureOf(err)}
	}
	seen, err := describer.DescribeBox(j.ctx, file, box)
	if err != nil {
		return reply{Failure: failureOf(err)}
	}
	return seenReply(seen)
}

// split reads what is asked about a file, and returns the file after it.
func (s *server) split(payload []byte, how any) (file []byte, err error) {
	if len(payload) < 2 {
		return nil, fmt.Errorf("%w: a picture, and not what to do with it", errFrame)
	}
	length, file := int(binary.BigEndian.Uint16(payload)), payload[2:]
	if length > len(file) {
		return nil, fmt.Errorf("%w: half a request", errFrame)
	}
	return file[length:], s.decoder.decode(file[:length], how)
}

// trim gives freed memory back to the system.
func (s *server) trim() {
	s.mu.Lock()
	if cap(s.file) > maxKept {
		s.file = nil // the engine may hold it on
	}
	s.mu.Unlock()
	debug.FreeOSMemory()
	if t, ok := s.engine.(engine.Trimmer); ok {
		t.Trim()
	}
}
