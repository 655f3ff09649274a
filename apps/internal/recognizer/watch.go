package recognizer

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
)

// watchKnown refreshes the gallery periodically, because network file systems do
// not report changes.
func (r *Recognizer) watchKnown(ctx context.Context) {
	r.readKnown(ctx)
	background.Every(ctx, r.opts.Refresh, r.readKnown)
}

func (r *Recognizer) readKnown(ctx context.Context) {
	if err := r.known.Refresh(ctx); err != nil && ctx.Err() == nil {
		r.log.Error("cannot read the pictures of known people", "folder", r.opts.KnownPeople, "error", err)
	}
	r.measureRoom()
}

// measureRoom shows how much room the volumes have that the cache is written to.
func (r *Recognizer) measureRoom() {
	for name, folder := range map[string]string{"known_people": r.opts.KnownPeople, "gallery_cache": r.opts.Cache} {
		if folder == "" {
			continue
		}
		if v, err := picturefiles.VolumeOf(folder); err == nil {
			r.metrics.free.WithLabelValues(name).Set(float64(v.Free))
			r.metrics.size.WithLabelValues(name).Set(float64(v.Size))
		} else {
			r.metrics.free.DeleteLabelValues(name) // better none than an old one
			r.metrics.size.DeleteLabelValues(name)
		}
	}
}

// Warnings says what is not as it should be though the Recognizer can work, by
// the thing that it is about.
func (r *Recognizer) Warnings() map[string]string {
	warnings := map[string]string{}
	if err := r.known.Unsaved(); errors.Is(err, syscall.ENOSPC) {
		warnings["gallery cache"] = "its volume is full: the next start will describe the known pictures again; make room on it"
	} else if err != nil {
		warnings["gallery cache"] = err.Error()
	}
	return warnings
}

// awayPoll is how often a folder that is away is looked for.
const awayPoll = time.Second

// watchUnknown looks periodically whether the folder of unknown people is there,
// and more often while it is away. It is apart from watchKnown: a look at a file
// server that does not answer can take minutes.
func (r *Recognizer) watchUnknown(ctx context.Context) {
	ticker := time.NewTicker(min(r.opts.Refresh, awayPoll))
	defer ticker.Stop()
	looked, told := time.Now(), ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if r.unknown.Available() == nil && time.Since(looked) < r.opts.Refresh {
			continue
		}
		looked = time.Now()
		why := ""
		if err := r.unknown.Follow(); err != nil {
			why = err.Error()
		}
		switch {
		case why == told:
		case why != "":
			r.log.Error("cannot use the folder of unknown people; pictures wait", "folder", r.unknown.Path(), "error", why)
		default:
			r.log.Info("the folder of unknown people is there again", "folder", r.unknown.Path())
		}
		told = why
	}
}
