package facefeed_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/facefeed"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

func metric(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// refused checks that a search is refused for now, in words that say what is the matter.
func (m *machine) refused(words ...string) {
	m.Helper()
	_, err := m.search(0, 1)
	if faces.ErrorCode(err) != faces.CodeUnavailable {
		m.Fatalf("got %v, want an error with the code unavailable", err)
	}
	for _, w := range words {
		if !strings.Contains(faces.ErrorMessage(err), w) {
			m.Errorf("the message %q does not say %q", faces.ErrorMessage(err), w)
		}
	}
}

// starting fails the test unless a search says that the recognizer has just started.
func (m *machine) starting(words ...string) {
	m.Helper()
	m.refused(words...)
	if _, err := m.search(0, 1); !errors.Is(err, faces.ErrStarting) {
		m.Errorf("%v is a failure, though the recognizer has just started", err)
	}
}

// An index is filled page by page, and searched when it is complete.
func TestFill(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := r.recognizer(1000)
	m.starting("empty after a start")
	f, reg := r.feeder(options())
	r.settle(f)
	m.expectSame(0) // nothing is stored, so nothing is missing
	m.expectFound(0, 1)
	r.many(20)
	m.restart()
	f.RunOnce(t.Context())
	f.RunOnce(t.Context())
	m.starting("being filled", "6 faces", "30 %")
	r.settle(f)
	m.expectSame(20)
	m.expectFound(0.051, 0.0115, 6, 7, 5)
	if sent := metric(t, reg, "rollcall_face_index_sent_faces_total"); sent != 20 {
		t.Errorf("%v faces were sent, want 20", sent)
	}
	_, ids := r.see(0.5)
	r.settle(f)
	m.expectSame(21)
	m.expectFound(0.5, 0, ids...)
	again, reg := r.feeder(options()) // as after a restart of the program that feeds
	r.settle(again)
	m.expectSame(21)
	if sent := metric(t, reg, "rollcall_face_index_sent_faces_total"); sent != 0 {
		t.Errorf("%v faces were sent again", sent)
	}
}

func TestRecognizerRestartsInTheMiddle(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := r.recognizer(1000)
	r.many(20)
	f, _ := r.feeder(options())
	f.RunOnce(t.Context())
	f.RunOnce(t.Context())
	m.restart()
	m.starting("empty after a start")
	r.settle(f)
	m.expectSame(20)
	m.restart() // also of one that was complete
	r.settle(f)
	m.expectSame(20)
}

// Each recognizer gets all faces, also one that starts later.
func TestTwoRecognizers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.many(20)
	first := r.recognizer(1000)
	f, reg := r.feeder(options())
	f.RunOnce(t.Context())
	second := r.recognizer(1000)
	f.RunOnce(t.Context())
	if a, b := first.state(), second.state(); a.Mark == 0 || b.Mark != a.Mark {
		t.Errorf("the one that started later is at %d, the other one at %d; want them to be filled together", b.Mark, a.Mark)
	}
	r.settle(f)
	first.expectSame(20)
	second.expectSame(20)
	second.stop()
	defer second.start() // Cleanup stops it
	r.see(0.7)
	r.settle(f)
	first.expectSame(21) // it does not wait for the other one
	want := "# HELP rollcall_face_index_recognizers Recognizers by the state of their index of stored faces: filling, complete, full, off, old, unreachable. Only the processor that fills the indexes has it.\n" +
		"# TYPE rollcall_face_index_recognizers gauge\nrollcall_face_index_recognizers{state=\"complete\"} 1\nrollcall_face_index_recognizers{state=\"unreachable\"} 1\n"
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "rollcall_face_index_recognizers"); err != nil {
		t.Error(err)
	}
}

// What the database changes behind the mark reaches the index when it is compared: at
// once in the last minutes, later elsewhere.
func TestChangesBehindTheMark(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]time.Duration{"of the last minutes": time.Hour, "of older faces": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			m := r.recognizer(1000)
			image, ids := r.see(0.1, 0.2)
			r.many(20)
			last, _ := r.see(0.9)
			exec := func(query string, args ...any) {
				t.Helper()
				_, err := r.raw.ExecContext(t.Context(), query, args...)
				r.must(err)
			}
			exec("UPDATE faces SET model = 'hidden' WHERE id = 7") // a transaction that is not committed
			options := options()
			options.Settle = o
			f, _ := r.feeder(options)
			r.settle(f)
			m.expectSame(22)
			exec("UPDATE faces SET model = ? WHERE id = 7", m.model.ID)
			r.settle(f)
			m.expectSame(23)

			exec("UPDATE images SET status = 0, reason = 'queued' WHERE id = ?", image)
			again := r.answer(image, m.model, 0.6) // replaced
			_, err := r.store.DeleteImage(t.Context(), last)
			r.must(err)
			r.settle(f)
			m.expectSame(21)
			m.expectFound(0.6, 0.001, again...)
			m.expectFound(0.9, 0.001)
			if got, _ := m.search(0.2, 1); contains(got, ids[1]) {
				t.Errorf("face %d was replaced, and is found: %v", ids[1], got)
			}
			exec("UPDATE faces SET descriptor = ? WHERE id = 8", at(0.8).Bytes()) // described again
			r.settle(f)
			m.expectSame(21)
			m.expectFound(0.8, 0.001, 8)
			exec("DELETE FROM faces")
			r.settle(f)
			m.expectSame(0)
		})
	}
}

