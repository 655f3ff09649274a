package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// hookSecret signs the messages of a run. It protects nothing.
const hookSecret = "whsec_Y2hhb3MgY2hhb3MgY2hhb3MgY2hhb3MgY2hhb3M=" //nolint:gosec // of a run on this machine

// takesNotOneIn is how often the target of the webhook does not take a message.
const takesNotOneIn = 50

// declareHook writes the file that declares the webhook of a run.
func (s *system) declareHook() error {
	text := fmt.Sprintf(`{"webhooks":[{"name":"chaos","url":"http://%s/","secret":%q}]}`, address(s.ports[linkOf("hook")]), hookSecret)
	return os.WriteFile(s.hookFile(), []byte(text), 0o600)
}

func (s *system) hookFile() string { return filepath.Join(s.dir, "webhooks.json") }

// hooked is the file into which the target of the webhook writes.
func (s *system) hooked() string { return filepath.Join(s.dir, "hooked.json") }

// awaitHook waits until the webhook has its row, from which on no event is missed.
func (d *database) awaitHook(ctx context.Context) error {
	for {
		var n int
		if err := d.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM webhooks").Scan(&n); err != nil {
			return fmt.Errorf("look for the webhook: %w", err)
		}
		if n > 0 {
			return nil
		}
		if !pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("the webhook has no row: %w", ctx.Err())
		}
	}
}

// serveHook takes messages and appends each to a file before it says so.
func serveHook(ctx context.Context, at, file string) error {
	_, size, err := readTold(file)
	if err != nil {
		return err
	}
	if err := os.Truncate(file, size); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	check, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		return err
	}
	var mu sync.Mutex // guards out
	server := &http.Server{Addr: at, ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = check.Verify(body, r.Header)
		}
		if err != nil || rand.N(takesNotOneIn) == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if err := writeTold(out, body); err != nil {
			fmt.Fprintln(os.Stderr, err)
			w.WriteHeader(http.StatusInternalServerError)
		}
	})}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func writeTold(out io.Writer, body []byte) error {
	var m struct {
		Type string    `json:"type"`
		Data api.Event `json:"data"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	line := told{ID: m.Data.ID, Type: m.Data.Type, Reset: m.Type == "events.reset"}
	if m.Data.Image != nil {
		line.Image = m.Data.Image.ID
	}
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = out.Write(append(text, '\n'))
	return err
}

// awaitDelivered waits until the webhook has delivered every event.
func (d *database) awaitDelivered(ctx context.Context) error {
	for {
		var delivered, newest int64
		var state string
		err := d.db.QueryRowContext(ctx, "SELECT delivered, state, (SELECT last_seq FROM event_state WHERE id = 1) FROM webhooks").Scan(&delivered, &state, &newest)
		if err != nil {
			return fmt.Errorf("read the webhook: %w", err)
		}
		if delivered == newest {
			return nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("the webhook is %s and has delivered %d of %d events", state, delivered, newest)
		}
	}
}

// firsts leaves out repeated messages.
func firsts(list []told) []told {
	seen := map[int64]bool{}
	return slices.DeleteFunc(slices.Clone(list), func(t told) bool {
		again := seen[t.ID] && !t.Reset
		seen[t.ID] = true
		return again
	})
}
