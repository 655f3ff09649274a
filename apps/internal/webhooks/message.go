package webhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/events"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
)

// message is what is sent for an event.
type message struct {
	event int64 // 0 for a test
	image int64 // 0 if it is about none
	id    string
	kind  string
	body  []byte
}

const (
	testType  = "webhook.test"
	resetType = "events.reset"
)

// newMessage makes a message. at is part of its id: a database that was restored gives
// numbers again, and a target must not take new events for those that it knows.
func newMessage(event int64, kind string, at time.Time, data any) (message, error) {
	body, err := json.Marshal(struct {
		Type string    `json:"type"`
		At   time.Time `json:"timestamp"`
		Data any       `json:"data"`
	}{kind, at.UTC(), data})
	return message{event: event, id: fmt.Sprintf("evt_%d_%s", event, strconv.FormatInt(at.UnixMicro(), 36)), kind: kind, body: body}, err
}

func eventMessage(e faces.Event) (message, error) {
	m, err := newMessage(e.ID, string(e.Type), e.CreatedAt, events.Wire(e))
	m.image = e.ImageID
	return m, err
}

// maxAnswer is how much of a target's answer is read, so that its connection can be
// used again.
const maxAnswer = 4 << 10

// errGone is what a target says that wants no messages any more.
var errGone = errors.New("the target answers 410: it wants no more messages")

// send sends a message once. The delivery says how it went.
func send(ctx context.Context, client *http.Client, w faces.Webhook, secrets []Secret, m message) (faces.Delivery, error) {
	begin := time.Now()
	d := faces.Delivery{WebhookID: w.ID, EventID: m.event, Message: m.id, Type: m.kind, CreatedAt: begin}
	status, err := post(ctx, client, w.URL, secrets, m, begin)
	d.Status, d.Took, d.OK = status, time.Since(begin), err == nil
	if err != nil {
		d.Problem = withoutURL(err).Error()
	}
	return d, err
}

func post(ctx context.Context, client *http.Client, target string, secrets []Secret, m message, now time.Time) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(m.body))
	if err != nil {
		return 0, err
	}
	signatures := make([]string, len(secrets))
	for i, s := range secrets {
		signatures[i] = s.sign(m.id, now, m.body)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Rollcall/"+version.String())
	req.Header.Set("Webhook-Id", m.id)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("Webhook-Signature", strings.Join(signatures, " "))
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // the status has been said
	switch {
	case res.StatusCode == http.StatusGone:
		return res.StatusCode, errGone
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return res.StatusCode, fmt.Errorf("the target answers %d; redirects are not followed, so change the webhook's address", res.StatusCode)
	case res.StatusCode < 200 || res.StatusCode >= 300:
		return res.StatusCode, fmt.Errorf("the target answers %d", res.StatusCode)
	}
	return res.StatusCode, nil
}

// withoutURL returns the error without the address, which can have a secret in it.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// resetData tells a target that events are gone.
func resetData(gone *events.GoneError) api.EventReset {
	return api.EventReset{After: gone.Seen, Next: gone.Has.After}
}
