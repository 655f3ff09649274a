package traffic

import (
	"io"
	"mime"
	"mime/multipart"
	"runtime"
	"testing"
)

// Uploads do not copy their pictures, and can be sent again. It is not parallel: it counts what the
// program allocates.
func TestUploadsShareThePictures(t *testing.T) {
	const size, files = 4 << 20, 8
	pictures := []Picture{{make([]byte, size)}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	kind, b, err := form(pictures, "run", 0, files)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > size/2 {
		t.Errorf("a form of %d bytes takes %d bytes", files*size, used)
	}
	_, params, err := mime.ParseMediaType(kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []io.Reader{b, b.Again()} {
		counted := &counter{Reader: from}
		parts, n := multipart.NewReader(counted, params["boundary"]), 0
		for ; ; n++ {
			part, err := parts.NextPart()
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if got, err := io.Copy(io.Discard, part); err != nil || got != size+int64(len("\nrun 0")) {
				t.Errorf("file %d has %d bytes: %v", n, got, err)
			}
		}
		if _, err := io.Copy(io.Discard, counted); err != nil || n != files || counted.n != b.Size() {
			t.Errorf("%d files in %d bytes, want %d in %d: %v", n, counted.n, files, b.Size(), err)
		}
	}
}

type counter struct {
	io.Reader
	n int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}
