package lifecycle

import (
	"net/http"
	"time"
)

const (
	// writePatience is the default of HTTP.WritePatience.
	writePatience = 30 * time.Second
	writePart     = 64 << 10 // bytes
)

// steadyWriter gives the client a limited time for each part of the answer. A limit
// of the whole answer would cut long streams, and no limit would let a client that
// does not read hold a connection for ever.
type steadyWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

// Unwrap lets http.ResponseController find the connection.
func (w *steadyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write implements io.Writer.
func (w *steadyWriter) Write(p []byte) (written int, err error) {
	for {
		part := p[:min(len(p), writePart)]
		w.extend()
		n, err := w.ResponseWriter.Write(part)
		written += n
		p = p[len(part):]
		if err != nil || len(p) == 0 {
			return written, err
		}
	}
}

// WriteHeader implements http.ResponseWriter.
func (w *steadyWriter) WriteHeader(status int) {
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

// FlushError lets http.ResponseController flush.
func (w *steadyWriter) FlushError() error {
	w.extend()
	return w.control.Flush()
}

// Flush implements http.Flusher, which Gin calls.
func (w *steadyWriter) Flush() { _ = w.FlushError() } // the next Write returns the error

// extend moves the deadline. It fails for writers without a connection, such as
// those of tests.
func (w *steadyWriter) extend() { _ = w.control.SetWriteDeadline(time.Now().Add(w.patience)) }
