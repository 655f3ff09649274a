package traffic

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
)

// Picture is a file to upload. It is in memory, so that no disk is measured.
type Picture struct{ Content []byte }

// maxPictures bounds the memory of all pictures, in bytes.
const maxPictures = 512 << 20

// ReadPictures reads the pictures of a folder, with those below it, and returns how many
// files were left out: those that are neither JPEG nor PNG, and those that do not fit
// into memory.
func ReadPictures(dir string) (list []Picture, left int, err error) {
	size := int64(0)
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if size+info.Size() > maxPictures {
			left++
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !takesATail(content) {
			left++
			return nil
		}
		size += info.Size()
		list = append(list, Picture{content})
		return nil
	})
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("read the pictures: %w", err)
	case len(list) == 0:
		return nil, 0, errors.New("-files has no JPEG and no PNG file")
	}
	return list, left, nil
}

// takesATail reports whether decoders ignore what follows the end of a picture: those of
// JPEG and PNG do.
func takesATail(content []byte) bool {
	kind := http.DetectContentType(content)
	return kind == "image/jpeg" || kind == "image/png"
}

// form returns the form of an upload of n files, and its type. A file of which the same
// content was uploaded before is the same image, and would not be processed again; so each
// has its number and the run behind its end.
func form(pictures []Picture, run string, first, n int) (kind string, _ *body, err error) {
	b := &body{}
	var text bytes.Buffer // between two pictures
	w := multipart.NewWriter(&text)
	for i := first; i < first+n; i++ {
		part, err := w.CreateFormFile("file", fmt.Sprintf("load-%s-%d", run, i))
		if err != nil {
			return "", nil, err
		}
		b.add(bytes.Clone(text.Bytes()))
		b.add(pictures[i%len(pictures)].Content)
		text.Reset()
		if _, err = fmt.Fprintf(part, "\n%s %d", run, i); err != nil {
			return "", nil, err
		}
	}
	if err := w.Close(); err != nil {
		return "", nil, err
	}
	b.add(text.Bytes())
	b.Reader = b.Again()
	return w.FormDataContentType(), b, nil
}

// body is what is sent. The uploads under way share the contents of the pictures, which would not
// fit into memory once for each of them.
type body struct {
	io.Reader
	pieces [][]byte
	size   int64
}

func (b *body) add(piece []byte) {
	b.pieces, b.size = append(b.pieces, piece), b.size+int64(len(piece))
}

// Size implements client.Repeatable.
func (b *body) Size() int64 { return b.size }

// Again implements client.Repeatable.
func (b *body) Again() io.Reader {
	readers := make([]io.Reader, len(b.pieces))
	for i, piece := range b.pieces {
		readers[i] = bytes.NewReader(piece)
	}
	return io.MultiReader(readers...)
}
