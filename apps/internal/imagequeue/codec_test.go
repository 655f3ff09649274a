package imagequeue_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		body []byte
		want int64 // 0: an error
	}{
		{"one", []byte{1, 0, 0, 0, 0, 0, 0, 0}, 1},
		{"little-endian", []byte{2, 1, 0, 0, 0, 0, 0, 0}, 258},
		{"beyond 32 bits", []byte{0, 0, 0, 0, 1, 0, 0, 0}, 1 << 32},
		{"the largest", []byte{255, 255, 255, 255, 255, 255, 255, 127}, math.MaxInt64},
		{"zero", make([]byte, 8), 0},
		{"too large for the database", []byte{0, 0, 0, 0, 0, 0, 0, 128}, 0},
		{"nothing", nil, 0},
		{"short", []byte{1, 0, 0, 0}, 0},
		{"long", []byte{1, 0, 0, 0, 0, 0, 0, 0, 0}, 0},
		{"text", []byte("17"), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := imagequeue.Decode(test.body)
			if got != test.want || (err == nil) != (test.want != 0) {
				t.Errorf("Decode = %d, %v, want %d", got, err, test.want)
			}
			if test.want != 0 && !bytes.Equal(imagequeue.Encode(test.want), test.body) {
				t.Errorf("Encode = %v, want %v", imagequeue.Encode(test.want), test.body)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte(nil))
	f.Add(bytes.Repeat([]byte{255}, 8))
	f.Fuzz(func(t *testing.T, body []byte) {
		id, err := imagequeue.Decode(body)
		if err != nil {
			return
		}
		if id < 1 {
			t.Errorf("%v is image %d", body, id)
		}
		if got := imagequeue.Encode(id); !bytes.Equal(got, body) {
			t.Errorf("%v decodes to %d, which encodes to %v", body, id, got)
		}
	})
}
