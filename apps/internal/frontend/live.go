package frontend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	livePoll     = time.Second      // between two looks for changes
	liveBeat     = 15 * time.Second // between two signs of life: proxies close a silent connection
	liveWrite    = 10 * time.Second // how long a viewer may take for one message
	liveBatch    = 500              // events per look
	liveImages   = 100              // images per message; if more have changed, viewers load the page again
	liveHeld     = 8                // messages that a slow viewer may be behind
	liveRetry    = 2000             // milliseconds until a browser connects again
	liveEverySec = 5                // polls between two tries while the database is away
)

// live tells viewers what has changed. It reads the events and renders the images once
// for all of them, and only while there are viewers. It is safe for concurrent use.
type live struct {
	server *Server
	poll   time.Duration

	mu      sync.Mutex // guards the fields below
	viewers map[*viewer]bool
	after   int64 // the last event that viewers know
	stop    context.CancelFunc
	closed  bool
}

// viewer is one open page.
type viewer struct {
	kind string      // what it shows: gridView, tableView, or ids only
	out  chan []byte // is closed when the viewer is too slow, or the server stops
}

func newLive(s *Server) *live {
	poll := s.opts.LivePoll
	if poll == 0 {
		poll = livePoll
	}
	return &live{server: s, poll: poll, viewers: map[*viewer]bool{}}
}

// join adds a viewer. The first one starts the loop. It returns the event after which
// the viewer gets all changes; ok is false if the server stops.
func (l *live) join(ctx context.Context, kind string) (v *viewer, after int64, ok bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errTooSlow) // also of those who wait behind this one
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, 0, false, nil
	}
	if l.stop == nil {
		has, err := l.server.store.EventRange(ctx)
		if err != nil && ctx.Err() != nil {
			err = faces.Errorf(faces.CodeUnavailable, "read the range of events: %v", context.Cause(ctx))
		}
		if err != nil {
			return nil, 0, false, err
		}
		l.after = has.Newest
		var loop context.Context
		loop, l.stop = context.WithCancel(context.WithoutCancel(ctx))
		go l.run(loop)
	}
	v = &viewer{kind: kind, out: make(chan []byte, liveHeld)}
	l.viewers[v] = true
	return v, l.after, true, nil
}

// leave removes a viewer. The last one stops the loop.
func (l *live) leave(v *viewer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.viewers, v)
	if len(l.viewers) == 0 && l.stop != nil {
		l.stop()
		l.stop = nil
	}
}

// close ends all streams. Browsers connect again, to another server.
func (l *live) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for v := range l.viewers {
		delete(l.viewers, v)
		close(v.out)
	}
	if l.stop != nil {
		l.stop()
		l.stop = nil
	}
}

// run looks for changes until ctx ends.
func (l *live) run(ctx context.Context) {
	tick := time.NewTicker(l.poll)
	defer tick.Stop()
	for pause := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if pause--; pause > 0 {
			continue
		}
		if err := l.look(ctx); err != nil && ctx.Err() == nil {
			l.server.log.DebugContext(ctx, "open pages are not up to date", "error", err)
			pause = liveEverySec
		}
	}
}

// look reads the new events and tells the viewers.
func (l *live) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	l.mu.Lock()
	after := l.after
	l.mu.Unlock()
	page, err := l.server.store.Events(ctx, after, nil, liveBatch)
	if err != nil || len(page.Events) == 0 && page.Has.Has(after) {
		return err
	}
	messages, err := l.messages(ctx, page, page.Has.Has(after))
	if err != nil {
		return err
	}
	l.tell(page.Next, messages)
	return nil
}

// changes is what has changed, as viewers get it.
type changes struct {
	Changed []int64          `json:"changed,omitempty"` // ids of images
	Gone    []int64          `json:"gone,omitempty"`    // ids of deleted images
	Reload  bool             `json:"reload,omitempty"`  // too much has changed, or it is not known what
	HTML    map[int64]string `json:"html,omitempty"`    // the changed images
	Counts  map[string]int64 `json:"counts,omitempty"`  // by the keys of chips
}

