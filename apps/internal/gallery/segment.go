package gallery

// The files of the gallery's cache are called segments. A segment is a
// sequence of records. Each record has a checksum, so that damage only
// affects the records it hits. A record consists of
//
//	mark (4 bytes), kind (1), length of the body (4), checksum (4), body
//
// in little-endian order. The checksum covers kind, length, body and the
// model set's id. A record of another model set, or with descriptors of
// another length, is therefore invalid.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

const (
	recordMark   = "\xf0RCG"
	recordHead   = len(recordMark) + 1 + 4 + 4
	maxBody      = 64 << 10
	maxPerRecord = 8 // descriptors in one record

	kindDescriptors = 'D' // content, then one or more descriptors
	kindProblem     = 'P' // content, scope, text: why this content cannot be matched
	kindFile        = 'F' // content, size, time, name: where this content was seen
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is one entry of the cache.
type record struct {
	kind    byte
	content ContentID
	// For kindDescriptors.
	descriptors []faces.Descriptor
	// For kindProblem. Another build or limit may succeed where this one
	// failed.
	scope string
	text  string
	// For kindFile.
	file knownFile
}

var errInvalidRecord = errors.New("not a valid record")

// appendRecord appends the encoded record to a segment. It drops a record
// that is too long.
func appendRecord(to []byte, modelID string, r record) []byte {
	body := bytes.Clone(r.content[:])
	switch r.kind {
	case kindDescriptors:
		for _, d := range r.descriptors {
			body = append(body, d.Bytes()...)
		}
	case kindProblem:
		body = binary.AppendUvarint(body, uint64(len(r.scope)))
		body = append(append(body, r.scope...), r.text...)
	case kindFile:
		body = binary.LittleEndian.AppendUint64(body, uint64(r.file.size))
		body = binary.LittleEndian.AppendUint64(body, uint64(r.file.modified))
		body = append(body, r.file.name...)
	}
	if len(body) > maxBody {
		return to // a very long problem text; describing the picture again does no harm
	}
	head := binary.LittleEndian.AppendUint32([]byte{r.kind}, uint32(len(body)))
	to = append(append(to, recordMark...), head...)
	to = binary.LittleEndian.AppendUint32(to, checksum(modelID, head, body))
	return append(to, body...)
}

func checksum(modelID string, parts ...[]byte) uint32 {
	sum := crc32.Checksum([]byte(modelID), castagnoli)
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return sum
}

// readRecords calls found with every valid record of a segment, its offset
// and its length. It returns how many bytes belong to no valid record.
func readRecords(raw []byte, model faces.Model, found func(r record, at, length int)) (damaged int) {
	for at := 0; at < len(raw); {
		r, length, err := decodeRecord(raw[at:], model)
		if err == nil {
			found(r, at, length)
			at += length
			continue
		}
		next := bytes.Index(raw[at+1:], []byte(recordMark))
		if next < 0 {
			return damaged + len(raw) - at
		}
		damaged += next + 1
		at += next + 1
	}
	return damaged
}

// decodeRecord decodes the record at the start of raw and returns its length.
func decodeRecord(raw []byte, model faces.Model) (record, int, error) {
	if len(raw) < recordHead || !bytes.HasPrefix(raw, []byte(recordMark)) {
		return record{}, 0, errInvalidRecord
	}
	head := raw[len(recordMark) : len(recordMark)+5]
	length := int(binary.LittleEndian.Uint32(head[1:]))
	if length > maxBody || length > len(raw)-recordHead {
		return record{}, 0, errInvalidRecord
	}
	body := raw[recordHead : recordHead+length]
	if checksum(model.ID, head, body) != binary.LittleEndian.Uint32(raw[recordHead-4:]) {
		return record{}, 0, errInvalidRecord
	}
	r, err := decodeBody(head[0], body, model.Size)
	return r, recordHead + length, err
}

// decodeBody validates everything: a checksum detects damage but not forgery.
func decodeBody(kind byte, body []byte, size int) (record, error) {
	r := record{kind: kind}
	if len(body) < len(r.content) {
		return r, errInvalidRecord
	}
	body = body[copy(r.content[:], body):]
	switch kind {
	case kindDescriptors:
		each := 4 * size
		if each == 0 || len(body) == 0 || len(body)%each != 0 || len(body)/each > maxPerRecord {
			return r, errInvalidRecord
		}
		for ; len(body) > 0; body = body[each:] {
			d, err := nearest.DescriptorFromBytes(body[:each], size)
			if err != nil {
				return r, errInvalidRecord
			}
			r.descriptors = append(r.descriptors, d)
		}
	case kindProblem:
		length, n := binary.Uvarint(body)
		if n <= 0 || length > uint64(len(body)-n) {
			return r, errInvalidRecord
		}
		body = body[n:]
		r.scope, r.text = string(body[:length]), string(body[length:])
		if r.text == "" {
			return r, errInvalidRecord
		}
	case kindFile:
		if len(body) <= 16 {
			return r, errInvalidRecord
		}
		r.file.size = int64(binary.LittleEndian.Uint64(body))
		r.file.modified = int64(binary.LittleEndian.Uint64(body[8:]))
		r.file.name = string(body[16:])
	default:
		return r, errInvalidRecord
	}
	return r, nil
}
