// Package signature tells the format of a picture file by its first bytes. It decodes
// nothing, so that programs that must not decode can use it.
package signature

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"strings"
)

// Format is a file format that Rollcall reads. Its value is the usual extension of
// such files.
type Format string

// The formats that Rollcall reads. Unknown is any other.
const (
	Unknown Format = ""
	JPEG    Format = "jpg"
	PNG     Format = "png"
	GIF     Format = "gif"
	WebP    Format = "webp"
	BMP     Format = "bmp"
	TIFF    Format = "tiff"
	HEIC    Format = "heic"
	AVIF    Format = "avif"
)

// Enough is how many bytes of a file always suffice.
const Enough = 512

// Of returns the format that the first bytes of a file claim. The file may be damaged
// all the same.
func Of(data []byte) Format {
	starts := func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) }
	switch {
	case starts("\xff\xd8\xff"):
		return JPEG
	case starts("\x89PNG\r\n\x1a\n"):
		return PNG
	case starts("GIF87a"), starts("GIF89a"):
		return GIF
	case starts("RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		return WebP
	case starts("II*\x00"), starts("MM\x00*"):
		return TIFF
	// Any text may start with BM. A real BMP has four reserved zeros, too.
	case starts("BM") && len(data) >= 10 && string(data[6:10]) == "\x00\x00\x00\x00":
		return BMP
	}
	switch isoBrand(data) {
	case "HEIC":
		return HEIC
	case "AVIF":
		return AVIF
	}
	return Unknown
}

// Guess names the format that the first bytes of a file seem to have, for a message.
func Guess(data []byte) string {
	if brand := isoBrand(data); brand != "" {
		return brand
	}
	for _, k := range []struct{ magic, name string }{
		{"\xff\x0a", "JPEG XL"},
		{"\x00\x00\x00\x0cJXL ", "JPEG XL"},
		{"\x00\x00\x00\x0cjP  ", "JPEG 2000"},
		{"II+\x00", "a BigTIFF"},
		{"MM\x00+", "a BigTIFF"},
		{"8BPS", "a Photoshop document"},
		{"FUJIFILMCCD-RAW", "a camera's RAW file"},
		{"IIRO", "a camera's RAW file"},
		{"IIRS", "a camera's RAW file"},
		{"IIU\x00", "a camera's RAW file"},
	} {
		if bytes.HasPrefix(data, []byte(k.magic)) {
			return k.name
		}
	}
	kind, _, _ := strings.Cut(http.DetectContentType(data), ";")
	switch kind {
	case "application/octet-stream", "image/bmp": // which DetectContentType returns for anything that starts with BM
		return "no picture"
	}
	return kind
}

// isoBrand names a file in the ISO base media format (the container of MP4) by its
// major and compatible brands. It returns "" for any other file.
func isoBrand(data []byte) string {
	if len(data) < 12 || string(data[4:8]) != "ftyp" {
		return ""
	}
	body := brands(data)
	name := "a video"
	for at := 0; at+4 <= len(body) && at < 256; at += 4 {
		if at == 4 {
			continue // the minor version
		}
		switch string(body[at : at+4]) {
		case "heic", "heix", "heim", "heis", "hevc", "hevx":
			return "HEIC"
		case "avif", "avis":
			return "AVIF"
		case "mif1", "msf1":
			name = "HEIC"
		case "crx ":
			return "a camera's RAW file"
		}
	}
	return name
}

// brands returns the body of a file's ftyp box, and the major brand alone of a box
// that is not in data as a whole.
func brands(data []byte) []byte {
	size, head := uint64(binary.BigEndian.Uint32(data)), uint64(8)
	switch size {
	case 0: // the box extends to the end of the file
		size = uint64(len(data))
	case 1: // the size is in 64 bits
		if len(data) >= 20 {
			size, head = binary.BigEndian.Uint64(data[8:]), 16
		}
	}
	if size < head+4 || size > uint64(len(data)) {
		return data[8:12]
	}
	return data[head:size]
}
