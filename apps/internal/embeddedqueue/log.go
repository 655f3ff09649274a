package embeddedqueue

// This file owns how the servers' own log lines become slog records.

import (
	"context"
	"log/slog"
	"strings"
)

// logger is a Logger of nsqd and nsqlookupd, which put a line's level before
// its text.
type logger struct{ log *slog.Logger }

// Output implements the Logger interfaces of nsqd and nsqlookupd.
func (l logger) Output(_ int, line string) error {
	level, text, ok := strings.Cut(line, ": ")
	if !ok {
		level, text = "", line
	}
	l.log.Log(context.Background(), rank(level, text), text)
	return nil
}

// rank ranks the servers' lines by what they mean to someone who does not debug
// the servers: their INFO tells of every connection, and a line that begins
// with a client says only that its connection ended, an error to them unless
// the client said goodbye.
func rank(level, text string) slog.Level {
	switch {
	case strings.HasPrefix(text, "client("):
		return slog.LevelDebug
	case level == "WARNING":
		return slog.LevelWarn
	case level == "ERROR", level == "FATAL":
		return slog.LevelError
	default:
		return slog.LevelDebug
	}
}
