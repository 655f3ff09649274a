package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	// pollEvery is how often a child's memory and time are checked while it
	// looks at a picture.
	pollEvery = 20 * time.Millisecond
	// maxStep bounds what one check adds to a picture's time. If this process
	// was itself stopped in between, the picture is not charged for it.
	maxStep = time.Second
	// maxStopped is how long a child may be stopped by a signal. It counts as
	// crashed then: its picture did not do that.
	maxStopped = 2 * time.Second
)

// budget is what one request may take.
type budget struct {
	time   time.Duration
	memory int64         // bytes
	grace  time.Duration // from cancel to kill
}

// request is a frame for the child.
type request struct {
	kind  kind
	parts [][]byte
}

// answer is what came back: a reply, or the error of the connection.
type answer struct {
	reply reply
	err   error
}

// ending is the error of a request that did not survive, nor did its child.
type ending struct {
	cause   Cause
	how     string // for the log
	outside bool   // somebody else killed the child
	peak    int64  // most resident memory that was measured, in bytes
}

// Error implements error.
func (e *ending) Error() string { return "the worker ended: " + e.how }

// look asks for Engine.Look.
func (c *child) look(ctx context.Context, b budget, file []byte, purpose engine.Purpose) (engine.Seen, error) {
	r, peak, err := c.call(ctx, b, request{kindLook, [][]byte{{byte(purpose)}, file}})
	if err != nil {
		return engine.Seen{}, err
	}
	seen, err := r.seen()
	if err != nil {
		return engine.Seen{}, c.broken(err, peak)
	}
	return seen, nil
}

// describe asks for BoxDescriber.DescribeBox.
func (c *child) describe(ctx context.Context, b budget, file []byte, box faces.Box) (engine.Seen, error) {
	req, err := about(kindDescribe, box, file)
	if err != nil {
		return engine.Seen{}, err
	}
	r, peak, err := c.call(ctx, b, req)
	if err != nil {
		return engine.Seen{}, err
	}
	seen, err := r.seen()
	if err == nil && (len(seen.Faces) != 1 || seen.Faces[0].Box != box || seen.Faces[0].Descriptor == nil) {
		err = fmt.Errorf("%w: not the face that was asked for", errFrame)
	}
	if err != nil {
		return engine.Seen{}, c.broken(err, peak)
	}
	return seen, nil
}

// about returns the request to do something with a file.
func about(k kind, how any, file []byte) (request, error) {
	part, err := encode(how)
	length := binary.BigEndian.AppendUint16(nil, uint16(len(part)))
	return request{k, [][]byte{length, part, file}}, err
}

// reexamine asks for Engine.Reexamine.
func (c *child) reexamine(ctx context.Context, b budget, numbers []int) ([]faces.Descriptor, error) {
	payload, err := encode(numbers)
	if err != nil {
		return nil, err
	}
	r, peak, err := c.call(ctx, b, request{kindReexamine, [][]byte{payload}})
	if err != nil {
		return nil, err
	}
	list, err := r.reexamined(len(numbers))
	if err != nil {
		return nil, c.broken(err, peak)
	}
	return list, nil
}

// render asks for Renderer.Render.
func (c *child) render(ctx context.Context, b budget, file []byte, r faces.Rendering) (faces.Rendered, error) {
	req, err := about(kindRender, r, file)
	if err != nil {
		return faces.Rendered{}, err
	}
	res, peak, err := c.call(ctx, b, req)
	if err != nil {
		return faces.Rendered{}, err
	}
	rendered, err := res.rendered()
	if err != nil {
		return faces.Rendered{}, c.broken(err, peak)
	}
	return rendered, nil
}

