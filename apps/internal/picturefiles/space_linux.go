package picturefiles

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// FreeBytes returns how many bytes this program may still write to the volume of
// a folder.
func FreeBytes(folder string) (uint64, error) {
	var state unix.Statfs_t
	if err := unix.Statfs(folder, &state); err != nil {
		return 0, fmt.Errorf("look how much room a volume has: %w", err)
	}
	return state.Bavail * uint64(state.Bsize), nil
}

// forgetCached makes the next reads of a file ask its volume.
func forgetCached(file *os.File) {
	_ = unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED) // best effort
}
