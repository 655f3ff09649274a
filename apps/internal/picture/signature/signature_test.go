package signature_test

import (
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/picture/signature"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, data string
		want       signature.Format
		guess      string // of an unknown format
	}{
		{"JPEG", "\xff\xd8\xff\xe0", signature.JPEG, ""},
		{"PNG", "\x89PNG\r\n\x1a\nrest", signature.PNG, ""},
		{"GIF", "GIF89a", signature.GIF, ""},
		{"WebP", "RIFF\x00\x00\x00\x00WEBPVP8 ", signature.WebP, ""},
		{"BMP", "BM\x00\x00\x00\x00\x00\x00\x00\x00", signature.BMP, ""},
		{"TIFF", "II*\x00", signature.TIFF, ""},
		{"TIFF, other order", "MM\x00*", signature.TIFF, ""},
		{"HEIC", "\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00heicmif1", signature.HEIC, ""},
		{"AVIF", "\x00\x00\x00\x14ftypavif\x00\x00\x00\x00", signature.AVIF, ""},
		{"AVIF whose box is longer than the bytes", "\x00\x00\x10\x00ftypavif\x00\x00\x00\x00", signature.AVIF, ""},
		{"HEIC with a size of 64 bits", "\x00\x00\x00\x01ftyp\x00\x00\x00\x00\x00\x00\x00\x18heic\x00\x00\x00\x00", signature.HEIC, ""},
		{"nothing", "", signature.Unknown, "text/plain"},
		{"text", "BMW and other cars", signature.Unknown, "no picture"},
		{"half a signature", "\x89PN", signature.Unknown, "text/plain"},
		{"video", "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", signature.Unknown, "a video"},
		{"camera's RAW", "\x00\x00\x00\x18ftypcrx \x00\x00\x00\x00crx isom", signature.Unknown, "a camera's RAW file"},
		{"page", "<html>", signature.Unknown, "text/html"},
	} {
		got := signature.Of([]byte(tt.data))
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if guess := signature.Guess([]byte(tt.data)); tt.want == signature.Unknown && tt.name != "half a signature" && guess != tt.guess {
			t.Errorf("%s: guessed %q, want %q", tt.name, guess, tt.guess)
		}
	}
}
