package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// retryAfter tells a client of an unavailable service when to come back.
const retryAfter = 2 * time.Second

// StatusOf returns the HTTP status of a code.
func StatusOf(code api.ErrorCode) int {
	switch code {
	case api.CodeInvalidRequest:
		return http.StatusBadRequest
	case api.CodeUnauthorized, api.CodeKeyExpired, api.CodeKeyRevoked:
		return http.StatusUnauthorized
	case api.CodeForbidden:
		return http.StatusForbidden
	case api.CodeNotFound:
		return http.StatusNotFound
	case api.CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case api.CodeConflict, api.CodeIdempotencyKeyInUse, api.CodeAnswerNotKept:
		return http.StatusConflict
	case api.CodeStale:
		return http.StatusPreconditionFailed
	case api.CodeEventsGone:
		return http.StatusGone
	case api.CodePreconditionRequired:
		return http.StatusPreconditionRequired
	case api.CodeBodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case api.CodePathNotAllowed, api.CodePathTooLong, api.CodePictureRefused, api.CodeIdempotencyKeyReused, api.CodeCorruptImage, api.CodeUnsupportedFormat, api.CodeImageTooLarge:
		return http.StatusUnprocessableEntity
	case api.CodeUnsupportedEncoding:
		return http.StatusUnsupportedMediaType
	case api.CodeRequestTimeout:
		return http.StatusRequestTimeout
	case api.CodeRateLimited:
		return http.StatusTooManyRequests
	case api.CodeUnavailable, api.CodeRecognizerUnavailable:
		return http.StatusServiceUnavailable
	case api.CodeInsufficientStorage:
		return http.StatusInsufficientStorage
	default:
		return http.StatusInternalServerError
	}
}

// codeOf translates a code of the domain. A code without a translation is a bug in
// Rollcall.
func codeOf(code faces.Code) api.ErrorCode {
	switch code {
	case faces.CodeInvalid:
		return api.CodeInvalidRequest
	case faces.CodeMissing:
		return api.CodeNotFound
	case faces.CodeConflict:
		return api.CodeConflict
	case faces.CodeStale:
		return api.CodeStale
	case faces.CodeUnavailable:
		return api.CodeUnavailable
	case faces.CodeNoRoom:
		return api.CodeInsufficientStorage
	case faces.CodeOf(faces.PathNotAllowed):
		return api.CodePathNotAllowed
	case faces.CodeOf(faces.UnsupportedFormat): // of an uploaded file
		return api.CodeUnsupportedFormat
	case faces.CodeOf(faces.ImageTooLarge):
		return api.CodeBodyTooLarge
	default:
		return api.CodeInternal
	}
}

// Body returns the part of an error that a client may read. Messages of internal
// errors stay in the log.
func Body(err error) api.ErrorBody {
	body := api.ErrorBody{Code: codeOf(faces.ErrorCode(err)), Message: faces.ErrorMessage(err)}
	var problem *api.Error
	if errors.As(err, &problem) {
		body = api.ErrorBody{Code: problem.Code, Message: problem.Message, Refusals: problem.Refusals}
	}
	if body.Code == api.CodeInternal {
		body.Message = "internal error"
	}
	return body
}

// StatusClientClosed is nginx's status for a client that closed the connection
// before the answer. Only metrics and logs see it.
const StatusClientClosed = 499

// Error answers a request with an error and ends its handling. The cause is
// logged here and nowhere else. If the answer has started already, the connection
// is closed, so that the client notices that the answer is incomplete.
func Error(c *gin.Context, log *slog.Logger, err error) {
	ErrorAs(c, log, err, func(err error) (int, any) {
		body := Body(err)
		if body.Code == api.CodeIdempotencyKeyInUse {
			c.Header("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
		}
		return StatusOf(body.Code), api.ErrorResponse{Error: body, RequestID: RequestID(c)}
	})
}

// ErrorAs is Error for answers of another shape, which shape returns with the status.
func ErrorAs(c *gin.Context, log *slog.Logger, err error, shape func(error) (status int, body any)) {
	status, body := shape(err)
	if status >= http.StatusInternalServerError {
		if errors.Is(c.Request.Context().Err(), context.Canceled) {
			log.DebugContext(c.Request.Context(), "the client has gone away", "request_id", RequestID(c), "error", err)
			c.AbortWithStatus(StatusClientClosed)
			return
		}
		note := log.ErrorContext
		if errors.Is(err, faces.ErrStarting) {
			note = log.InfoContext
		}
		note(c.Request.Context(), "request failed", "request_id", RequestID(c), "error", err)
	}
	if c.Writer.Written() {
		panic(http.ErrAbortHandler)
	}
	switch status {
	case http.StatusUnauthorized:
		c.Header("WWW-Authenticate", `Bearer realm="rollcall"`)
	case http.StatusTooManyRequests:
		c.Header("Retry-After", strconv.Itoa(secondsToWait(err)))
	case http.StatusServiceUnavailable:
		c.Header("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	case http.StatusRequestTimeout:
		c.Header("Connection", "close") // the rest of the body is not read
	}
	c.AbortWithStatusJSON(status, body)
}

// secondsToWait returns how long an error asks the client to wait, in whole seconds.
func secondsToWait(err error) int {
	var problem *api.Error
	if !errors.As(err, &problem) {
		return 1
	}
	return max(1, int(math.Ceil(problem.RetryAfter.Seconds())))
}
