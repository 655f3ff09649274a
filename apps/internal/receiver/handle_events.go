package receiver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/events"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// EventOptions configures events.
type EventOptions struct {
	Keep    store.EventLimits
	Streams int           // at once
	Beat    time.Duration // between two signs of life of a stream; 0 is 15 seconds
}

func readEvents(r *config.Reader) EventOptions {
	return EventOptions{
		Keep: store.EventLimits{
			MaxAge:  r.Duration("ROLLCALL_EVENTS_AGE", 7*24*time.Hour, time.Minute, 10*365*24*time.Hour, "how long events are kept for consumers that come later"),
			MaxRows: int64(r.Int("ROLLCALL_EVENTS_ROWS", 1_000_000, 1000, 1<<40, "maximum number of events that are kept")),
		},
		Streams: r.Int("ROLLCALL_EVENT_STREAMS", 100, 1, 100_000, "maximum number of streams of events at once; more of them get 503"),
	}
}

const (
	// defaultBeat keeps proxies from closing a stream; most of them wait for a minute.
	defaultBeat = 15 * time.Second
	// recheckKey is how often a stream looks whether its key is still valid: revoked
	// keys are promised to be refused within 5 seconds.
	recheckKey = 4 * time.Second
	// streamRetry is the pause of a stream while the database cannot be reached.
	streamRetry = time.Second
	// reconnect tells a browser when to connect again, in milliseconds.
	reconnect = 2000
)

func (s *Server) openEvents(reg prometheus.Registerer) {
	s.streams = semaphore.NewWeighted(int64(max(1, s.opts.Events.Streams)))
	s.feed = events.New(s.store, events.Options{Keep: s.opts.Events.Keep}, s.log, reg)
}

// Events returns the part of a program that numbers, reads and deletes events.
func (s *Server) Events() lifecycle.Part { return s.feed.Part() }

// EndStreams ends the streams of events. Their clients connect again, to another
// receiver.
func (s *Server) EndStreams() { s.feed.Close() }

// listEvents answers with a page of events, or with a stream.
func (s *Server) listEvents(c *gin.Context) error {
	types, err := readTypes(c.Query("types"))
	if err != nil {
		return err
	}
	after, limit, err := httpapi.ReadPage(c, "an event")
	if err != nil {
		return err
	}
	seen := faces.EventPosition{ID: after}
	if text := c.Query("position"); text != "" {
		if seen, err = readPosition(`"position"`, text); err != nil {
			return err
		}
	}
	if wantsStream(c.GetHeader("Accept")) {
		return s.streamEvents(c, seen, types)
	}
	page, err := s.feed.Page(c.Request.Context(), seen, types, limit)
	if err != nil {
		return goneOr(err)
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, api.EventList{
		Events: mapped(page.Events, events.Wire), Next: page.Next, Position: faces.EventPosition{ID: page.Next, Check: page.Last}.String(),
	})
	return nil
}

func goneOr(err error) error {
	var gone *events.GoneError
	if errors.As(err, &gone) {
		return api.Errorf(api.CodeEventsGone, "%v; read what you need anew, and go on without \"after\"", gone)
	}
	return err
}

// wantsStream reports whether a request accepts a stream of events. Whoever accepts
// anything gets a page.
func wantsStream(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		kind, _, err := mime.ParseMediaType(part)
		if err == nil && kind == "text/event-stream" {
			return true
		}
	}
	return false
}

func readTypes(text string) ([]faces.EventType, error) {
	if text == "" {
		return nil, nil
	}
	var types []faces.EventType
	for name := range strings.SplitSeq(text, ",") {
		t := faces.EventType(name)
		if !slices.Contains(faces.EventTypes(), t) {
			return nil, api.Errorf(api.CodeInvalidRequest, "%q is no type of events; the types are %s, separated by commas",
				httpapi.Shorten(name), strings.Join(mapped(faces.EventTypes(), func(t faces.EventType) string { return string(t) }), ", "))
		}
		types = append(types, t)
	}
	return types, nil
}

// readSeen returns the last event that a client of a stream has seen. The header is
// what a browser sends when it connects again, with the same address as before.
func readSeen(c *gin.Context, sent faces.EventPosition) (faces.EventPosition, error) {
	header := c.GetHeader("Last-Event-ID")
	if header == "" {
		if c.Query("after") == "" && c.Query("position") == "" {
			return faces.EventPosition{ID: events.Newest}, nil
		}
		return sent, nil
	}
	return readPosition("the header Last-Event-ID", header)
}

