package picturefiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// What a disk, a file server or the network to it returns is the volume's fault;
// what is wrong with a path, a file or this process is not.
func TestVolumeFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want bool
	}{
		{syscall.EIO, true},
		{syscall.ESTALE, true},
		{syscall.ENOTCONN, true},
		{syscall.ETIMEDOUT, true},
		{syscall.EHOSTDOWN, true},
		{syscall.ENODEV, true},
		{syscall.ECONNRESET, true},
		{syscall.ENOENT, false},
		{syscall.ENOTDIR, false},
		{syscall.EACCES, false},
		{syscall.ELOOP, false},
		{syscall.ENAMETOOLONG, false},
		{syscall.EMFILE, false},
		{syscall.ENOMEM, false},
		{os.ErrDeadlineExceeded, false},
		{errors.New("something else"), false},
		{nil, false},
	}
	for _, test := range tests {
		if got := isVolumeFault(test.err); got != test.want {
			t.Errorf("%v: got %t, want %t", test.err, got, test.want)
		}
		if test.err == nil {
			continue
		}
		wrapped := fmt.Errorf("read: %w", &fs.PathError{Op: "openat", Path: "a.jpg", Err: test.err})
		if got := isVolumeFault(wrapped); got != test.want {
			t.Errorf("%v: got %t, want %t", wrapped, got, test.want)
		}
	}
}
