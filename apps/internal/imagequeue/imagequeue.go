// Package imagequeue is Rollcall's side of NSQ: the names of topic and
// channel, the format of a message, a producer and a consumer.
//
// This file owns the format. Other programs write and read it, too.
package imagequeue

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"strings"
)

const (
	// Topic carries the ids of images that wait for their turn.
	Topic = "images"
	// Channel is where processors share them.
	Channel = "ch"
)

// messageSize is the size of a body: the id, unsigned, little-endian.
const messageSize = 8

// Encode returns the body of a message.
func Encode(id int64) []byte {
	return binary.LittleEndian.AppendUint64(make([]byte, 0, messageSize), uint64(id))
}

// Decode is the reverse of Encode. It fails where the body is not one id.
func Decode(body []byte) (int64, error) {
	if len(body) != messageSize {
		return 0, fmt.Errorf("a message has %d bytes, not %d", messageSize, len(body))
	}
	id := binary.LittleEndian.Uint64(body)
	if id == 0 || id > math.MaxInt64 {
		return 0, fmt.Errorf("%d is not an image id", id)
	}
	return int64(id), nil
}

// nsqLog passes the NSQ library's log lines on. What it calls an error is
// mostly a connection that it will make again, so it is told as a warning.
type nsqLog struct{ log *slog.Logger }

// Output implements the library's logger. Lines begin with their level.
func (l nsqLog) Output(_ int, line string) error {
	level, text, _ := strings.Cut(line, " ")
	text = strings.Join(strings.Fields(text), " ")
	switch {
	case strings.HasPrefix(level, "ERR"), strings.HasPrefix(level, "WRN"):
		// A topic that nobody has published to yet is no trouble, nor is the
		// end of the last connection: what broke it was told already.
		if strings.Contains(text, "TOPIC_NOT_FOUND") || strings.Contains(text, "connections left alive") {
			l.log.Debug("queue", "says", text)
			return nil
		}
		l.log.Warn("queue", "says", text)
	default:
		l.log.Debug("queue", "says", text)
	}
	return nil
}