func readPosition(name, text string) (faces.EventPosition, error) {
	p, ok := faces.ParseEventPosition(text)
	if !ok {
		return p, api.Errorf(api.CodeInvalidRequest, "%s must be the id of an event or a position such as 1042-9f3a01c2, not %q", name, httpapi.Shorten(text))
	}
	return p, nil
}

// streamEvents answers with events as they happen, until the client or this process
// goes.
func (s *Server) streamEvents(c *gin.Context, sent faces.EventPosition, types []faces.EventType) error {
	seen, err := readSeen(c, sent)
	if err != nil {
		return err
	}
	if !s.streams.TryAcquire(1) {
		return api.Errorf(api.CodeUnavailable, "there are %d streams of events already, which is ROLLCALL_EVENT_STREAMS; read pages, or try again later", s.opts.Events.Streams)
	}
	defer s.streams.Release(1)
	ctx := c.Request.Context()
	listener, err := s.feed.Listen(ctx, seen, types)
	if errors.Is(err, events.ErrClosed) {
		return api.Errorf(api.CodeUnavailable, "this receiver is stopping; try again")
	}
	if err != nil {
		return err
	}
	defer listener.Close()
	c.Set(httpapi.StreamKey, true)
	// The limit of the time of a request's body would end the stream, too.
	_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Time{}) // fails without a connection, in tests
	c.Header("Content-Type", "text/event-stream; charset=utf-8")
	c.Header("Cache-Control", "no-store")
	c.Header("X-Accel-Buffering", "no") // nginx would wait for more
	c.Status(http.StatusOK)
	st := &stream{server: s, c: c, listener: listener, beat: s.opts.Events.Beat}
	if st.beat == 0 {
		st.beat = defaultBeat
	}
	st.run(ctx)
	return nil
}

// stream is one answer that goes on for ever.
type stream struct {
	server   *Server
	c        *gin.Context
	listener *events.Listener
	beat     time.Duration
	wrote    time.Time // when the client got something last
	checked  time.Time // when the key was valid last
}

// run returns when the stream is over: its client connects again.
func (st *stream) run(ctx context.Context) {
	st.checked = time.Now()
	ready := fmt.Sprintf("retry: %d\nevent: ready\nid: %s\ndata: {\"after\":%d}\n\n", reconnect, st.listener.Seen(), st.listener.Seen().ID)
	for err := st.write(ready); err == nil; {
		err = st.step(ctx)
	}
}

// step waits for events and writes them, or a sign of life.
func (st *stream) step(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, min(time.Until(st.wrote.Add(st.beat)), time.Until(st.checked.Add(recheckKey))))
	list, err := st.listener.Next(limited)
	cancel()
	var gone *events.GoneError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, events.ErrClosed):
		return err
	case errors.As(err, &gone):
		return st.write(message(st.listener.Seen(), "reset", api.EventReset{After: gone.Seen, Next: st.listener.Seen().ID}))
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		st.server.log.Debug("a stream of events waits", "request_id", httpapi.RequestID(st.c), "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(streamRetry):
		}
	}
	if time.Since(st.checked) >= recheckKey {
		if err := st.checkKey(ctx); err != nil {
			return err
		}
	}
	if len(list) > 0 {
		var text strings.Builder
		for _, e := range list {
			text.WriteString(message(e.Position(), string(e.Type), events.Wire(e)))
		}
		return st.write(text.String())
	}
	if time.Since(st.wrote) >= st.beat {
		return st.write(fmt.Sprintf(": still here\nid: %s\n\n", st.listener.Seen()))
	}
	return nil
}

// checkKey returns an error if the key of the stream may not read any more.
func (st *stream) checkKey(ctx context.Context) error {
	who, err := st.server.keys.Recheck(ctx, credentials(st.c))
	if err == nil {
		err = who.Check(access.Read)
	}
	if err != nil && isUnavailable(err) {
		err = nil // it says nothing about the key
	}
	st.checked = time.Now()
	return err
}

func (st *stream) write(text string) error {
	if _, err := st.c.Writer.WriteString(text); err != nil {
		return err
	}
	st.wrote = time.Now()
	return http.NewResponseController(st.c.Writer).Flush()
}

// message returns a message of a stream. JSON has no line breaks.
func message(at faces.EventPosition, kind string, data any) string {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // these types can be encoded
	}
	return fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n", at, kind, text)
}
