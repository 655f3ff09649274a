package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// HTTP is an HTTP server as a Part of a program. Name, Address and Handler are
// required.
type HTTP struct {
	Name    string
	Address string // host:port; port 0 picks a free one
	Handler http.Handler
	// Linger is how long the server keeps answering after it was asked to stop.
	// Each answer then asks the client to close its connection. Without it, a
	// request sent on an idle connection at the moment it is closed is lost.
	Linger time.Duration
	// WritePatience is how long a client may take for each part of an answer, of
	// at most 64 KiB. 0 is 30 seconds. An answer as a whole may take any time.
	WritePatience time.Duration
	// MaxConnections limits the open connections, see LimitConnections. 0 is 1024.
	MaxConnections int
	// OnShutdown, if it is set, is called when no new connection is accepted any more:
	// it ends answers that would go on for ever.
	OnShutdown func()

	listener  net.Listener
	server    *http.Server
	lingering atomic.Bool
}

// Listen binds the address, so that Addr is known before the server starts.
// Start binds it otherwise.
func (h *HTTP) Listen() error {
	l, err := net.Listen("tcp", h.Address)
	if err != nil {
		return fmt.Errorf("listen for %s: %w", h.Name, err)
	}
	h.listener = l
	return nil
}

// Addr returns the bound host:port. It panics before Listen.
func (h *HTTP) Addr() string { return h.listener.Addr().String() }

// Part returns the server as a Part.
func (h *HTTP) Part() Part {
	return Part{Name: h.Name, Start: h.start, Stop: h.stop}
}

func (h *HTTP) start(_ context.Context, fail func(error)) error {
	if h.listener == nil {
		if err := h.Listen(); err != nil {
			return err
		}
	}
	h.server = &http.Server{
		Handler:           http.HandlerFunc(h.serve),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute, // of a body that the handler does not read
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	if h.OnShutdown != nil {
		h.server.RegisterOnShutdown(h.OnShutdown)
	}
	listener := h.limited()
	go func() {
		if err := h.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fail(err)
		}
	}()
	return nil
}

func (h *HTTP) serve(w http.ResponseWriter, r *http.Request) {
	if h.lingering.Load() {
		w.Header().Set("Connection", "close")
	}
	answer := &steadyWriter{ResponseWriter: w, control: http.NewResponseController(w), patience: cmp.Or(h.WritePatience, writePatience)}
	defer answer.extend() // net/http flushes the rest of the answer afterwards
	h.Handler.ServeHTTP(answer, r)
}

func (h *HTTP) stop(ctx context.Context) error {
	h.lingering.Store(true)
	select {
	case <-time.After(h.Linger):
	case <-ctx.Done():
	}
	if err := h.server.Shutdown(ctx); err != nil {
		return errors.Join(err, h.server.Close())
	}
	return nil
}
