package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A row is a JSON array, in which values keep their type: an integer, a number with a
// point or an exponent, a string, null, {"b": base64} for bytes, and {"t": base64} for a
// text that is not UTF-8.

// appendRow appends a row and a line end.
func appendRow(to []byte, row []any) ([]byte, error) {
	to = append(to, '[')
	for i, v := range row {
		if i > 0 {
			to = append(to, ',')
		}
		var err error
		if to, err = appendValue(to, v); err != nil {
			return nil, fmt.Errorf("value %d of a row: %w", i+1, err)
		}
	}
	return append(to, "]\n"...), nil
}

func appendValue(to []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(to, "null"...), nil
	case int64:
		return strconv.AppendInt(to, v, 10), nil
	case float64:
		return appendFloat(to, v)
	case []byte:
		return appendBytes(to, 'b', v), nil
	case string:
		if !utf8.ValidString(v) {
			return appendBytes(to, 't', []byte(v)), nil
		}
		text, err := json.Marshal(v)
		return append(to, text...), err
	default:
		return nil, fmt.Errorf("a value of type %T cannot be stored", v)
	}
}

func appendFloat(to []byte, v float64) ([]byte, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, fmt.Errorf("%v cannot be stored", v)
	}
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return append(to, text...), nil
}

func appendBytes(to []byte, kind byte, v []byte) []byte {
	to = append(to, '{', '"', kind, '"', ':', '"')
	to = base64.StdEncoding.AppendEncode(to, v)
	return append(to, '"', '}')
}

// decodeRow reads a row of a number of columns.
func decodeRow(line []byte, columns int) ([]any, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var row []any
	if err := d.Decode(&row); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("something follows the row")
	}
	if len(row) != columns {
		return nil, fmt.Errorf("a row has %d values for %d columns", len(row), columns)
	}
	for i, v := range row {
		var err error
		if row[i], err = decodeValue(v); err != nil {
			return nil, fmt.Errorf("value %d: %w", i+1, err)
		}
	}
	return row, nil
}

func decodeValue(v any) (any, error) {
	switch v := v.(type) {
	case nil, string:
		return v, nil
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return v.Float64()
		}
		return v.Int64()
	case map[string]any:
		return decodeBytes(v)
	default:
		return nil, errors.New("a value of an unknown type")
	}
}

func decodeBytes(v map[string]any) (any, error) {
	if len(v) == 1 {
		for kind, text := range v {
			text, ok := text.(string)
			data, err := base64.StdEncoding.DecodeString(text)
			switch {
			case !ok || err != nil:
			case kind == "b":
				return data, nil
			case kind == "t":
				return string(data), nil
			}
		}
	}
	return nil, errors.New("a value of an unknown type")
}

// Digest is the SHA-256 of a table's columns and rows. Two tables with the same digest
// have the same rows, value by value.
type Digest struct {
	sum  hash.Hash
	line []byte
	rows int64
}

// NewDigest returns the digest of a table without rows.
func NewDigest(columns []string) *Digest {
	d := &Digest{sum: sha256.New()}
	text, _ := json.Marshal(columns) //nolint:errchkjson // strings always can
	d.sum.Write(append(text, '\n'))
	return d
}

// Add adds a row.
func (d *Digest) Add(row []any) (err error) {
	if d.line, err = appendRow(d.line[:0], row); err != nil {
		return err
	}
	d.addLine(d.line)
	return nil
}

func (d *Digest) addLine(line []byte) {
	d.sum.Write(line)
	d.rows++
}

// Rows returns how many rows were added.
func (d *Digest) Rows() int64 { return d.rows }

// String returns the digest in hexadecimal.
func (d *Digest) String() string { return hex.EncodeToString(d.sum.Sum(nil)) }

// members is the digest of all members.
type members struct{ sum hash.Hash }

func newMembers() members { return members{sha256.New()} }

func (m members) add(name string, size int, sum string) {
	_, _ = io.WriteString(m.sum, fmt.Sprintf("%s\n%d %s\n", name, size, sum)) // a hash takes all
}

func (m members) String() string { return hex.EncodeToString(m.sum.Sum(nil)) }

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
