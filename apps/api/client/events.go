package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/internal/rawclient"
)

// ListEvents returns a page of events, oldest first. Go on at its Position.
func (c *Client) ListEvents(ctx context.Context, page api.ListEventsParams) (api.EventList, error) {
	return call[api.EventList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListEvents(ctx, &page)
	})
}

// FromNow makes FollowEvents begin with the next event.
const FromNow int64 = -1

// EventMessage is a message of a stream of events.
type EventMessage struct {
	// After is the id of the last event up to this message.
	After int64
	// Position is where to go on after this message: remember it once the message is
	// handled. It is After with a check, by which a database that was restored is
	// noticed.
	Position string
	Event    *api.Event // nil if there is none: then only After has moved
	// Reset is set if events are missing that the consumer has not seen.
	Reset *api.EventReset
}

// FollowEvents returns the events after an id as they happen; 0 begins with the
// oldest that is kept. It does not end before ctx does, or the loop: when the
// connection is lost, it connects again and goes on after the last message. It yields
// an error, and ends, only if the receiver refuses the request.
func (c *Client) FollowEvents(ctx context.Context, after int64, types ...api.EventType) iter.Seq2[EventMessage, error] {
	position := ""
	if after != FromNow {
		position = strconv.FormatInt(after, 10)
	}
	return c.FollowEventsFrom(ctx, position, types...)
}

// FollowEventsFrom is FollowEvents for the Position of the last message. "" begins with
// the next event.
func (c *Client) FollowEventsFrom(ctx context.Context, position string, types ...api.EventType) iter.Seq2[EventMessage, error] {
	return func(yield func(EventMessage, error) bool) {
		pause := firstPause
		for ctx.Err() == nil {
			err := c.stream(ctx, position, types, func(m EventMessage) bool {
				position, pause = m.Position, firstPause
				return yield(m, nil)
			})
			if errors.Is(err, errStopped) {
				return
			}
			if err != nil && ctx.Err() == nil && !isTemporary(ctx, err) {
				yield(EventMessage{}, err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause/2 + rand.N(pause)):
			}
			pause = min(2*pause, maxPause)
		}
		yield(EventMessage{}, ctx.Err())
	}
}

// errStopped is why a stream ends whose reader wants no more.
var errStopped = errors.New("stopped")

// quiet is how long a stream may be silent. A receiver gives a sign of life every 15
// seconds, so a longer silence is a connection that is lost.
const quiet = time.Minute

// stream reads one stream until it ends.
func (c *Client) stream(ctx context.Context, position string, types []api.EventType, take func(EventMessage) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	alive := time.AfterFunc(quiet, cancel)
	defer alive.Stop()
	params := api.ListEventsParams{}
	if position != "" {
		params.Position = &position
	}
	if len(types) > 0 {
		params.Types = &types
	}
	var edit rawclient.RequestEditorFn = func(_ context.Context, req *http.Request) error {
		req.Header.Set("Accept", "text/event-stream")
		return nil
	}
	res, err := c.raw.ListEvents(ctx, &params, edit)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %w", res.Request.Method, res.Request.URL.Path, readError(res))
	}
	reader := bufio.NewReaderSize(res.Body, 64<<10)
	for {
		m, err := readMessage(reader, maxAnswer)
		if err != nil {
			return err
		}
		alive.Reset(quiet)
		if !take(m) {
			return errStopped
		}
	}
}

// readMessage reads a server-sent event that has an id. Others it passes over.
func readMessage(r *bufio.Reader, limit int) (EventMessage, error) {
	var m EventMessage
	var kind, data, id string
	for read := 0; ; {
		line, err := r.ReadString('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // between two messages, too: a stream does not end
			}
			return m, err
		}
		if read += len(line); read > limit {
			return m, fmt.Errorf("a message of the stream has more than %d bytes", limit)
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" && id != "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			data += value
		}
	}
	var err error
	number, _, _ := strings.Cut(id, "-")
	if m.After, err = strconv.ParseInt(number, 10, 64); err != nil {
		return m, fmt.Errorf("the stream has the id %q, which is no position", id)
	}
	m.Position = id
	switch {
	case data == "" || kind == "ready":
	case kind == "reset":
		err = json.Unmarshal([]byte(data), &m.Reset)
	default:
		err = json.Unmarshal([]byte(data), &m.Event)
	}
	if err != nil {
		err = fmt.Errorf("read message %d of the stream: %w", m.After, err)
	}
	return m, err
}
