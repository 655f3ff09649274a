package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/series"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/stages"
	"github.com/rollcall-faces/rollcall/apps/internal/uploads"
)

const (
	// slotWait is how long an upload waits for others to end.
	slotWait = 10 * time.Second
	// betweenFiles is how many bytes may stand between two files of an upload: the
	// boundary and the headers of the next part.
	betweenFiles = 1 << 20
	// storeTime limits the writing of the rows that follows the last byte of an upload.
	storeTime = time.Minute
)

// openUploads makes what uploads need, and their metrics.
func (s *Server) openUploads(reg prometheus.Registerer) {
	s.slots = semaphore.NewWeighted(int64(max(s.opts.Upload.AtOnce, 1)))
	s.uploads = uploads.New(uploads.Options{
		UnknownPeople: s.opts.UnknownPeople, MaxFile: s.opts.Upload.MaxFile, MinFree: s.opts.Upload.MinFree,
		InUse: s.store.HasPath, IsNew: s.isNew, Log: s.log,
	})
	s.files = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_uploaded_files_total", Help: "Files uploaded, by result: accepted, refused.",
	}, []string{"result"})
	s.bytes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "rollcall_uploaded_bytes_total", Help: "Bytes received by uploads, also of those that failed.",
	})
	refused := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_uploads_refused", Help: "1 while files cannot be uploaded: the volume is full, read-only or away.",
	}, func() float64 {
		if s.uploads.Problem() != nil {
			return 1
		}
		return 0
	})
	reg.MustRegister(series.AtZero(s.files, "accepted", "refused"), s.bytes, refused, volumeRoom{
		uploads: s.uploads,
		free:    prometheus.NewDesc("rollcall_volume_free_bytes", "Free bytes of the volumes that are written to.", []string{"volume"}, nil),
		size:    prometheus.NewDesc("rollcall_volume_size_bytes", "Size of the volumes that are written to.", []string{"volume"}, nil),
	})
}

// isNew reports whether no picture has an outcome yet.
func (s *Server) isNew(ctx context.Context) (bool, error) {
	has, err := s.store.HasOutcomes(ctx)
	return !has, err
}

// volumeRoom collects the room of the volume of unknown people. The label is not
// constant, because in standalone the recognizer has the same metrics.
type volumeRoom struct {
	uploads    *uploads.Folder
	free, size *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (r volumeRoom) Describe(to chan<- *prometheus.Desc) {
	to <- r.free
	to <- r.size
}

// Collect implements prometheus.Collector. A volume that is away has no value, which is
// not the same as full.
func (r volumeRoom) Collect(to chan<- prometheus.Metric) {
	if v, ok := r.uploads.Volume(); ok {
		to <- prometheus.MustNewConstMetric(r.free, prometheus.GaugeValue, float64(v.Free), "unknown_people")
		to <- prometheus.MustNewConstMetric(r.size, prometheus.GaugeValue, float64(v.Size), "unknown_people")
	}
}

// Uploads returns the folder of uploaded files. The program runs its Part.
func (s *Server) Uploads() *uploads.Folder { return s.uploads }

// Warnings returns what is wrong although requests are served, for /readyz.
func (s *Server) Warnings() map[string]any {
	if err := s.uploads.Problem(); err != nil {
		return map[string]any{"warnings": map[string]string{"uploads": err.Error()}}
	}
	return nil
}

// createImages accepts paths as JSON, or files as multipart/form-data.
func (s *Server) createImages(c *gin.Context) error {
	kind, params, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if !strings.EqualFold(kind, "multipart/form-data") && !strings.HasPrefix(strings.ToLower(c.GetHeader("Content-Type")), "multipart/") {
		return s.postImages(c)
	}
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return api.Errorf(api.CodeInvalidRequest, "the Content-Type is not multipart/form-data with a boundary; let curl -F or your HTTP library make it")
	}
	return s.upload(c, params["boundary"])
}

// upload stores the files of a request. Nothing is read before there is room for it.
func (s *Server) upload(c *gin.Context, boundary string) error {
	waiting, cancel := context.WithTimeout(c.Request.Context(), slotWait)
	defer cancel()
	if s.slots.Acquire(waiting, 1) != nil {
		return api.Errorf(api.CodeUnavailable, "too many uploads at once; try again in a moment")
	}
	defer s.slots.Release(1)
	batch, err := s.uploads.Begin()
	if err != nil {
		return err
	}
	defer batch.Close()
	if err := httpapi.Stream(c); err != nil {
		return err
	}
	received, err := s.receive(c.Request.Body, boundary, batch)
	if err != nil {
		return err
	}
	begin := time.Now() // how long the client took is not ours
	if err := s.storeUpload(c, batch, received); err != nil {
		return err
	}
	s.stages.Observe(stages.Accept, time.Since(begin))
	s.files.WithLabelValues("accepted").Add(float64(len(received.paths)))
	s.files.WithLabelValues("refused").Add(float64(len(received.entries) - len(received.paths)))
	c.JSON(http.StatusAccepted, wirePosted(received.entries))
	return nil
}

