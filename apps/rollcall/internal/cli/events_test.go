package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(opts *receiver.Options) {
		opts.Events = receiver.EventOptions{Streams: 5, Keep: store.EventLimits{MaxAge: time.Hour, MaxRows: 1000}}
	})
	part := o.server.Events()
	if err := part.Start(t.Context(), func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = part.Stop(context.Background()) })
	if _, err := o.store.AddImages(t.Context(), []string{"/unknown_people/a.jpg", "/unknown_people/b\n.jpg"}); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(t.TempDir(), "state")
	o.run("events", "--all", "--count", "1", "--state", state).expect(0, "1 ", "image.accepted image 1 /unknown_people/a.jpg queued")
	if text, err := os.ReadFile(state); err != nil || !strings.HasPrefix(string(text), "1-") {
		t.Errorf("the state is %q, %v", text, err)
	}
	o.run("events", "--all", "--count", "1", "--state", state).expect(0, "image 2 /unknown_people/b?.jpg queued")
	if err := os.WriteFile(state, []byte("1\n"), 0o600); err != nil { // of an older release
		t.Fatal(err)
	}
	o.run("events", "--count", "1", "--state", state).expect(0, "image 2 /unknown_people/b?.jpg queued")
	if err := os.WriteFile(state, []byte("1-00000000"), 0o600); err != nil { // of a database that was restored
		t.Fatal(err)
	}
	o.run("events", "--count", "1", "--state", state).expect(0, "was its database restored?", "image 1 /unknown_people/a.jpg queued")
	o.run("events", "--after", "1", "--count", "1", "-o", "json").expect(0, `{"id":2,"type":"image.accepted",`, `"path":"/unknown_people/b\n.jpg"`)
	o.run("events", "--after", "99", "--count", "2").expect(0, "the server does not have the event 99")
	o.run("events", "--types", "image").expect(1, "no type of events")
	o.run("events", "--all", "--after", "7").expect(1, "not both")
	if err := os.WriteFile(state, []byte("seven"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.run("events", "--state", state).expect(1, "delete it to begin anew")
}
