package models

// This file owns the unpacking of bzip2 archives and the limits of size.

import (
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// unpack writes the content of a bzip2 archive to target, at most limit bytes,
// and has it on disk when it returns nil. After an error the caller removes
// target.
func unpack(ctx context.Context, archive, target string, limit int64) error {
	in, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(target)
	if err != nil {
		return err
	}
	_, err = copyAtMost(out, bzip2.NewReader(contextReader{ctx, in}), limit)
	return errors.Join(err, out.Sync(), out.Close())
}

// copyAtMost copies like io.Copy and fails with ErrTooLarge, after limit
// bytes, where there are more.
func copyAtMost(dst io.Writer, src io.Reader, limit int64) (int64, error) {
	n, err := io.Copy(dst, io.LimitReader(src, limit))
	if err != nil || n < limit {
		return n, err
	}
	more, err := io.CopyN(io.Discard, src, 1)
	if more > 0 {
		return n, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// contextReader fails once its context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
