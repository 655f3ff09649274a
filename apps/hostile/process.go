package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// program is a running program of Rollcall.
type program struct {
	name string
	cmd  *exec.Cmd
	log  *os.File
	gone chan struct{} // closed when it has ended
}

func build(ctx context.Context, dir string, names ...string) error {
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	for _, n := range names {
		args = append(args, "github.com/rollcall-faces/rollcall/apps/"+n)
	}
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

func launch(dir, name string, env []string, args ...string) (*program, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(dir, name), args...) //nolint:noctx // it is stopped by a signal, in stop
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), log, log
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), log.Close())
	}
	p := &program{name: name, cmd: cmd, log: log, gone: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the log says why it ended
		close(p.gone)
	}()
	return p, nil
}

func (p *program) alive() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

func (p *program) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.gone:
	case <-time.After(40 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.gone
	}
	return p.log.Close()
}

// children returns the processes that p has started: its workers.
func (p *program) children() []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.cmd.Process.Pid, p.cmd.Process.Pid))
	if err != nil {
		return nil
	}
	pids := map[int]bool{}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.cmd.Process.Pid))
	for _, t := range tasks {
		if more, err := os.ReadFile(t); err == nil {
			text = append(append(text, ' '), more...)
		}
	}
	for _, f := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(f); err == nil {
			pids[pid] = true
		}
	}
	var list []int
	for pid := range pids {
		list = append(list, pid)
	}
	return list
}

// resident returns the resident memory of a process in bytes, or 0.
func resident(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// peak is the most memory that was seen, in bytes.
type peak struct{ process, all int64 }

// watchMemory measures until stop is called.
func (p *program) watchMemory() (stop func() peak) {
	var most peak
	var wait sync.WaitGroup
	done := make(chan struct{})
	wait.Go(func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			own := resident(p.cmd.Process.Pid)
			all := own
			for _, pid := range p.children() {
				all += resident(pid)
			}
			most = peak{max(most.process, own), max(most.all, all)}
			select {
			case <-done:
				return
			case <-ticker.C:
			}
		}
	})
	return func() peak {
		close(done)
		wait.Wait()
		return most
	}
}

// freeAddress returns an address of the loopback interface that is free now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
