package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// decodePNG decodes a PNG. If Go's decoder refuses it, it is decoded as
// browsers do: ignoring checksums, and up to where the data breaks off.
func decodePNG(data []byte, h *header) (image.Image, error) {
	m, err := png.Decode(bytes.NewReader(data))
	if err == nil || isUnsupported(err) {
		return m, err
	}
	// Repairing holds the raw pixels twice, in addition to the picture.
	if 3*h.memory > h.maxMemory {
		return nil, err
	}
	sound, missing, ok := repairPNG(data)
	if !ok || missing > maxMissing {
		return nil, err
	}
	m, repairErr := png.Decode(bytes.NewReader(sound))
	if repairErr != nil {
		return nil, err
	}
	h.warning = damageWarning(missing)
	return m, nil
}

// damageWarning says in words for the user which share of the rows is
// missing.
func damageWarning(missing float64) string {
	if missing > 0 {
		return fmt.Sprintf("the file is damaged or ends early; %s of the picture is missing", percent(missing))
	}
	return "the file is damaged or ends early; nothing of the picture is missing"
}

// repairPNG returns a valid PNG with everything readable in data, and the
// share of the pixels that are missing. Missing pixels are zero. ok is false
// if nothing is readable.
func repairPNG(data []byte) (sound []byte, missing float64, ok bool) {
	var kept, packed bytes.Buffer // chunks before the pixel data; the pixel data
	var ihdr []byte
	for rest := data[len(pngSignature):]; len(rest) >= 8; {
		size, kind := uint64(binary.BigEndian.Uint32(rest)), string(rest[4:8])
		body := rest[8:]
		body = body[:min(size, uint64(len(body)))]
		switch kind {
		case "IHDR":
			if ihdr == nil {
				ihdr = body
			}
		case "PLTE", "tRNS":
			writeChunk(&kept, kind, body)
		case "IDAT":
			packed.Write(body)
		}
		rest = rest[min(8+uint64(len(body))+4, uint64(len(rest))):]
	}
	if len(ihdr) != 13 {
		return nil, 0, false
	}
	total := rawSize(ihdr)
	raw := make([]byte, total)
	unpacked, err := zlib.NewReader(&packed)
	if err != nil {
		return nil, 0, false
	}
	n, _ := io.ReadFull(unpacked, raw) // a short read is expected
	var out, again bytes.Buffer
	out.WriteString(pngSignature)
	writeChunk(&out, "IHDR", ihdr)
	out.Write(kept.Bytes())
	w, err := zlib.NewWriterLevel(&again, zlib.NoCompression)
	if err != nil {
		return nil, 0, false
	}
	if _, err = w.Write(raw); err == nil {
		err = w.Close()
	}
	writeChunk(&out, "IDAT", again.Bytes())
	writeChunk(&out, "IEND", nil)
	return out.Bytes(), 1 - float64(n)/float64(max(1, total)), err == nil
}

// rawSize returns the size in bytes of a PNG's uncompressed pixels. Each row
// has a filter byte in front. The caller has checked the size in the header.
func rawSize(ihdr []byte) int64 {
	width, height := int64(binary.BigEndian.Uint32(ihdr)), int64(binary.BigEndian.Uint32(ihdr[4:]))
	channels := map[byte]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[ihdr[9]]
	pass := func(width, height int64) int64 {
		if width < 1 || height < 1 {
			return 0
		}
		return height * (1 + (width*channels*int64(ihdr[8])+7)/8)
	}
	if ihdr[12] == 0 {
		return pass(width, height)
	}
	var sum int64
	for _, p := range []struct{ x, y, stepX, stepY int64 }{ // Adam7
		{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2},
	} {
		sum += pass((width-p.x+p.stepX-1)/p.stepX, (height-p.y+p.stepY-1)/p.stepY)
	}
	return sum
}

func writeChunk(out *bytes.Buffer, kind string, body []byte) {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	head = append(head, kind...)
	out.Write(head)
	out.Write(body)
	sum := crc32.Update(crc32.ChecksumIEEE(head[4:]), crc32.IEEETable, body)
	out.Write(binary.BigEndian.AppendUint32(nil, sum))
}