// call sends a request and waits for the reply; peak is the most resident memory
// that was measured meanwhile, in bytes. It ends the child where the
// request exceeds its budget, and where ctx ends and the child does not stop in
// time. The error is then an *ending.
func (c *child) call(ctx context.Context, b budget, req request) (r reply, peak int64, err error) {
	if err := ctx.Err(); err != nil {
		return reply{}, 0, err
	}
	c.seq++
	sent, got := make(chan struct{}), make(chan answer, 1)
	go func() { got <- c.exchange(req, sent) }()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var (
		cancelled      = ctx.Done()
		cancelOnceSent <-chan struct{}
		grace          <-chan time.Time
		spent, stopped time.Duration
		last           = time.Now()
	)
	for {
		select {
		case a := <-got:
			r, err := c.judge(ctx, a, peak)
			return r, peak, err
		case <-cancelled:
			cancelled, cancelOnceSent = nil, sent
			timer := time.NewTimer(b.grace)
			defer timer.Stop()
			grace = timer.C
		case <-cancelOnceSent:
			cancelOnceSent = nil
			_ = c.conn.SetWriteDeadline(time.Now().Add(b.grace)) // an error shows in the write
			_ = writeFrame(c.conn, kindCancel, c.seq)            // if it fails, grace runs out
		case <-grace:
			return reply{}, peak, c.cutOff(got, Cancelled, "its caller gave up", peak)
		case now := <-ticker.C:
			step := min(now.Sub(last), maxStep)
			spent, last = spent+step, now
			if stopped += step; !isStopped(c.cmd.Process.Pid) {
				stopped = 0
			}
			if stopped > maxStopped {
				return reply{}, peak, c.cutOff(got, Crash, "somebody had stopped it", peak)
			}
			peak = max(peak, c.memory())
			if peak > b.memory {
				return reply{}, peak, c.cutOff(got, Memory, fmt.Sprintf("its picture took %d MiB", peak>>20), peak)
			}
			if spent > b.time {
				return reply{}, peak, c.cutOff(got, Time, fmt.Sprintf("its picture took %v", spent.Round(pollEvery)), peak)
			}
		}
	}
}

// exchange writes the request, closes sent, and reads the reply.
func (c *child) exchange(req request, sent chan<- struct{}) answer {
	_ = c.conn.SetWriteDeadline(time.Time{}) // an earlier cancel may have set one
	err := writeFrame(c.conn, req.kind, c.seq, req.parts...)
	if err != nil {
		return answer{err: err}
	}
	close(sent)
	f, err := readFrame(c.conn, parentLimits, newRoom)
	if err != nil {
		return answer{err: err}
	}
	if f.kind != kindReply || f.seq != c.seq {
		return answer{err: fmt.Errorf("%w: kind %d, number %d in place of reply %d", errFrame, f.kind, f.seq, c.seq)}
	}
	var r reply
	if err := c.decoder.decode(f.payload, &r); err != nil {
		return answer{err: err}
	}
	return answer{reply: r}
}

// judge turns an answer into the result of a call; its parts are not checked yet.
func (c *child) judge(ctx context.Context, a answer, peak int64) (reply, error) {
	failed := a.reply.Failure
	switch {
	case a.err != nil:
		return reply{}, c.broken(a.err, peak)
	case failed != nil && failed.Panic:
		c.end(Crash) // who knows what state the engine is in
		return reply{}, &ending{cause: Crash, how: failed.Message + "\n" + failed.Cause, peak: peak}
	case ctx.Err() != nil:
		return reply{}, ctx.Err()
	case failed != nil && failed.Cancelled:
		return reply{}, c.broken(fmt.Errorf("%w: a cancelled reply that nobody asked for", errFrame), peak)
	case failed != nil:
		return reply{}, failed.err()
	}
	return a.reply, nil
}

// broken ends a child whose connection failed or that broke the protocol.
func (c *child) broken(err error, peak int64) *ending {
	if errors.Is(err, errFrame) {
		c.end(Crash)
		return &ending{cause: Crash, how: err.Error(), peak: peak}
	}
	how := c.bury()
	cause, _ := c.ended()
	return &ending{cause: cause, how: how, outside: c.killedFromOutside(), peak: peak}
}

// cutOff kills the child in the middle of a request.
func (c *child) cutOff(got <-chan answer, cause Cause, how string, peak int64) *ending {
	c.end(cause)
	<-got // the connection is closed, so that the exchange ends
	return &ending{cause: cause, how: how, peak: peak}
}