func contains(list []int64, id int64) bool {
	for _, x := range list {
		if x == id {
			return true
		}
	}
	return false
}

// Beyond its limit an index takes nothing, and says so; recognizing goes on. When faces
// are deleted it goes on.
func TestFull(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	small, large, none := r.recognizer(10), r.recognizer(1000), r.recognizer(0)
	r.many(16)
	o := options()
	o.FullPause = time.Hour
	f, _ := r.feeder(o)
	r.settle(f)
	small.refused("full", "10 faces", "ROLLCALL_FACE_INDEX_MEMORY")
	if x := small.state(); x.Faces > 10 || !x.Full || x.Complete {
		t.Errorf("the small index is %+v", x)
	}
	large.expectSame(16)
	none.refused("keeps no index", "ROLLCALL_FACE_INDEX_MEMORY")
	_, err := r.raw.ExecContext(t.Context(), "DELETE FROM faces WHERE id > 8")
	r.must(err)
	f, _ = r.feeder(o) // as after the pause
	r.settle(f)
	small.expectSame(8)
	large.expectSame(8)
}

// Each recognizer has only the faces of its own model set.
func TestModelSetChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	before, after := r.recognizer(1000), r.recognizer(1000)
	after.stop()
	after.model.ID = "fake-2"
	after.start()
	r.many(8)
	images, err := r.store.AddImages(t.Context(), []string{"/unknown_people/new.jpg"})
	r.must(err)
	ids := r.answer(images[0].ID, after.model, 0.02)
	f, _ := r.feeder(options())
	r.settle(f)
	before.expectSame(8)
	after.expectSame(1)
	after.expectFound(0.02, 0.5, ids...)
	if _, err := after.client.SearchFaces(t.Context(), faces.FaceQuery{Model: before.model.ID, Descriptors: []faces.Descriptor{at(0)}, Within: 1, Limit: 1}); faces.ErrorCode(err) != faces.CodeConflict {
		t.Errorf("a descriptor of another model set: %v", err)
	}
}

// A recognizer of an older release does not keep the others from being filled.
func TestOldRecognizer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	server := grpc.NewServer()
	recognizerv1.RegisterRecognizerServer(server, recognizerv1.UnimplementedRecognizerServer{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	r.replica(listener.Addr().String())
	m := r.recognizer(1000)
	r.many(8)
	f, _ := r.feeder(options())
	r.settle(f)
	m.expectSame(8)
	client, err := recognizerclient.Dial(recognizerclient.Options{Address: listener.Addr().String(), Timeout: timeout})
	r.must(err)
	t.Cleanup(func() { client.Close() })
	if _, err := client.SearchFaces(t.Context(), faces.FaceQuery{Model: m.model.ID, Descriptors: []faces.Descriptor{at(0)}, Within: 1, Limit: 1}); !errors.Is(err, faces.ErrNotOffered) {
		t.Errorf("got %v, want that the recognizer does not offer it", err)
	}
}

// Only the program that leads feeds, and the loop notices when it does.
func TestOnlyTheLeaderFeeds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := r.recognizer(1000)
	r.many(4)
	o := options()
	o.Poll = time.Millisecond
	leads := make(chan bool) // each receive is a question
	list := func(context.Context) ([]*recognizerclient.Replica, error) { return r.all, nil }
	f := facefeed.New(r.store, list, func() bool { return <-leads }, o, r.log, prometheus.NewRegistry())
	f.Start()
	for range 20 {
		leads <- false
	}
	if x := m.state(); x.Faces != 0 || x.Complete {
		t.Errorf("it was fed nonetheless: %+v", x)
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case leads <- true:
			case <-done:
				close(leads)
				return
			}
		}
	}()
	wait.Until(t, "the index is complete", func() bool { return m.state().Complete && m.state().Faces == 4 })
	close(done)
	r.must(f.Stop(t.Context()))
}
