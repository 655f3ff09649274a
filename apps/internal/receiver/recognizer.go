package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/breaker"
)

// Recognizer is the part of the recognizers that a Server uses. Its errors have a
// reason (see faces.ReasonOf).
type Recognizer interface {
	// RecognizeContent recognizes a picture by the bytes of its file. rule has the
	// threshold and the margin by which the caller decides.
	RecognizeContent(ctx context.Context, content []byte, rule faces.Model) (faces.Recognition, error)
	// Match returns the known pictures nearest to descriptors.
	Match(ctx context.Context, q faces.MatchQuery) ([][]faces.Neighbour, error)
	// Render returns the picture at a path as a JPEG for people to look at.
	Render(ctx context.Context, path string, how faces.Rendering) (faces.Rendered, error)
	// RenderContent does the same with the bytes of a file.
	RenderContent(ctx context.Context, content []byte, how faces.Rendering) (faces.Rendered, error)
	// Ping returns nil if a recognizer is ready to serve.
	Ping(ctx context.Context) error
}

// The circuit breaker around the recognizers. Somebody waits for the answer of
// each call, so the circuit opens early and is tested often.
const (
	circuitFailures = 3
	circuitPause    = time.Second
	circuitPauseMax = 10 * time.Second
	circuitPing     = 2 * time.Second
)

// recognizers guards the calls to the recognizers.
type recognizers struct {
	recognizer Recognizer // nil: this receiver has none
	breaker    *breaker.Breaker
}

func newRecognizers(r Recognizer, log *slog.Logger, reg prometheus.Registerer) *recognizers {
	if r == nil {
		return &recognizers{}
	}
	b := breaker.New(breaker.Options{
		Failures: circuitFailures, Pause: circuitPause, MaxPause: circuitPauseMax,
		Ping: r.Ping, PingTimeout: circuitPing, IsFault: isAway,
		OnChange: func(c breaker.Change) {
			switch {
			case c.State == breaker.Closed:
				log.Info("the recognizer is back: pictures and questions are answered again")
			case !c.Still:
				log.Warn("the recognizer is in trouble: pictures and questions get 503", "error", c.Err, "next ping in", c.Next)
			}
		},
	})
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_receiver_breaker_open", Help: "1 while the receiver asks the recognizer nothing.",
	}, func() float64 { return float64(b.State()) }))
	return &recognizers{recognizer: r, breaker: b}
}

// isAway reports whether an error means that no recognizer answers. A recognizer
// that fails on one picture is there for the others, and one of an older release
// for other questions.
func isAway(err error) bool {
	if errors.Is(err, faces.ErrNotOffered) {
		return false
	}
	r := faces.ReasonOf(err)
	return r == faces.RecognizerUnavailable || r == faces.Timeout
}

// call calls a recognizer. Its errors are for the client.
func (r *recognizers) call(ctx context.Context, f func(context.Context, Recognizer) error) error {
	if r.recognizer == nil {
		return api.Errorf(api.CodeRecognizerUnavailable, "this receiver knows no recognizer; set GRPC_ADDRESS")
	}
	err := r.breaker.Do(ctx, func(ctx context.Context) error { return f(ctx, r.recognizer) })
	if errors.Is(err, breaker.ErrOpen) {
		return api.Errorf(api.CodeRecognizerUnavailable, "no recognizer answers; try again in a moment")
	}
	return pictureProblem(err)
}

// close stops the pings.
func (r *recognizers) close() {
	if r.breaker != nil {
		r.breaker.Close()
	}
}

// nameError says which picture of a request an error is about.
func nameError(err error, picture string) error {
	var problem *api.Error
	if !errors.As(err, &problem) || problem.Code == api.CodeRecognizerUnavailable {
		return err
	}
	return fmt.Errorf("%w (%w)", api.Errorf(problem.Code, "picture %s: %s", picture, problem.Message), err)
}

// pictureProblem turns the reason why a recognizer has no answer about a picture
// into an error for the client who asked for it.
func pictureProblem(err error) error {
	if err == nil {
		return nil
	}
	code, ok := map[faces.Reason]api.ErrorCode{
		faces.NotFound:              api.CodeNotFound,
		faces.PathNotAllowed:        api.CodePathNotAllowed,
		faces.CorruptImage:          api.CodeCorruptImage,
		faces.UnsupportedFormat:     api.CodeUnsupportedFormat,
		faces.ImageTooLarge:         api.CodeImageTooLarge,
		faces.RecognizerUnavailable: api.CodeRecognizerUnavailable,
		faces.Timeout:               api.CodeRecognizerUnavailable,
	}[faces.ReasonOf(err)]
	if !ok {
		return err
	}
	return fmt.Errorf("%w (%w)", api.Errorf(code, "%s", faces.ErrorMessage(err)), err)
}
