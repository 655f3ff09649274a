package picturefiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mountsOn counts how many of the folders on an absolute path are mount points.
// A volume that goes away makes the count smaller, even if the folder below it
// has the same name, the same device (a bind mount) and the same content.
func mountsOn(path string) (int, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return 0, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return 0, err
	}
	count := 0
	for {
		mounted, err := isMountPoint(path)
		if err != nil {
			return 0, fmt.Errorf("look for mount points: %w", err)
		}
		if mounted {
			count++
		}
		parent := filepath.Dir(path)
		if parent == path {
			return count, nil
		}
		path = parent
	}
}

func isMountPoint(path string) (bool, error) {
	var state unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_STATX_DONT_SYNC, 0, &state)
	switch {
	case errors.Is(err, unix.ENOSYS), err == nil && state.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT == 0:
		return isOtherDevice(path) // a kernel before 5.8
	case err != nil:
		return false, err
	}
	return state.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
}

// isOtherDevice reports whether a folder is on another device than its parent.
func isOtherDevice(path string) (bool, error) {
	here, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	above, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return false, err
	}
	return deviceOf(here) != deviceOf(above), nil
}
