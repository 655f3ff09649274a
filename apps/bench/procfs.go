package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// stat is the kernel's information about a process.
type stat struct {
	parent int           // process id
	spent  time.Duration // CPU time so far
}

// processes returns all processes by id.
func processes() (map[int]stat, error) {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	list := map[int]stat{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the process has ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			return nil, err
		}
		if list[pid], err = parseStat(string(text)); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return list, nil
}

// parseStat parses "pid (name) state parent …". The name can contain any
// character.
func parseStat(text string) (stat, error) {
	const tick = 10 * time.Millisecond // the same on every Linux that Go supports
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 15 {
		return stat{}, fmt.Errorf("got %d fields, want at least 15", len(fields))
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return stat{}, err
	}
	one := stat{parent: parent}
	// User and system time of the process and of its children that have ended.
	for _, field := range fields[11:15] {
		n, err := strconv.Atoi(field)
		if err != nil {
			return stat{}, err
		}
		one.spent += time.Duration(n) * tick
	}
	return one, nil
}

// familyTime returns the CPU time that this process and all its descendants
// have used. It is more reliable than the clock on a loaded machine.
func familyTime() (time.Duration, error) {
	list, err := processes()
	if err != nil {
		return 0, err
	}
	self := os.Getpid()
	var total time.Duration
	for pid, one := range list {
		for at, known := pid, true; known && at != 0; at, known = ancestor(list, at) {
			if at == self {
				total += one.spent
				break
			}
		}
	}
	return total, nil
}

// ancestor returns the parent of a process if it is in the list.
func ancestor(list map[int]stat, pid int) (parent int, known bool) {
	one, known := list[pid]
	return one.parent, known
}
