package httpapi

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/series"
)

const (
	// memoryPerByte is how many bytes of memory one byte of a body takes until its
	// answer is written: the text, the decoded request, the stored rows, and the
	// answer, each with what the garbage collector has not freed yet.
	memoryPerByte = 8
	// smallBody is the size up to which a body is charged to a share of its own, so
	// that single posts need not wait behind bulk posts.
	smallBody = 64 << 10
	// smallShare is the part of the budget for small bodies: 1/smallShare.
	smallShare = 8
	// roomWait is how long a body waits for room in the budget.
	roomWait = 10 * time.Second
	// firstReserve is what a body of unknown length reserves first. It doubles.
	firstReserve = smallBody
	// restWait is how long the rest of a body may take that nobody reads. net/http
	// waits for some of it before it sends the answer.
	restWait = 2 * time.Second
	// slowGrace is the default of Options.BodyGrace.
	slowGrace = 10 * time.Second
	// idleGraces is how long a stream may bring nothing at all, in times of the grace.
	// Without it, a client that was fast at first could stop for hours.
	idleGraces = 3
)

// Budget limits the memory of all request bodies that are being read or processed.
// The zero value has no limit. It is safe for concurrent use.
type Budget struct {
	large, small         *semaphore.Weighted
	largeBytes, smallMax int64
}

// NewBudget returns a Budget of a number of bytes of memory.
func NewBudget(memory int64) *Budget {
	b := &Budget{smallMax: memory / smallShare}
	b.largeBytes = memory - b.smallMax
	b.large, b.small = semaphore.NewWeighted(b.largeBytes), semaphore.NewWeighted(b.smallMax)
	return b
}

// bodies reads and charges the bodies of one engine's requests.
type bodies struct {
	max     int64 // bytes, after unpacking
	rate    int64 // least bytes per second; 0 is none
	grace   time.Duration
	budget  *Budget
	refused *prometheus.CounterVec
}

func newBodies(opts Options) *bodies {
	b := &bodies{max: opts.MaxBody, rate: opts.MinBodyRate, grace: cmp.Or(opts.BodyGrace, slowGrace), budget: opts.Bodies, refused: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_http_bodies_refused_total", Help: "Request bodies refused: too_large, too_slow, no_memory, encoding.",
	}, []string{"why"})}
	opts.Registry.MustRegister(series.AtZero(b.refused, "too_large", "too_slow", "no_memory", "encoding"))
	return b
}

// wrap replaces a request's body by one that obeys all limits. done must be called
// when the answer is written.
func (b *bodies) wrap(c *gin.Context) (done func()) {
	if c.Request.Body == nil || c.Request.Body == http.NoBody {
		return func() {}
	}
	body := &body{
		bodies: b, ctx: c.Request.Context(), raw: c.Request.Body, length: c.Request.ContentLength,
		control: http.NewResponseController(c.Writer), begin: time.Now(), encoding: c.GetHeader("Content-Encoding"),
	}
	c.Request.Body = body
	return func() {
		body.release()
		body.leave()
	}
}

// LimitBody lowers the largest size of a request's body, in bytes after unpacking.
// It counts if nothing was read yet. It never raises it; 0 changes nothing.
func LimitBody(c *gin.Context, limit int64) {
	b, ok := c.Request.Body.(*body)
	if !ok || limit <= 0 {
		return
	}
	b.own = limit
	if b.max == 0 || limit < b.max {
		lower := *b.bodies
		lower.max = limit
		b.bodies = &lower
	}
}

// TeeBody has all that is read of a request's body written to w, too, after unpacking.
// It must be called before the first Read. w must not fail.
func TeeBody(c *gin.Context, w io.Writer) {
	if b, ok := c.Request.Body.(*body); ok {
		b.tee = w
	}
}

// body is the body of one request.
type body struct {
	*bodies
	ctx      context.Context
	raw      io.ReadCloser
	length   int64 // Content-Length; -1 if unknown
	encoding string
	control  *http.ResponseController
	begin    time.Time

	tee      io.Writer // of TeeBody; may be nil
	own      int64     // the limit of LimitBody, which counts for streams, too; 0 is none
	unpacked io.Reader // set by the first Read
	err      error     // of the first Read
	received int64     // bytes from the network
	read     int64     // bytes after unpacking
	reserved int64     // bytes of the body that the budget has room for
	inSmall  bool
	whole    bool          // all of it has arrived
	stream   bool          // see Stream
	waited   time.Duration // for the network, of a stream
}

