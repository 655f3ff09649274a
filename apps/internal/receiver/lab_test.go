package receiver_test

import (
	"bytes"
	"context"
	"image/color"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var (
	red   = color.RGBA{R: 240, G: 30, B: 30, A: 255}
	green = color.RGBA{R: 30, G: 210, B: 30, A: 255}
	blue  = color.RGBA{R: 15, G: 30, B: 240, A: 255}
)

// lab is a receiver with a recognizer whose engines see coloured squares. Ann is
// red and Bob is blue.
type lab struct {
	*client
	t       *testing.T
	dir     string // of the pictures
	store   *store.Store
	file    string // of the database
	reg     *prometheus.Registry
	seer    *recognizerclient.Client
	address string        // of the recognizer
	renders atomic.Int64  // calls to the recognizer
	hold    chan struct{} // if not nil, a rendering waits until it is closed
}

// Render counts the calls, and is Render of the recognizer's client.
func (l *lab) Render(ctx context.Context, path string, how faces.Rendering) (faces.Rendered, error) {
	l.renders.Add(1)
	if l.hold != nil {
		<-l.hold
	}
	return l.seer.Render(ctx, path, how)
}

// RenderContent counts the calls, too.
func (l *lab) RenderContent(ctx context.Context, content []byte, how faces.Rendering) (faces.Rendered, error) {
	l.renders.Add(1)
	return l.seer.RenderContent(ctx, content, how)
}

func (l *lab) RecognizeContent(ctx context.Context, content []byte, rule faces.Model) (faces.Recognition, error) {
	return l.seer.RecognizeContent(ctx, content, rule)
}

func (l *lab) Match(ctx context.Context, q faces.MatchQuery) ([][]faces.Neighbour, error) {
	return l.seer.Match(ctx, q)
}

func (l *lab) Ping(ctx context.Context) error { return l.seer.Ping(ctx) }

func newLab(t *testing.T, change ...func(*receiver.Options)) *lab {
	t.Helper()
	dir := t.TempDir()
	known, unknown := filepath.Join(dir, "known"), filepath.Join(dir, "unknown")
	file := filepath.Join(dir, "rollcall.db")
	l := &lab{t: t, dir: unknown, store: newStoreAt(t, file), file: file, reg: prometheus.NewRegistry()}
	l.write(filepath.Join(known, "Ann/1.png"), fakeengine.Portrait(red))
	l.write(filepath.Join(known, "Bob/1.png"), fakeengine.Portrait(blue))
	l.write(filepath.Join(unknown, "group.png"), fakeengine.Group(red, green))
	if _, err := l.store.SyncKnownImages(t.Context(), map[string]string{"Ann/1.png": "Ann", "Bob/1.png": "Bob"}, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	l.address = startRecognizer(t, known, unknown)
	l.seer = dial(t, l.address)
	opts := options()
	opts.UnknownPeople, opts.KnownPeople, opts.MaxBody = unknown, known, 1<<20
	for _, c := range change {
		c(&opts)
	}
	server := receiver.New(l.store, nowhere{}, l, opts, quiet, l.reg)
	t.Cleanup(server.Close)
	web := httptest.NewServer(server.Handler(l.reg, func(context.Context) error { return nil }))
	t.Cleanup(web.Close)
	l.client = &client{t: t, http: web.Client(), url: web.URL}
	return l
}

// startRecognizer starts a recognizer and returns its address.
func startRecognizer(t *testing.T, known, unknown string) string {
	t.Helper()
	opts := recognizer.Options{KnownPeople: known, UnknownPeople: unknown, Engines: 2, MaxPixels: 50_000_000, Refresh: time.Hour}
	studio := &fakeengine.Studio{}
	r, err := recognizer.New(opts, fakeengine.Model(), studio.Open, fakeengine.Kernel{}, quiet, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	part := recognizer.NewServer(r, nil, quiet).Part(func() (net.Listener, error) { return listener, nil })
	if err := part.Start(t.Context(), func(err error) { t.Errorf("the recognizer failed: %v", err) }); err != nil {
		t.Fatal(err)
	}
	r.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitTime)
		defer cancel()
		if err := part.Stop(ctx); err != nil {
			t.Error(err)
		}
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// dial returns a client of a recognizer that is ready.
func dial(t *testing.T, address string) *recognizerclient.Client {
	t.Helper()
	c, err := recognizerclient.Dial(recognizerclient.Options{Address: address, Timeout: waitTime})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	wait.Until(t, "the recognizer", func() bool { return c.Ping(t.Context()) == nil })
	return c
}

func (l *lab) write(name string, content []byte) {
	l.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// queue posts a picture and answers it as a processor does.
func (l *lab) queue(name string) int64 {
	l.t.Helper()
	img := l.postOne(name)
	rec, err := l.seer.Recognize(l.t.Context(), img.Path, faces.File{})
	if err != nil {
		l.t.Fatal(err)
	}
	deciding, err := faces.PrepareDeciding(l.t.Context(), l.store, rec)
	if err != nil {
		l.t.Fatal(err)
	}
	if m, ok, err := l.store.ModelInUse(l.t.Context()); err != nil {
		l.t.Fatal(err)
	} else if ok {
		rec.Model = m
	} else if err := l.store.UseModel(l.t.Context(), rec.Model); err != nil {
		l.t.Fatal(err)
	}
	claims, err := l.store.Claim(l.t.Context(), "test", []int64{img.ID}, time.Minute)
	if err != nil || len(claims.Claimed) != 1 {
		l.t.Fatalf("claim image %d: %+v, %v", img.ID, claims, err)
	}
	result := store.Result{Lease: claims.Claimed[0].Lease, Outcome: deciding.Decide(rec), File: rec.File}
	if stale, err := l.store.Finish(l.t.Context(), []store.Result{result}); err != nil || len(stale) > 0 {
		l.t.Fatalf("finish image %d: %v, %v", img.ID, stale, err)
	}
	return img.ID
}

// send posts a body and compares the answer with the document.
func (l *lab) send(path, kind string, body []byte) answer {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, l.url+path, bytes.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	res, err := l.http.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	a := answer{t: l.t, code: res.StatusCode, header: res.Header, body: text}
	if input, ok := find(l.t, req, a); ok {
		checkAnswer(l.t, input, a)
	}
	return a
}

// pictureForm returns a form of files, given as names and contents in turn.
func pictureForm(t *testing.T, parts ...any) (kind string, body []byte) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for i := 0; i < len(parts); i += 2 {
		part, err := w.CreateFormFile(parts[i].(string), "../../etc/passwd")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(parts[i+1].([]byte)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), out.Bytes()
}
