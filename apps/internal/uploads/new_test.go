package uploads_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/uploads"
)

// TestNewFolderIsMarked starts in front of an empty folder. One that is new gets the
// folder of uploads, so that it is not taken for a volume that has come back empty.
func TestNewFolderIsMarked(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	for name, c := range map[string]struct {
		isNew func(context.Context) (bool, error)
		has   string // an entry
		want  bool
	}{
		"new":                {isNew: func(context.Context) (bool, error) { return true, nil }, want: true},
		"came back empty":    {isNew: func(context.Context) (bool, error) { return false, nil }},
		"with pictures":      {isNew: func(context.Context) (bool, error) { return true, nil }, has: "a.jpg"},
		"of another program": {},
		"before the database is there": {isNew: func(context.Context) (bool, error) {
			if asked.Add(1) == 1 {
				return false, errors.New("the database is away")
			}
			return true, nil
		}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if c.has != "" {
				if err := os.WriteFile(filepath.Join(root, c.has), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			answered := make(chan struct{}, 10)
			opts := uploads.Options{UnknownPeople: root, Log: slog.New(slog.DiscardHandler), InUse: func(context.Context, string) (bool, error) { return true, nil }}
			if c.isNew != nil {
				opts.IsNew = func(ctx context.Context) (bool, error) {
					defer func() { answered <- struct{}{} }()
					return c.isNew(ctx)
				}
			}
			part := uploads.New(opts).Part()
			if err := part.Start(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			isMarked := func() bool {
				_, err := os.Stat(filepath.Join(root, "uploads"))
				return err == nil
			}
			if c.want {
				wait.Until(t, "the folder is marked", isMarked)
			} else if c.isNew != nil {
				<-answered
			}
			if err := part.Stop(context.WithoutCancel(t.Context())); err != nil {
				t.Fatal(err)
			}
			if got := isMarked(); got != c.want {
				t.Errorf("marked: %v, want %v", got, c.want)
			}
		})
	}
}
