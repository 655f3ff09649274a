package recognizer

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// defaultFaceIndexMemory fits into the limit of base/recognizer.
const defaultFaceIndexMemory = 256 << 20

// faceIndex is the index of stored faces. A processor fills it. It is safe for
// concurrent use: searches use the state of their beginning.
type faceIndex struct {
	capacity int64 // faces; 0 for no index
	memory   int64 // bytes, of which capacity is a consequence
	metrics  *faceIndexMetrics
	slots    chan struct{} // searches at the same time

	mu    sync.Mutex // held during a change
	state atomic.Pointer[faceState]
}

// faceState is one state of the index. It does not change.
type faceState struct {
	index    *nearest.FaceIndex
	mark     int64 // all faces with ids up to it have been put
	newest   int64 // the largest id of a stored face, as far as the processor says
	complete bool
	full     bool
}

// newFaceIndex returns an empty index. memory is its largest size in bytes; 0 means the
// default, and a negative number means no index.
func newFaceIndex(model faces.Model, memory int64, kernel nearest.Kernel, searches int, m *faceIndexMetrics) *faceIndex {
	memory = max(0, cmp.Or(memory, defaultFaceIndexMemory))
	size := cmp.Or(model.Size, oldDescriptorSize)
	x := &faceIndex{memory: memory, capacity: memory / nearest.FaceBytes(size), metrics: m, slots: make(chan struct{}, searches)}
	x.set(faceState{index: nearest.NewFaceIndex(kernel, size)})
	return x
}

func (x *faceIndex) set(s faceState) {
	x.state.Store(&s)
	x.metrics.show(&s)
}

// note records the newest stored face, and that the index is complete if it has it.
func (x *faceIndex) note(newest int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	next := *x.state.Load()
	before := next
	next.newest = newest
	if next.mark >= newest {
		next.complete, next.full = true, false
	}
	if next != before {
		x.set(next)
	}
}

// errGap means that a range does not join what the index has.
type errGap struct{ mark, after int64 }

func (e errGap) Error() string {
	return fmt.Sprintf("the index has the faces up to %d, so it cannot take those after %d", e.mark, e.after)
}

// put replaces the faces with ids in (after, upTo]. If they do not fit, it changes
// nothing and notes that the index is full.
func (x *faceIndex) put(after, upTo, newest int64, list []nearest.StoredFace) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	next := *x.state.Load()
	if after > next.mark {
		return errGap{next.mark, after}
	}
	next.newest = newest
	if int64(next.index.Len()-next.index.CountOf(after, upTo)+len(list)) > x.capacity {
		next.full, next.complete = true, false
		x.set(next)
		return nil
	}
	index, err := next.index.Replace(after, upTo, list)
	if err != nil {
		return err
	}
	next.index = index
	if reached := min(upTo, newest); reached > next.mark { // the end of a range may be beyond all faces
		next.mark, next.full = reached, false
	}
	if next.mark >= newest {
		next.complete, next.full = true, false
	}
	x.set(next)
	return nil
}

// search returns the stored faces near descriptors. The index must be complete.
func (x *faceIndex) search(ctx context.Context, index *nearest.FaceIndex, list []faces.Descriptor, within float64, limit int) (near [][]faces.NearFace, err error) {
	begin := time.Now()
	defer func() { x.metrics.seconds.WithLabelValues(result(err)).Observe(time.Since(begin).Seconds()) }()
	select {
	case x.slots <- struct{}{}:
		defer func() { <-x.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return index.Within(ctx, list, within, limit)
}

// problem says why the index cannot be searched now: the reason for programs, and
// words for people. It returns "" if it can.
func (x *faceIndex) problem(s *faceState) (reason, message string) {
	switch {
	case x.capacity == 0:
		return faces.IndexOff, "this recognizer keeps no index of stored faces; set ROLLCALL_FACE_INDEX_MEMORY of the recognizers above 0"
	case s.full:
		return faces.IndexFull, fmt.Sprintf("the index of stored faces is full: it may have %d faces, and more are stored; raise ROLLCALL_FACE_INDEX_MEMORY "+
			"of the recognizers, now %d MiB, and their memory limit by as much", x.capacity, x.memory>>20)
	case !s.complete && s.newest == 0:
		return faces.IndexIncomplete, "the index of stored faces is empty after a start; a processor fills it; try again in a moment"
	case !s.complete:
		return faces.IndexIncomplete, fmt.Sprintf("the index of stored faces is being filled: it has %d faces, about %d %% of all; try again in a moment",
			s.index.Len(), 100*s.mark/max(1, s.newest))
	default:
		return "", ""
	}
}

// faceIndexMetrics show the index.
type faceIndexMetrics struct {
	faces, bytes, complete, full prometheus.Gauge
	seconds                      *prometheus.HistogramVec
}

func newFaceIndexMetrics(reg prometheus.Registerer) *faceIndexMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &faceIndexMetrics{
		faces:    gauge("rollcall_face_index_faces", "Stored faces in the index of this recognizer."),
		bytes:    gauge("rollcall_face_index_bytes", "Memory of the index of stored faces, in bytes."),
		complete: gauge("rollcall_face_index_complete", "1 if the index has had all stored faces since the start."),
		full:     gauge("rollcall_face_index_full", "1 if the index could not take all stored faces."),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_face_search_seconds", Help: "Time of a search in the index of stored faces, by result.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}, []string{"result"}),
	}
	reg.MustRegister(m.faces, m.bytes, m.complete, m.full, m.seconds)
	m.seconds.WithLabelValues(result(nil)) // there from the start, so that a rate can be computed
	return m
}

func (m *faceIndexMetrics) show(s *faceState) {
	m.faces.Set(float64(s.index.Len()))
	m.bytes.Set(float64(s.index.Bytes()))
	m.complete.Set(oneIf(s.complete))
	m.full.Set(oneIf(s.full))
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
