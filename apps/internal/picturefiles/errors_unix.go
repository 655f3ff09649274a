package picturefiles

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"
)

func isNotDirectory(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

func isSymlinkLoop(err error) bool { return errors.Is(err, syscall.ELOOP) }

func isBadName(err error) bool {
	return errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EINVAL)
}

// volumeFaults are the errors of a disk, a file server or the network to it. A path
// or a file that is wrong has other ones.
var volumeFaults = [...]error{
	syscall.EIO, syscall.ESTALE, syscall.ENOTCONN, syscall.ETIMEDOUT, syscall.ENODEV,
	syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.ENETUNREACH,
	syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ESHUTDOWN,
}

// isVolumeFault reports whether the volume failed, and not the file.
func isVolumeFault(err error) bool {
	return slices.ContainsFunc(volumeFaults[:], func(fault error) bool { return errors.Is(err, fault) })
}

// deviceOf returns the number of the device that a file is on.
func deviceOf(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Dev) //nolint:unconvert // its type depends on the system
	}
	return 0
}