// received is what has arrived of an upload.
type received struct {
	entries []api.PostedEntry // one for each file
	paths   []string          // of the files that were taken
	names   []string          // that these files had
	at      []int             // the entry of each path
}

// receive writes all files of a request into the batch. Its error is that of the whole
// request.
func (s *Server) receive(body io.Reader, boundary string, batch *uploads.Batch) (received, error) {
	var got received
	limited := &meter{from: body, count: s.bytes}
	parts := multipart.NewReader(limited, boundary)
	for {
		limited.allow(betweenFiles)
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return got, brokenUpload(err)
		}
		if len(got.entries) == s.opts.Upload.MaxFiles {
			return got, api.Errorf(api.CodeInvalidRequest, "one upload may have %d files, and this one has more; send several", s.opts.Upload.MaxFiles)
		}
		if err := s.receiveFile(part, limited, batch, &got); err != nil {
			return got, err
		}
	}
	if len(got.entries) == 0 {
		return got, api.Errorf(api.CodeInvalidRequest, "the upload has no files; send some, such as with curl -F file=@picture.jpg")
	}
	// To the end, so that the connection can be used again.
	if _, err := io.Copy(io.Discard, limited); err != nil {
		return got, brokenUpload(err)
	}
	return got, nil
}

// receiveFile writes one part into the batch. A file that is refused is an entry with
// an error; the rest of its part is passed over.
func (s *Server) receiveFile(part *multipart.Part, limited *meter, batch *uploads.Batch, got *received) error {
	name := part.FileName()
	if field := part.FormName(); name == "" || field != "file" && field != "files" {
		return api.Errorf(api.CodeInvalidRequest, "the part %q is not a file; name each part file or files, and give it the name of its file", httpapi.Shorten(strings.ToValidUTF8(field, "�")))
	}
	limited.allow(s.opts.Upload.MaxFile + betweenFiles)
	stored, err := batch.Add(part)
	switch {
	case uploads.IsClients(err):
		return brokenUpload(err)
	case err != nil:
		got.entries = append(got.entries, api.Refused(httpapi.Shorten(strings.ToValidUTF8(name, "�")), httpapi.Body(err)))
		s.log.Debug("an uploaded file is refused", "error", err)
		limited.allow(s.opts.Upload.MaxFile + betweenFiles)
		if _, err := io.Copy(io.Discard, part); err != nil {
			return brokenUpload(err)
		}
		return nil
	}
	got.at = append(got.at, len(got.entries))
	got.entries = append(got.entries, api.PostedEntry{})
	got.paths, got.names = append(got.paths, stored), append(got.names, uploads.FileName(fileName(part)))
	return nil
}

// fileName returns the name that a part's file had. Part.FileName returns its last part by
// the rules of this machine, which know no folders of Windows.
func fileName(part *multipart.Part) string {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return ""
	}
	return params["filename"]
}

// storeUpload gives the files of a batch their names, and then their rows. If the rows
// fail, the files go again. All of the request has arrived, so a client that hangs up
// changes nothing any more.
func (s *Server) storeUpload(c *gin.Context, batch *uploads.Batch, got received) error {
	lasting := context.WithoutCancel(c.Request.Context())
	err := batch.Publish()
	if err == nil {
		ctx, cancel := context.WithTimeout(lasting, storeTime)
		defer cancel()
		err = s.addPaths(ctx, adding{request: httpapi.RequestID(c), paths: got.paths, names: got.names, at: got.at, spans: spansOf(ctx, got.paths)}, got.entries)
	}
	if err != nil {
		if undo := s.uploads.Withdraw(lasting, batch); undo != nil {
			s.log.Warn("files of a failed upload stay until the database tells whether a row has them", "error", undo)
		}
		return err
	}
	missing, err := batch.Confirm(lasting)
	if err != nil {
		return fmt.Errorf("%d uploaded file(s) were deleted at once: %w", len(missing), err)
	}
	return nil
}

// brokenUpload returns the error for the client of an upload that cannot be read to its
// end.
func brokenUpload(err error) error {
	var problem *api.Error
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return api.Errorf(api.CodeInvalidRequest, "the upload did not arrive whole, and nothing of it is stored; send it again")
	default:
		return api.Errorf(api.CodeInvalidRequest, "the upload is malformed, and nothing of it is stored: %s", httpapi.Shorten(strings.ToValidUTF8(err.Error(), "�")))
	}
}

// meter reads a body, counts its bytes, and limits how many may come until allow is
// called again. So a part without an end ends.
type meter struct {
	from  io.Reader
	count prometheus.Counter
	left  int64
}

// allow sets how many bytes may come from now on.
func (m *meter) allow(n int64) { m.left = n }

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, api.Errorf(api.CodeBodyTooLarge, "a part of the upload is far larger than a file may be (ROLLCALL_MAX_UPLOAD); nothing of the upload is stored")
	}
	if int64(len(p)) > m.left {
		p = p[:m.left]
	}
	n, err := m.from.Read(p)
	m.left -= int64(n)
	m.count.Add(float64(n))
	return n, err
}
