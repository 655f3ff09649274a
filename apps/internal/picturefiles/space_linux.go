package picturefiles

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// VolumeOf returns the state of the volume of a folder.
func VolumeOf(folder string) (Volume, error) {
	var state unix.Statfs_t
	if err := unix.Statfs(folder, &state); err != nil {
		return Volume{}, fmt.Errorf("look how much room a volume has: %w", err)
	}
	block := uint64(state.Bsize)
	return Volume{Free: state.Bavail * block, Size: state.Blocks * block, ReadOnly: state.Flags&unix.ST_RDONLY != 0}, nil
}

// forgetCached makes the next reads of a file ask its volume.
func forgetCached(file *os.File) {
	_ = unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED) // best effort
}
