package receiver

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// attemptLease is how long a receiver that carries out a request with an
	// idempotency key may be silent before another may carry it out.
	attemptLease = time.Minute
	// answerTime limits the storing of an answer.
	answerTime = 10 * time.Second
	// maxAnswer is the largest answer that is kept, in bytes, compressed.
	maxAnswer = 256 << 10
	// maxHeld is the largest answer that is held back until it is stored, in bytes. A
	// longer one is certainly not kept.
	maxHeld = 8 << 20
	// maxRest is how many bytes of a body are read after its handler.
	maxRest = 1 << 20
	// maxIdempotencyKey is the length of the header, as in openapi.yaml.
	maxIdempotencyKey = 255
	// forgetEvery is the time between two looks for answers that are too old.
	forgetEvery = time.Minute

	defaultKeep = 24 * time.Hour
	defaultMost = 100_000
)

// IdempotencyOptions configures how long answers for idempotency keys are kept.
type IdempotencyOptions struct {
	Keep time.Duration // 0 is a day
	Most int           // answers; the oldest are forgotten first; 0 is 100,000
}

// IdempotencyStore is the part of the database that keeps answers for idempotency
// keys.
type IdempotencyStore interface {
	BeginAttempt(ctx context.Context, key, head store.Fingerprint, lease, keep time.Duration) (store.Attempt, *store.KeptAnswer, error)
	RenewAttempt(ctx context.Context, a store.Attempt, lease time.Duration) (bool, error)
	EndAttempt(ctx context.Context, a store.Attempt, answer store.KeptAnswer) error
	DropAttempt(ctx context.Context, a store.Attempt) error
	ForgetAnswers(ctx context.Context, most int) (int64, error)
}

// keptHeaders are the headers of an answer that are kept with it.
var keptHeaders = []string{"Content-Type", "ETag", "Location"}

// idempotent returns a middleware that carries out a request with an Idempotency-Key
// once. It comes after authorize, because keys belong to who sends them. A request
// without the header is passed on as it is.
func (s *Server) idempotent() gin.HandlerFunc {
	documented, err := api.Idempotent()
	if err != nil {
		panic(err) // the embedded document is damaged: the build is broken
	}
	routes := byRoute(documented)
	return func(c *gin.Context) {
		sent := c.Request.Header.Values(api.IdempotencyKey)
		if len(sent) == 0 || !routes[c.Request.Method+" "+c.FullPath()] {
			c.Next()
			return
		}
		if err := s.once(c, sent); err != nil {
			httpapi.Error(c, s.log, err)
		}
	}
}

// once carries out a request, or answers as the first with its key was answered. Its
// error is the answer.
func (s *Server) once(c *gin.Context, sent []string) error {
	key, err := ownedKey(c, sent)
	if err != nil {
		return err
	}
	head := headPrint(c.Request)
	keep := cmp.Or(s.opts.Idempotency.Keep, defaultKeep)
	attempt, before, err := s.store.BeginAttempt(c.Request.Context(), key, head, attemptLease, keep)
	if err != nil {
		return err
	}
	if before != nil {
		return s.replay(c, *before, head)
	}
	s.carryOut(c, attempt, head)
	return nil
}

// ownedKey returns the fingerprint of an idempotency key together with who sends it.
func ownedKey(c *gin.Context, sent []string) (store.Fingerprint, error) {
	text := sent[0]
	switch {
	case len(sent) > 1:
		return store.Fingerprint{}, api.Errorf(api.CodeInvalidRequest, "there are %d headers %s; send one", len(sent), api.IdempotencyKey)
	case text == "" || len(text) > maxIdempotencyKey || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return store.Fingerprint{}, api.Errorf(api.CodeInvalidRequest, "the header %s must have 1 to %d visible ASCII characters; send a random UUID", api.IdempotencyKey, maxIdempotencyKey)
	}
	who, err := caller(c)
	if err != nil {
		return store.Fingerprint{}, err
	}
	user := int64(0)
	if who.User != nil {
		user = who.User.ID
	}
	return fingerprint(who.Key.ID, fmt.Sprint(user), text), nil
}