// messages renders what has changed, for each kind of viewers that there is.
func (l *live) messages(ctx context.Context, page store.EventPage, whole bool) (map[string][]byte, error) {
	told := changes{Reload: !whole || len(page.Events) == liveBatch}
	if slices.ContainsFunc(page.Events, func(e faces.Event) bool { return e.ImageID == 0 }) {
		l.server.peopleIndex.outdate() // pages that load again show it
	}
	for _, e := range page.Events {
		switch {
		case e.Type == faces.PersonCreated: // nobody is shown as this person yet
		case e.ImageID == 0:
			told.Reload = true // the name of a person can be on any page
		case e.Type == faces.ImageDeleted:
			told.Gone = append(told.Gone, e.ImageID)
		case !slices.Contains(told.Changed, e.ImageID):
			told.Changed = append(told.Changed, e.ImageID)
		}
	}
	told.Reload = told.Reload || len(told.Changed) > liveImages
	counts, err := l.server.counts.get(ctx)
	if err != nil {
		return nil, err
	}
	told.Counts = l.server.countsByKey(counts)
	var images []faces.Image
	kinds := l.kinds()
	if !told.Reload && (kinds[gridView] || kinds[tableView]) {
		if images, err = l.server.store.SomeImages(ctx, told.Changed); err != nil {
			return nil, err
		}
	}
	messages := map[string][]byte{}
	for kind := range kinds {
		mine := told
		if mine.HTML, err = l.server.fragments(kind, images); err != nil {
			return nil, err
		}
		text, err := json.Marshal(mine)
		if err != nil {
			return nil, err
		}
		messages[kind] = fmt.Appendf(nil, "id: %d\ndata: %s\n\n", page.Next, text)
	}
	return messages, nil
}

func (l *live) kinds() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	kinds := map[string]bool{}
	for v := range l.viewers {
		kinds[v.kind] = true
	}
	return kinds
}

// tell sends the messages. A viewer that is too far behind is dropped: it connects
// again and loads the page.
func (l *live) tell(after int64, messages map[string][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.after = after
	for v := range l.viewers {
		message, ok := messages[v.kind]
		if !ok {
			message = fmt.Appendf(nil, "id: %d\ndata: {\"reload\":true}\n\n", after) // it came meanwhile
		}
		select {
		case v.out <- message:
		default:
			delete(l.viewers, v)
			close(v.out)
		}
	}
}

// fragments renders images as they are in a page of a kind.
func (s *Server) fragments(kind string, images []faces.Image) (map[int64]string, error) {
	var template string
	switch kind {
	case gridView:
		template = "card"
	case tableView:
		template = "row"
	default:
		return nil, nil
	}
	html := make(map[int64]string, len(images))
	for _, img := range images {
		var view any = s.card(img, query{})
		if kind == tableView {
			view = s.row(img, query{})
		}
		var text bytes.Buffer
		if err := s.pages["index"].ExecuteTemplate(&text, template, view); err != nil {
			return nil, err
		}
		html[img.ID] = text.String()
	}
	return html, nil
}

// countsByKey returns the numbers of the chips by their keys.
func (l *language) countsByKey(counts []store.Count) map[string]int64 {
	byKey := map[string]int64{}
	for _, list := range [][]chip{l.chips(query{}, counts), l.failureChips(failures(), counts)} {
		for _, ch := range list {
			byKey[ch.Key] = ch.Images
		}
	}
	return byKey
}

func failures() query {
	failed := faces.Failed
	return query{status: &failed}
}

// changed is the stream of changes for one page.
func (s *Server) changed(c *gin.Context) {
	ctx := c.Request.Context()
	kind := c.Query("view")
	if kind != gridView && kind != tableView {
		kind = ""
	}
	v, after, ok, err := s.live.join(ctx, kind)
	switch {
	case err != nil:
		s.failed(c, err)
		return
	case !ok:
		s.problem(c, databaseAway())
		return
	}
	defer s.live.leave(v)
	c.Set(httpapi.StreamKey, true)
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(time.Time{}) // fails without a connection, in tests
	c.Header("Content-Type", "text/event-stream; charset=utf-8")
	c.Header("Cache-Control", "no-store")
	c.Header("X-Accel-Buffering", "no") // nginx would wait for more
	c.Status(http.StatusOK)
	first := fmt.Sprintf("retry: %d\nevent: ready\nid: %d\ndata: {}\n\n", liveRetry, after)
	if seen := c.GetHeader("Last-Event-ID"); seen != "" && seen != strconv.FormatInt(after, 10) {
		first = fmt.Sprintf("retry: %d\nid: %d\ndata: {\"reload\":true}\n\n", liveRetry, after)
	}
	write := func(text []byte) error {
		_ = control.SetWriteDeadline(time.Now().Add(liveWrite)) // the same
		if _, err := c.Writer.Write(text); err != nil {
			return err
		}
		return control.Flush()
	}
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	for err := write([]byte(first)); err == nil; {
		select {
		case <-ctx.Done():
			return
		case text, open := <-v.out:
			if !open {
				return
			}
			err = write(text)
		case <-beat.C:
			if !s.staysSignedIn(c) {
				return
			}
			err = write([]byte(": still here\n\n"))
		}
	}
}

// staysSignedIn reports whether the visitor may still see what changes. If that cannot be
// found out, the next look will tell.
func (s *Server) staysSignedIn(c *gin.Context) bool {
	if s.opts.SignIn == nil {
		return true
	}
	current, err := s.opts.SignIn.IsCurrent(c.Request.Context(), c.Request)
	return current || err != nil
}

// EndStreams ends the streams of changes, so that the server can stop.
func (s *Server) EndStreams() { s.live.close() }
