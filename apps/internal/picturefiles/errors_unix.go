package picturefiles

import (
	"errors"
	"io/fs"
	"syscall"
)

func isNotDirectory(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

func isSymlinkLoop(err error) bool { return errors.Is(err, syscall.ELOOP) }

func isBadName(err error) bool {
	return errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EINVAL)
}

// deviceOf returns the number of the device that a file is on.
func deviceOf(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Dev) //nolint:unconvert // its type depends on the system
	}
	return 0
}