// headPrint returns the fingerprint of a request without its body.
func headPrint(r *http.Request) store.Fingerprint {
	return fingerprint(r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("If-Match"))
}

// fingerprint returns the fingerprint of a list of texts, each with its length, so
// that no other list has the same.
func fingerprint(texts ...string) store.Fingerprint {
	var all []byte
	for _, text := range texts {
		all = binary.AppendUvarint(all, uint64(len(text)))
		all = append(all, text...)
	}
	return sha256.Sum256(all)
}

// replay answers with the stored answer, if the request is the same.
func (s *Server) replay(c *gin.Context, before store.KeptAnswer, head store.Fingerprint) error {
	reused := api.Errorf(api.CodeIdempotencyKeyReused, "another request had this %s; send a new key with each new request", api.IdempotencyKey)
	if before.Head != head {
		s.repeats.WithLabelValues("reused").Inc()
		return reused
	}
	if before.Lost {
		s.repeats.WithLabelValues("not_kept").Inc()
		return api.Errorf(api.CodeAnswerNotKept, "this request was carried out, but the receiver failed before it could answer; look at what it changed")
	}
	if before.Status == 0 {
		s.repeats.WithLabelValues("in_use").Inc()
		return api.Errorf(api.CodeIdempotencyKeyInUse, "a request with this %s is under way; send it again in a moment", api.IdempotencyKey)
	}
	same, err := sameBody(c, before)
	if err != nil {
		return err
	}
	if !same {
		s.repeats.WithLabelValues("reused").Inc()
		return reused
	}
	for name, value := range before.Headers {
		c.Header(name, value)
	}
	c.Header("Idempotency-Replayed", "true")
	if before.Answer == nil {
		s.repeats.WithLabelValues("not_kept").Inc()
		return api.Errorf(api.CodeAnswerNotKept, "this request was carried out before, and its answer is not kept, because it has a secret or somebody who was erased; the header Location, if there is one, says what it made")
	}
	answer, err := unpacked(before.Answer)
	if err != nil {
		return fmt.Errorf("unpack a kept answer: %w", err)
	}
	s.repeats.WithLabelValues("replayed").Inc()
	c.Status(before.Status)
	c.Writer.WriteHeaderNow()
	_, err = c.Writer.Write(answer)
	c.Abort()
	return err
}

// sameBody reads a request's body and reports whether it is that of a stored answer.
// It reads no more than that had.
func sameBody(c *gin.Context, before store.KeptAnswer) (bool, error) {
	boundary := boundaryOf(c.Request)
	if boundary != "" && c.Request.Body != http.NoBody {
		if err := httpapi.Stream(c); err != nil {
			return false, err
		}
	}
	p := newBodyPrint(boundary)
	buffer := make([]byte, 32<<10)
	for p.size <= before.BodySize {
		n, err := c.Request.Body.Read(buffer)
		_, _ = p.Write(buffer[:n])
		if err == io.EOF { //nolint:errorlint // io.Reader promises it as it is
			sum, size := p.sum()
			return sum == before.Body && size == before.BodySize, nil
		}
		if err != nil {
			return false, brokenBody(err)
		}
	}
	return false, nil
}

