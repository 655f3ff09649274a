// Package imagequeue connects Rollcall to NSQ. A Producer publishes image ids,
// a Consumer receives them, and a Monitor tells how many are left.
//
// Topic, channel and message format are a wire contract: other programs read
// and write them too.
package imagequeue

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"strings"
)

const (
	// Topic carries the ids of images that wait to be processed.
	Topic = "images"
	// Channel is shared by all processors: each id goes to one of them.
	Channel = "ch"
)

// messageSize is the size of a message body in bytes: the image id as unsigned
// 64-bit little-endian integer.
const messageSize = 8

// Encode returns the message body for an image id.
func Encode(id int64) []byte {
	return binary.LittleEndian.AppendUint64(make([]byte, 0, messageSize), uint64(id))
}

// Decode reverses Encode. It fails if the body is not one positive id.
func Decode(body []byte) (int64, error) {
	if len(body) != messageSize {
		return 0, fmt.Errorf("message has %d bytes, want %d", len(body), messageSize)
	}
	id := binary.LittleEndian.Uint64(body)
	if id == 0 || id > math.MaxInt64 {
		return 0, fmt.Errorf("message holds %d, which is not an image id", id)
	}
	return int64(id), nil
}

// nsqLog passes go-nsq's log lines to slog. go-nsq logs an ERROR for a lost
// connection that it then restores, so errors become warnings.
type nsqLog struct{ log *slog.Logger }

// Output implements go-nsq's logger. A line begins with its level.
func (l nsqLog) Output(_ int, line string) error {
	level, text, _ := strings.Cut(line, " ")
	text = strings.Join(strings.Fields(text), " ")
	switch {
	case strings.HasPrefix(level, "ERR"), strings.HasPrefix(level, "WRN"):
		// Neither is a problem: nobody has published to the topic yet, or the
		// last connection ended and its cause is in the log already.
		if strings.Contains(text, "TOPIC_NOT_FOUND") || strings.Contains(text, "connections left alive") {
			l.log.Debug("message from go-nsq", "text", text)
			return nil
		}
		l.log.Warn("message from go-nsq", "text", text)
	default:
		l.log.Debug("message from go-nsq", "text", text)
	}
	return nil
}
