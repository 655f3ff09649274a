package worker

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// resident reads the resident memory of a process, in bytes, from its open
// /proc/<pid>/statm. The second number of that file counts pages.
func resident(statm *os.File) (int64, error) {
	var buf [128]byte
	n, err := statm.ReadAt(buf[:], 0)
	if n == 0 {
		return 0, fmt.Errorf("read a worker's memory: %w", err)
	}
	fields := bytes.Fields(buf[:n])
	if len(fields) < 2 {
		return 0, errors.New("read a worker's memory: the file has an unknown format")
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read a worker's memory: %w", err)
	}
	return pages * int64(os.Getpagesize()), nil
}

// isStopped reports whether a signal has stopped a process.
func isStopped(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	// The state follows the name, which is in brackets and may contain some.
	at := bytes.LastIndexByte(stat, ')') + 2
	return at < len(stat) && (stat[at] == 'T' || stat[at] == 't')
}

// preferForOOM tells the kernel to end this process before its parent where
// memory runs out. It is a wish: errors do no harm.
func preferForOOM() {
	const file, more, most = "/proc/self/oom_score_adj", 300, 1000
	text, err := os.ReadFile(file)
	if err != nil {
		return
	}
	now, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return
	}
	_ = os.WriteFile(file, []byte(strconv.Itoa(min(now+more, most))), 0)
}
