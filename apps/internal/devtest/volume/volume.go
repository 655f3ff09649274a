// Package volume mounts and unmounts volumes for tests of what happens when a
// volume goes away. Only root may mount; other users' tests are skipped.
package volume

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Mount mounts an empty file system in memory on a folder. size is in bytes; 0
// means no limit.
func Mount(t *testing.T, folder string, size int) {
	t.Helper()
	mount(t, "tmpfs", folder, "tmpfs", 0, fmt.Sprintf("mode=0755,size=%d", size))
}

// Bind mounts one folder on another.
func Bind(t *testing.T, source, folder string) {
	t.Helper()
	mount(t, source, folder, "", unix.MS_BIND, "")
}

// Dead mounts a file system whose server has ended: all calls fail with ENOTCONN.
func Dead(t *testing.T, folder string) {
	t.Helper()
	server, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("there is no FUSE here: %v", err)
	}
	defer server.Close()
	mount(t, "fuse", folder, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", server.Fd()))
}

// Unreadable puts a file in the place of another one that must exist: it can be
// opened, but reading it fails with EIO.
func Unreadable(t *testing.T, file string) {
	t.Helper()
	// The memory of a process. Nothing is mapped at its beginning.
	Bind(t, fmt.Sprintf("/proc/%d/mem", os.Getpid()), file)
}

func mount(t *testing.T, source, folder, kind string, flags uintptr, data string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a volume")
	}
	if err := unix.Mount(source, folder, kind, flags, data); err != nil {
		t.Skipf("volumes cannot be mounted here: mount %s on %s: %v", source, folder, err)
	}
	t.Cleanup(func() { _ = unix.Unmount(folder, unix.MNT_DETACH) }) // it may be unmounted already
}

// ReadOnly makes a mounted volume read-only.
func ReadOnly(t *testing.T, folder string) {
	t.Helper()
	if err := unix.Mount("", folder, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatalf("make %s read-only: %v", folder, err)
	}
}

// Unmount takes a volume away, even while files on it are open.
func Unmount(t *testing.T, folder string) {
	t.Helper()
	if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
		t.Fatalf("unmount %s: %v", folder, err)
	}
}
