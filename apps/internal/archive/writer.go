package archive

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"
)

// Writer writes an archive.
type Writer struct {
	tar     *tar.Writer
	layers  []io.Closer // from the inside out
	buffer  *bufio.Writer
	members members
	end     End
	table   *Digest
	chunk   []byte
	chunks  int
	known   map[string]bool // names of known pictures that are in it
}

// NewWriter begins an archive. It is encrypted to the recipients, if there are any.
func NewWriter(w io.Writer, head Head, to []age.Recipient) (*Writer, error) {
	a := &Writer{members: newMembers(), buffer: bufio.NewWriterSize(w, 1<<16), known: map[string]bool{}}
	out := io.Writer(a.buffer)
	if len(to) > 0 {
		encrypted, err := age.Encrypt(out, to...)
		if err != nil {
			return nil, fmt.Errorf("encrypt the archive: %w", err)
		}
		a.layers, out = append(a.layers, encrypted), encrypted
	}
	// Descriptors and pictures hardly get smaller, so speed counts.
	compressed, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("compress the archive: %w", err)
	}
	a.layers = append([]io.Closer{compressed}, a.layers...)
	a.tar = tar.NewWriter(compressed)
	head.Format = Format
	return a, a.text(headName, head)
}

func (w *Writer) text(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return w.member(name, time.Time{}, append(data, '\n'))
}

func (w *Writer) member(name string, modified time.Time, data []byte) error {
	sum := sumOf(data)
	err := w.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o600, ModTime: modified,
		PAXRecords: map[string]string{hashRecord: sum}, Format: tar.FormatPAX,
	})
	if err == nil {
		_, err = w.tar.Write(data)
	}
	if err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	if name != endName {
		w.members.add(name, len(data), sum)
	}
	return nil
}

// File writes a file. A known picture that is there already is an error.
func (w *Writer) File(k Kind, name string, modified time.Time, content []byte) error {
	if err := CheckName(k, name); err != nil {
		return err
	}
	if int64(len(content)) > k.maxSize() {
		return fmt.Errorf("a file (%s) has more than %d bytes", k, k.maxSize())
	}
	if k == Known {
		if w.known[name] {
			return errors.New("a known picture is in the archive already")
		}
		w.known[name] = true
	}
	if err := w.member(string(k)+"/"+name, modified, content); err != nil {
		return err
	}
	w.end.Files.of(k).add(len(content))
	return nil
}

// BeginTable begins a table. Row adds its rows.
func (w *Writer) BeginTable(name string, columns []string, nextID int64) error {
	if err := w.endTable(); err != nil {
		return err
	}
	w.end.Tables = append(w.end.Tables, Table{Name: name, Columns: columns, NextID: nextID})
	w.table, w.chunks, w.chunk = NewDigest(columns), 0, w.chunk[:0]
	return nil
}

// Row adds a row to the table that was begun last.
func (w *Writer) Row(row []any) error {
	if len(w.chunk) == 0 {
		text, err := json.Marshal(w.current().Columns)
		if err != nil {
			return fmt.Errorf("encode the columns of %s: %w", w.current().Name, err)
		}
		w.chunk = append(append(w.chunk, text...), '\n')
	}
	before := len(w.chunk)
	chunk, err := appendRow(w.chunk, row)
	if err != nil {
		return fmt.Errorf("table %s: %w", w.current().Name, err)
	}
	w.chunk = chunk
	w.table.addLine(chunk[before:])
	if len(w.chunk) >= chunkSize {
		return w.flush()
	}
	return nil
}

func (w *Writer) current() *Table { return &w.end.Tables[len(w.end.Tables)-1] }

func (w *Writer) flush() error {
	if len(w.chunk) == 0 {
		return nil
	}
	if len(w.chunk) > maxChunk {
		return fmt.Errorf("a row of the table %s has more than %d bytes", w.current().Name, maxChunk)
	}
	w.chunks++
	err := w.member(fmt.Sprintf("tables/%s/%06d.jsonl", w.current().Name, w.chunks), time.Time{}, w.chunk)
	w.chunk = w.chunk[:0]
	return err
}

func (w *Writer) endTable() error {
	if w.table == nil {
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.current().Rows, w.current().Digest = w.table.Rows(), w.table.String()
	w.table = nil
	return nil
}

// Close ends the archive, and returns what it has.
func (w *Writer) Close(schema int, takenAt time.Time, missing int64) (End, error) {
	if err := w.endTable(); err != nil {
		return End{}, err
	}
	w.end.Schema, w.end.TakenAt, w.end.Files.Missing, w.end.Digest = schema, takenAt, missing, w.members.String()
	if err := w.text(endName, w.end); err != nil {
		return End{}, err
	}
	err := w.tar.Close()
	for _, layer := range w.layers {
		err = errors.Join(err, layer.Close())
	}
	if err = errors.Join(err, w.buffer.Flush()); err != nil {
		return End{}, fmt.Errorf("write the end of the archive: %w", err)
	}
	return w.end, nil
}