// carryOut passes a request on, and stores its answer before it is sent.
func (s *Server) carryOut(c *gin.Context, attempt store.Attempt, head store.Fingerprint) {
	lasting := context.WithoutCancel(c.Request.Context())
	body := newBodyPrint(boundaryOf(c.Request))
	httpapi.TeeBody(c, body)
	held := &heldAnswer{ResponseWriter: c.Writer}
	c.Writer = held
	c.Request = c.Request.WithContext(store.WithAttempt(c.Request.Context(), attempt))
	stop := s.keepLease(lasting, attempt)
	ended := false
	defer func() { // also if the handler panics
		stop()
		c.Writer = held.ResponseWriter
		if !ended {
			s.drop(lasting, attempt)
		}
	}()
	c.Next()
	c.Writer = held.ResponseWriter
	if answer, ok := keptAnswer(c, held, body); ok {
		answer.Head = head
		ctx, cancel := context.WithTimeout(lasting, answerTime)
		defer cancel()
		if err := s.store.EndAttempt(ctx, attempt, answer); err != nil {
			s.log.Warn("the answer for an idempotency key is not stored; the same request may run again", "request_id", httpapi.RequestID(c), "error", err)
		}
		ended = true // if it was not stored, the lease ends
	}
	held.send()
}

// keptAnswer returns what to store about an answer. It is not ok if the request may
// run again.
func keptAnswer(c *gin.Context, held *heldAnswer, body *bodyPrint) (store.KeptAnswer, bool) {
	status := held.Status()
	switch {
	case held.passed, status >= http.StatusInternalServerError || status == httpapi.StatusClientClosed:
		return store.KeptAnswer{}, false
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return store.KeptAnswer{}, false
	}
	if !readToEnd(c.Request.Body) {
		return store.KeptAnswer{}, false
	}
	answer := store.KeptAnswer{Status: status, Headers: map[string]string{}}
	answer.Body, answer.BodySize = body.sum()
	for _, name := range keptHeaders {
		if value := held.Header().Get(name); value != "" {
			answer.Headers[name] = value
		}
	}
	if strings.Contains(held.Header().Get("Cache-Control"), "no-store") {
		return answer, true
	}
	answer.Answer = packed(held.text.Bytes())
	return answer, len(answer.Answer) <= maxAnswer
}

// readToEnd reads what a handler has left of a body, because it needs none or found a
// fault. It reports whether that was not much, and the body has an end.
func readToEnd(body io.Reader) bool {
	n, err := io.Copy(io.Discard, io.LimitReader(body, maxRest+1))
	return err == nil && n <= maxRest
}

// keepLease renews the lease of an attempt until stop is called.
func (s *Server) keepLease(ctx context.Context, attempt store.Attempt) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		background.Every(ctx, attemptLease/3, func(ctx context.Context) {
			if held, err := s.store.RenewAttempt(ctx, attempt, attemptLease); err == nil && !held {
				s.log.Warn("a request with an idempotency key was out of touch with the database for too long; it may have been carried out twice")
				cancel()
			}
		})
	}()
	return func() {
		cancel()
		<-done
	}
}

// drop lets the request of an attempt run again at once.
func (s *Server) drop(ctx context.Context, attempt store.Attempt) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if err := s.store.DropAttempt(ctx, attempt); err != nil {
		s.log.Debug("an idempotency key cannot be used until its lease ends", "lease", attemptLease, "error", err)
	}
}

// Answers returns the part of a program that forgets old answers for idempotency
// keys.
func (s *Server) Answers() lifecycle.Part {
	var cancel context.CancelFunc
	done := make(chan struct{})
	return lifecycle.Part{Name: "idempotency keys", Start: func(ctx context.Context, _ func(error)) error {
		ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
		go func() {
			defer close(done)
			s.forgetAnswers(ctx)
		}()
		return nil
	}, Stop: func(context.Context) error {
		cancel()
		<-done
		return nil
	}}
}

func (s *Server) forgetAnswers(ctx context.Context) {
	background.Every(ctx, forgetEvery, func(ctx context.Context) {
		if _, err := s.store.ForgetAnswers(ctx, cmp.Or(s.opts.Idempotency.Most, defaultMost)); err != nil && ctx.Err() == nil {
			s.log.Warn("old answers for idempotency keys are not deleted; trying again", "pause", forgetEvery, "error", err)
		}
	})
}

func packed(text []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(text) // a bytes.Buffer does not fail
	_ = w.Close()
	return out.Bytes()
}

func unpacked(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxHeld))
}