// Stream makes the body of a request a stream: it may have any length and does not
// count against the budget, because the handler keeps only a small part of it in
// memory at a time. The least rate holds, for the time of waiting for the client
// alone, and a stream may not be silent for long. It must be called before the first
// Read.
func Stream(c *gin.Context) error {
	b, ok := c.Request.Body.(*body)
	if !ok {
		return api.Errorf(api.CodeInvalidRequest, "the body is empty; send multipart/form-data with files, or a JSON object")
	}
	if encoding := strings.ToLower(strings.TrimSpace(b.encoding)); encoding != "" && encoding != "identity" {
		return b.fail("encoding", api.CodeUnsupportedEncoding, "Content-Encoding %q is not supported for uploads; pictures do not get smaller by it", Shorten(b.encoding))
	}
	b.stream, b.unpacked = true, timedReader{b}
	return nil
}

// Read implements io.Reader. An error that the client caused is an *api.Error.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.readLimited(p)
	if b.tee != nil {
		_, _ = b.tee.Write(p[:n])
	}
	return n, err
}

func (b *body) readLimited(p []byte) (int, error) {
	if b.unpacked == nil && b.err == nil {
		b.unpacked, b.err = b.open()
	}
	if b.err != nil {
		return 0, b.err
	}
	if b.stream {
		n, err := b.unpacked.Read(p)
		b.read += int64(n)
		if b.own > 0 && b.read > b.own {
			err = b.fail("too_large", api.CodeBodyTooLarge, "the body is larger than the %d bytes of your API key; send less at a time", b.own)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			b.err = err
		}
		return n, err
	}
	if b.max > 0 && int64(len(p)) > b.max+1-b.read {
		p = p[:b.max+1-b.read] // one more than allowed, to notice it
	}
	n, err := b.unpacked.Read(p)
	b.read += int64(n)
	if b.max > 0 && b.read > b.max {
		err = b.fail("too_large", api.CodeBodyTooLarge, "the body is larger than %d bytes; send less at a time", b.max)
	} else if err == nil || errors.Is(err, io.EOF) {
		if noRoom := b.reserve(b.read); noRoom != nil {
			err = noRoom
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error { return b.raw.Close() }

// open refuses what is known to be too large, reserves memory, and chooses the
// reader for the encoding.
func (b *body) open() (io.Reader, error) {
	if b.max > 0 && b.length > b.max {
		return nil, b.fail("too_large", api.CodeBodyTooLarge, "the body is larger than %d bytes; send less at a time", b.max)
	}
	if err := b.reserve(max(b.length, 1)); err != nil {
		return nil, err
	}
	switch strings.ToLower(strings.TrimSpace(b.encoding)) {
	case "", "identity":
		return timedReader{b}, nil
	case "gzip", "x-gzip":
		r, err := gzip.NewReader(timedReader{b})
		var problem *api.Error
		if errors.As(err, &problem) {
			return nil, err
		}
		if err != nil {
			return nil, b.fail("encoding", api.CodeInvalidRequest, "the body is not gzip, but Content-Encoding says so")
		}
		return gzipReader{r}, nil
	default:
		return nil, b.fail("encoding", api.CodeUnsupportedEncoding, "Content-Encoding %q is not supported; send the body as it is, or as gzip", Shorten(b.encoding))
	}
}

// reserve makes sure that the budget has room for size bytes of this body.
func (b *body) reserve(size int64) error {
	if b.budget == nil || size <= b.reserved {
		return nil
	}
	want := size
	if b.reserved == 0 {
		b.inSmall = b.length >= 0 && b.length <= smallBody && b.encoding == ""
		if b.length < 0 || b.encoding != "" {
			want = max(size, firstReserve)
		}
	} else {
		want = max(size, 2*b.reserved)
	}
	if b.max > 0 {
		want = min(want, b.max+1)
	}
	from, limit := b.pool()
	// A body may be larger than the whole budget; then it has it alone.
	more := min(want*memoryPerByte, limit) - min(b.reserved*memoryPerByte, limit)
	ctx, cancel := context.WithTimeout(b.ctx, roomWait)
	defer cancel()
	if from.Acquire(ctx, more) != nil {
		return b.fail("no_memory", api.CodeUnavailable, "too many large requests at once; try again in a moment")
	}
	b.reserved = want
	return nil
}

func (b *body) pool() (*semaphore.Weighted, int64) {
	if b.inSmall {
		return b.budget.small, b.budget.smallMax
	}
	return b.budget.large, b.budget.largeBytes
}

// release returns the memory to the budget.
func (b *body) release() {
	if b.budget == nil || b.reserved == 0 {
		return
	}
	from, limit := b.pool()
	from.Release(min(b.reserved*memoryPerByte, limit))
	b.reserved = 0
}

// leave gives a client that was answered already a short time for the rest of its
// body. Without it, a client that sends no more would hold its connection for
// minutes, and get its answer only then.
func (b *body) leave() {
	if !b.whole {
		_ = b.control.SetReadDeadline(time.Now().Add(restWait)) // as in timedReader
	}
}

func (b *body) fail(why string, code api.ErrorCode, format string, args ...any) error {
	b.refused.WithLabelValues(why).Inc()
	return api.Errorf(code, format, args...)
}

// timedReader reads a body from the network and demands the least rate.
type timedReader struct{ *body }

// Read implements io.Reader.
func (t timedReader) Read(p []byte) (int, error) {
	b := t.body
	if deadline := b.deadline(); !deadline.IsZero() {
		// It fails for writers that are no connection, such as those of tests.
		_ = b.control.SetReadDeadline(deadline)
	}
	begin := time.Now()
	n, err := b.raw.Read(p)
	b.waited += time.Since(begin)
	b.received += int64(n)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.whole = true
		_ = b.control.SetReadDeadline(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = b.fail("too_slow", api.CodeRequestTimeout, "the body arrived too slowly; send at least %d bytes per second", max(b.rate, 1))
	}
	return n, err
}

// deadline returns until when the next bytes must arrive. The zero time is any.
func (b *body) deadline() time.Time {
	allowed := b.grace
	if b.rate > 0 {
		allowed += time.Duration(float64(b.received) / float64(b.rate) * float64(time.Second))
	}
	switch {
	case b.stream && b.rate > 0:
		return time.Now().Add(min(allowed-b.waited, idleGraces*b.grace))
	case b.stream:
		return time.Now().Add(idleGraces * b.grace)
	case b.rate > 0:
		return b.begin.Add(allowed)
	default:
		return time.Time{}
	}
}

// gzipReader turns errors of the format into errors for the client.
type gzipReader struct{ *gzip.Reader }

// Read implements io.Reader.
func (g gzipReader) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) {
		err = api.Errorf(api.CodeInvalidRequest, "the gzip body is damaged; send it again")
	}
	return n, err
}

// readBody returns the body without surrounding white space and byte order mark.
func readBody(c *gin.Context) ([]byte, error) {
	text, err := ReadBytes(c)
	if err != nil || text == nil {
		return nil, err
	}
	return checkText(text)
}

// ReadBytes returns the body as it is, after unpacking.
func ReadBytes(c *gin.Context) ([]byte, error) {
	if c.Request.Body == nil {
		return nil, nil
	}
	var text bytes.Buffer
	if n := c.Request.ContentLength; n > 0 && n <= 1<<20 {
		text.Grow(int(n) + bytes.MinRead)
	}
	_, err := text.ReadFrom(c.Request.Body)
	var problem *api.Error
	switch {
	case errors.As(err, &problem):
		return nil, problem
	case err != nil:
		return nil, api.Errorf(api.CodeInvalidRequest, "the body did not arrive whole; send it again")
	}
	return text.Bytes(), nil
}

// checkText returns a text without surrounding white space and byte order mark. It
// refuses what the JSON decoder would change silently, because that would change a
// path.
func checkText(text []byte) ([]byte, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	switch {
	case isUTF16(text):
		return nil, api.Errorf(api.CodeInvalidRequest, "the body is UTF-16; encode it as UTF-8")
	case !utf8.Valid(text):
		return nil, api.Errorf(api.CodeInvalidRequest, "the body is not UTF-8; encode it as UTF-8")
	case hasLoneSurrogate(text):
		return nil, api.Errorf(api.CodeInvalidRequest, `the body has half a surrogate pair, such as \ud83d alone; write both halves, or the character itself`)
	}
	return bytes.TrimSpace(text), nil
}

// isUTF16 reports whether a text starts like JSON in UTF-16: with a byte order mark,
// or with an ASCII character of two bytes.
func isUTF16(text []byte) bool {
	return len(text) >= 2 && (text[0] == 0xff && text[1] == 0xfe || text[0] == 0xfe && text[1] == 0xff ||
		text[0] == 0 && text[1] != 0 || text[0] != 0 && text[1] == 0)
}

// hasLoneSurrogate reports whether a JSON text has a \u escape that is half a
// character (RFC 8259, section 8.2).
func hasLoneSurrogate(text []byte) bool {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		unit, ok := surrogate(text[i:])
		if !ok {
			i++ // another escape, such as \\ or \n
			continue
		}
		second, ok := surrogate(text[min(i+6, len(text)):])
		if unit >= 0xdc00 || !ok || second < 0xdc00 {
			return true
		}
		i += 11
	}
	return false
}

// surrogate parses an escape \ud800 to \udfff at the start of a text.
func surrogate(text []byte) (unit int, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, digit := range text[2:6] {
		at := strings.IndexByte("0123456789abcdef", digit|0x20)
		if at < 0 {
			return 0, false
		}
		unit = unit<<4 | at
	}
	return unit, unit >= 0xd800 && unit <= 0xdfff
}
