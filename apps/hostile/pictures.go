package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/draw"
	"image/jpeg"
	"strconv"
	"strings"

	xdraw "golang.org/x/image/draw"
)

// stripBomb is a TIFF of one pixel a row and one strip a row. Its two tables
// share one array: a byte for each strip.
func stripBomb(rows uint32, compression uint16) []byte {
	const value, table = 150, 512 // where the strip is, and where the tables are
	var b bytes.Buffer
	b.WriteString("II*\x00\x08\x00\x00\x00\x09\x00")
	for _, tag := range []struct {
		id, kind     uint16
		count, value uint32
	}{
		{256, 4, 1, 1}, {257, 4, 1, rows}, {258, 3, 1, 8}, {259, 3, 1, uint32(compression)}, {262, 3, 1, 1},
		{273, 1, rows, table}, {277, 3, 1, 1}, {278, 4, 1, 1}, {279, 1, rows, table},
	} {
		raw := binary.LittleEndian.AppendUint16(nil, tag.id)
		raw = binary.LittleEndian.AppendUint16(raw, tag.kind)
		raw = binary.LittleEndian.AppendUint32(raw, tag.count)
		b.Write(binary.LittleEndian.AppendUint32(raw, tag.value))
	}
	b.Write(make([]byte, value-b.Len()))
	strip := zlib.NewWriter(&b)
	_, _ = strip.Write([]byte{0x80}) // to memory
	_ = strip.Close()
	b.Write(make([]byte, table-b.Len()))
	b.Write(bytes.Repeat([]byte{value}, int(rows)))
	return b.Bytes()
}

// scanBomb is a progressive JPEG whose scans cost work for every block.
func scanBomb(side, scans int) []byte {
	blocks := ((side + 7) / 8) * ((side + 7) / 8)
	var b bytes.Buffer
	segment := func(mark byte, body []byte) {
		b.Write([]byte{0xff, mark})
		b.Write(binary.BigEndian.AppendUint16(nil, uint16(len(body)+2)))
		b.Write(body)
	}
	huffman := func(class byte, length int, symbols ...byte) {
		counts := make([]byte, 16)
		counts[length-1] = byte(len(symbols))
		segment(0xc4, append(append([]byte{class << 4}, counts...), symbols...))
	}
	b.Write([]byte{0xff, 0xd8})
	segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...))
	segment(0xc2, []byte{8, byte(side >> 8), byte(side), byte(side >> 8), byte(side), 1, 1, 0x11, 0})
	huffman(0, 1, 0)
	segment(0xda, []byte{1, 1, 0, 0, 0, 0})
	b.Write(make([]byte, (blocks+7)/8))
	huffman(1, 2, 0xf0, 0) // 0 skips 16 coefficients, 1 ends the block
	for range scans {
		segment(0xda, []byte{1, 1, 0, 1, 0x3f, 0x10})
		b.Write(bytes.Repeat([]byte{0b00000001}, blocks))
	}
	b.Write([]byte{0xff, 0xd9})
	return b.Bytes()
}

// faceGrid repeats a portrait as often as it fits.
func faceGrid(portrait []byte, side int) ([]byte, error) {
	const width = 1600
	face, _, err := image.Decode(bytes.NewReader(portrait))
	if err != nil {
		return nil, err
	}
	small := image.NewRGBA(image.Rect(0, 0, side, side))
	xdraw.CatmullRom.Scale(small, small.Bounds(), face, face.Bounds(), xdraw.Src, nil)
	grid := image.NewRGBA(image.Rect(0, 0, width, width))
	for y := 0; y+side <= width; y += side {
		for x := 0; x+side <= width; x += side {
			draw.Draw(grid, image.Rect(x, y, x+side, y+side), small, image.Point{}, draw.Src)
		}
	}
	var b bytes.Buffer
	err = jpeg.Encode(&b, grid, &jpeg.Options{Quality: 95})
	return b.Bytes(), err
}

// inputs returns the byte strings in a file of a fuzz test's corpus.
func inputs(text string) (list [][]byte) {
	for line := range strings.Lines(text) {
		quoted, ok := strings.CutPrefix(strings.TrimSpace(line), "[]byte(")
		if !ok {
			continue
		}
		if raw, err := strconv.Unquote(strings.TrimSuffix(quoted, ")")); err == nil {
			list = append(list, []byte(raw))
		}
	}
	return list
}
