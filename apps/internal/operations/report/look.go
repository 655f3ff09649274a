package report

import (
	"context"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
)

// askFor is how long a recognizer may take to say how it is.
const askFor = 2 * time.Second

// Recognizers asks each recognizer how it is. It returns nil if it is not known
// which there are.
func Recognizers(ctx context.Context, list func(context.Context) ([]*recognizerclient.Replica, error)) []operations.Recognizer {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	replicas, err := list(ctx)
	if err != nil {
		return nil
	}
	said := make([]operations.Recognizer, len(replicas))
	var all sync.WaitGroup
	for i, one := range replicas {
		all.Go(func() {
			said[i] = operations.Recognizer{Address: one.Address()}
			info, err := one.Info(ctx)
			if err != nil {
				said[i].Away = true
				return
			}
			said[i].Model, said[i].Known, said[i].Problems, said[i].Engines = info.Model.ID, info.KnownImages, len(info.Problems), info.Engines
		})
	}
	all.Wait()
	return said
}

// Queue asks how many messages the queue has. It returns nil if that is not known.
func Queue(ctx context.Context, depth func(context.Context) (imagequeue.Depth, error)) *operations.Queue {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	d, err := depth(ctx)
	if err != nil {
		return nil
	}
	return &operations.Queue{Waiting: d.Waiting, InFlight: d.InFlight, Deferred: d.Deferred}
}

// Volumes returns the room of the volumes of folders, by the names of the settings
// that name them. Those that cannot be read are left out.
func Volumes(folders map[string]string) []operations.Volume {
	var list []operations.Volume
	for _, name := range []string{"UNKNOWN_PEOPLE", "KNOWN_PEOPLE", "data"} {
		if folders[name] == "" {
			continue
		}
		if v, err := picturefiles.VolumeOf(folders[name]); err == nil {
			list = append(list, operations.Volume{Name: name, Free: v.Free, Size: v.Size})
		}
	}
	return list
}
