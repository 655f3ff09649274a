package embeddedqueue

import (
	"context"
	"log/slog"
	"strings"
)

// logger passes the log lines of nsqd and nsqlookupd to slog. A line is "LEVEL:
// text".
type logger struct{ log *slog.Logger }

// Output implements the Logger interfaces of nsqd and nsqlookupd.
func (l logger) Output(_ int, line string) error {
	name, text, ok := strings.Cut(line, ": ")
	if !ok {
		name, text = "", line
	}
	l.log.Log(context.Background(), level(name, text), text)
	return nil
}

// level maps a server's level to slog's. The servers log every connection at
// INFO, and log an ERROR for each client that disconnects without saying
// goodbye (the line begins with "client("); both are only of use when debugging
// the servers.
func level(name, text string) slog.Level {
	switch {
	case strings.HasPrefix(text, "client("):
		return slog.LevelDebug
	case name == "WARNING":
		return slog.LevelWarn
	case name == "ERROR", name == "FATAL":
		return slog.LevelError
	default:
		return slog.LevelDebug
	}
}
