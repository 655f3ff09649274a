package worker_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/worker"
)

// causes collects why children were replaced.
type causes struct {
	mu   sync.Mutex
	list []worker.Cause
}

func (c *causes) add(cause worker.Cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, cause)
}

func (c *causes) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.list)
}

// startWorker starts a worker that is closed at the end of the test.
func startWorker(t testing.TB, opts worker.Options) (engine.Engine, *causes) {
	t.Helper()
	var c causes
	opts.Replaced = c.add
	e, err := worker.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e, &c
}

func pid(t testing.TB, e engine.Engine) int {
	t.Helper()
	seen, err := e.Look(t.Context(), []byte("pid"), engine.Ask)
	if err != nil {
		t.Fatal(err)
	}
	return seen.Width
}

// processLives reports whether a process exists and is no zombie.
func processLives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// answersAllAlong asks another worker again and again until the test is over.
func answersAllAlong(t *testing.T) (stop func()) {
	t.Helper()
	e, replaced := startWorker(t, options("child"))
	first := pid(t, e)
	var asked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			seen, err := e.Look(context.Background(), []byte("pid"), engine.Ask)
			if err != nil || seen.Width != first {
				t.Errorf("the neighbour: process %d, error %v; want process %d", seen.Width, err, first)
				return
			}
			asked.Add(1)
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	return func() {
		cancel()
		group.Wait()
		if asked.Load() == 0 || replaced.String() != "[]" {
			t.Errorf("the neighbour answered %d times and was replaced for %v", asked.Load(), replaced)
		}
	}
}

// A worker leaves no process, file or goroutine behind, whatever happened to its
// children. It runs alone: it counts what the whole test process has.
func TestNothingStays(t *testing.T) {
	run := func() {
		opts := options("child")
		opts.PictureTimeout = 50 * time.Millisecond
		e, err := worker.Start(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		for _, file := range []string{"segfault", "hang", "exit", "panic", "huge", "pid"} {
			_, _ = e.Look(t.Context(), []byte(file), engine.Ask)
		}
		for _, role := range []string{"damaged", "exits", "garbage"} {
			if _, err := worker.Start(t.Context(), options(role)); err == nil {
				t.Fatal(role, "has started")
			}
		}
	}
	run() // the runtime opens files of its own at first use
	files, goroutines := count(t, "/proc/self/fd"), runtime.NumGoroutine()
	for range 3 {
		run()
	}
	wait.Until(t, "no more goroutines than before", func() bool { return runtime.NumGoroutine() <= goroutines })
	if now := count(t, "/proc/self/fd"); now > files {
		t.Errorf("%d open files, %d before", now, files)
	}
	if left, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("a child is left: %d, %v", left, err)
	}
}

func count(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestLook(t *testing.T) {
	t.Parallel()
	e, replaced := startWorker(t, options("child"))
	t.Run("every field comes through", func(t *testing.T) {
		for _, purpose := range []engine.Purpose{engine.Ask, engine.Enrol} {
			seen, err := e.Look(t.Context(), []byte("faces"), purpose)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(severalFaces(purpose), seen); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		}
	})
	for _, size := range []int{8, 1 << 16, 10<<20 + 3} {
		t.Run(fmt.Sprint("a file of ", size, " bytes"), func(t *testing.T) {
			seen, err := e.Look(t.Context(), picture(size), engine.Ask)
			if err != nil || seen.Width != size || seen.Height != 42 {
				t.Errorf("got %d bytes, the last %d; %v", seen.Width, seen.Height, err)
			}
		})
	}
	t.Run("an empty file", func(t *testing.T) {
		if seen, err := e.Look(t.Context(), nil, engine.Ask); err != nil || seen.Width != 1 {
			t.Errorf("got %v, %v", seen, err)
		}
	})
	t.Run("a fault stays one", func(t *testing.T) {
		_, err := e.Look(t.Context(), []byte("fault JPEG XL"), engine.Ask)
		if got := faces.ReasonOf(err); got != faces.UnsupportedFormat {
			t.Errorf("reason %s", got)
		}
		if got := faces.ErrorMessage(err); got != "it is a JPEG XL" {
			t.Errorf("message %q", got)
		}
		if err == nil || err.Error() != "it is a JPEG XL: magic bytes" {
			t.Errorf("error %v", err)
		}
	})
	t.Run("another error is no fault", func(t *testing.T) {
		_, err := e.Look(t.Context(), []byte("error"), engine.Ask)
		if err == nil || err.Error() != "the engine is out of order" || faces.ReasonOf(err) != faces.Internal {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a long text is cut", func(t *testing.T) {
		seen, err := e.Look(t.Context(), []byte("wordy"), engine.Ask)
		if err != nil || len(seen.Warning) == 0 || len(seen.Warning) > 16<<10 {
			t.Errorf("%d bytes, %v", len(seen.Warning), err)
		}
	})
	t.Run("a file beyond the bound", func(t *testing.T) {
		_, err := e.Look(t.Context(), make([]byte, worker.MaxFile+1), engine.Ask)
		if faces.ReasonOf(err) != faces.ImageTooLarge {
			t.Errorf("error %v", err)
		}
	})
	if replaced.String() != "[]" {
		t.Errorf("the child was replaced for %v", replaced)
	}
}

// A picture that breaks its child fails alone.
func TestBreakingPictures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file string
		reason     faces.Reason
		message    string // of the error, in part
		replaced   string
	}{
		{"takes too long", "hang", faces.ImageTooLarge, "took more than 400ms; a smaller copy of it will do", "[time]"},
		{"takes too much memory", "swallow", faces.ImageTooLarge, "took more than 200 MiB of memory; a smaller", "[memory]"},
		{"ends the process", "exit", faces.CorruptImage, "makes the recognizer crash; it is damaged or hostile: the worker ended: exit status 3", "[crash crash]"},
		{"segmentation fault", "segfault", faces.CorruptImage, "exit status 2", "[crash crash]"},
		{"panics", "panic", faces.CorruptImage, "panic while looking at the picture: index out of range", "[crash crash]"},
		{"an answer beyond all bounds", "huge", faces.CorruptImage, "malformed frame", "[crash crash]"},
		{"killed by others", "killed", faces.Internal, "killed from outside twice", "[crash crash]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stop := answersAllAlong(t)
			opts := options("child")
			opts.PictureTimeout, opts.PictureMemory = time.Minute, 200<<20
			if c.file == "hang" {
				opts.PictureTimeout = 400 * time.Millisecond
			}
			opts.Probe = []byte("pid")
			e, replaced := startWorker(t, opts)
			before := pid(t, e)
			_, err := e.Look(t.Context(), []byte(c.file), engine.Ask)
			if got := faces.ReasonOf(err); got != c.reason {
				t.Errorf("reason %s, want %s", got, c.reason)
			}
			if err == nil || !strings.Contains(err.Error(), c.message) {
				t.Errorf("error %v, want %q", err, c.message)
			}
			if after := pid(t, e); after == before {
				t.Error("the child is still the same")
			}
			wait.Until(t, "the causes "+c.replaced, func() bool { return replaced.String() == c.replaced })
			if processLives(before) {
				t.Error("the old child lives on")
			}
			stop()
		})
	}
}

// A crash may be the machine's: the picture is tried once more.
func TestCrashOnce(t *testing.T) {
	t.Parallel()
	e, replaced := startWorker(t, options("child"))
	before := pid(t, e)
	seen, err := e.Look(t.Context(), []byte("crash-once "+filepath.Join(t.TempDir(), "crashed")), engine.Ask)
	if err != nil || seen.Width == before {
		t.Errorf("process %d, then %d: %v", before, seen.Width, err)
	}
	if replaced.String() != "[crash]" {
		t.Errorf("replaced for %v", replaced)
	}
}

// An engine that fails on every picture condemns none.
func TestProbe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, file, probe string }{
		{"crashes", "segfault", "exit"},
		{"hangs", "hang", "hang"},
		{"refuses", "panic", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opts := options("child")
			opts.PictureTimeout, opts.Probe = 300*time.Millisecond, []byte(c.probe)
			e, _ := startWorker(t, opts)
			_, err := e.Look(t.Context(), []byte(c.file), engine.Ask)
			if err == nil || faces.ReasonOf(err) != faces.Internal || !strings.Contains(err.Error(), "own test picture") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file string
		replaced   string
	}{
		{"the engine stops", "wait", "[]"},
		{"the engine does not stop", "hang-signalled", "[cancelled]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stop := answersAllAlong(t)
			opts := options("child")
			if c.file == "wait" {
				opts.CancelGrace = 10 * time.Second
			}
			e, replaced := startWorker(t, opts)
			before := pid(t, e)
			working := filepath.Join(t.TempDir(), "working")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			looked := make(chan error, 1)
			go func() {
				_, err := e.Look(ctx, []byte(c.file+" "+working), engine.Ask)
				looked <- err
			}()
			wait.Until(t, "the engine is at work", func() bool { _, err := os.Stat(working); return err == nil })
			cancel()
			err := <-looked
			if !errors.Is(err, context.Canceled) || faces.ReasonOf(err).Permanent() {
				t.Errorf("error %v", err)
			}
			after := pid(t, e)
			if kept := after == before; kept != (c.replaced == "[]") {
				t.Errorf("process %d, then %d", before, after)
			}
			if replaced.String() != c.replaced {
				t.Errorf("replaced for %v, want %v", replaced, c.replaced)
			}
			stop()
		})
	}
	t.Run("before anything is sent", func(t *testing.T) {
		t.Parallel()
		e, replaced := startWorker(t, options("child"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := e.Look(ctx, []byte("hang"), engine.Ask); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		pid(t, e)
		if replaced.String() != "[]" {
			t.Errorf("replaced for %v", replaced)
		}
	})
}

func TestReexamine(t *testing.T) {
	t.Parallel()
	e, replaced := startWorker(t, options("child"))
	want := []faces.Descriptor{descriptor(2), nil, descriptor(0)} // the reference does not see 8
	if _, err := e.Reexamine(t.Context(), []int{0}); err == nil {
		t.Error("faces of no picture were described")
	}
	process := pid(t, e)
	if _, err := e.Look(t.Context(), []byte("faces"), engine.Ask); err != nil {
		t.Fatal(err)
	}
	check := func(name string) {
		t.Helper()
		list, err := e.Reexamine(t.Context(), []int{2, 8, 0})
		if diff := cmp.Diff(want, list); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
	}
	check("on the child that saw the picture")
	if list, err := e.Reexamine(t.Context(), nil); err != nil || len(list) != 0 {
		t.Errorf("no face: %v, %v", list, err)
	}
	if _, err := e.Reexamine(t.Context(), []int{9}); err == nil || err.Error() != "no such face" {
		t.Errorf("error %v", err)
	}
	check("after an error")
	if err := syscall.Kill(process, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	check("after the child has died")
	if _, err := e.Reexamine(t.Context(), []int{10}); faces.ReasonOf(err) != faces.CorruptImage {
		t.Errorf("too few descriptors: %v", err)
	}
	check("after too few descriptors")
	if _, err := e.Reexamine(t.Context(), []int{11}); faces.ReasonOf(err) != faces.CorruptImage {
		t.Errorf("a crash: %v", err)
	}
	check("after a crash")
	if got := replaced.String(); got != "[crash crash crash crash crash]" {
		t.Errorf("replaced for %v", got)
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, role, message string }{
		{"the engine cannot be opened", "damaged", "start a worker process: libonnxruntime.so is missing; run make setup"},
		{"the engine panics", "panics", "panic while the engine was opened: no memory for the model"},
		{"the process ends", "exits", "it ended before it was ready (exit status 7); its log says why"},
		{"no hello", "mute", "it was not ready after 300ms"},
		{"garbage for a hello", "garbage", "malformed frame"},
		{"another version", "old", "it speaks version 99 of the protocol, not 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opts := options(c.role)
			if c.role == "mute" {
				opts.StartTimeout = 300 * time.Millisecond
			}
			e, err := worker.Start(t.Context(), opts)
			if err == nil {
				e.Close()
				t.Fatal("it has started")
			}
			if !strings.Contains(err.Error(), c.message) {
				t.Errorf("error %q, want %q", err, c.message)
			}
		})
	}
	t.Run("no such program", func(t *testing.T) {
		t.Parallel()
		_, err := worker.Start(t.Context(), worker.Options{Command: worker.Command{Path: "/no/such/program", Args: []string{"program"}}})
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("no command", func(t *testing.T) {
		t.Parallel()
		if _, err := worker.Start(t.Context(), worker.Options{}); err == nil {
			t.Error("it has started")
		}
	})
	t.Run("called off", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := worker.Start(ctx, options("mute")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("several at once, slow ones", func(t *testing.T) {
		t.Parallel()
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				e, err := worker.Start(t.Context(), options("slow"))
				if err != nil {
					t.Error(err)
					return
				}
				pid(t, e)
				e.Close()
			})
		}
		group.Wait()
	})
}

// The parent takes nothing from a child on trust.
func TestHostileChild(t *testing.T) {
	t.Parallel()
	header := func(length uint32, kind byte, seq uint32) string {
		return fmt.Sprintf("%08x%02x%08x", length, kind, seq)
	}
	text := func(s string) string { return fmt.Sprintf("%02x", 0x60+len(s)) + hex.EncodeToString([]byte(s)) }
	reply := func(payload string) string { return header(uint32(len(payload)/2), 6, 1) + payload }
	oneFace := "a2" + text("Seen") + "a1" + text("Faces") + "81a0" + text("Vectors") + "81"
	for _, c := range []struct{ name, data string }{
		{"no frame at all", hex.EncodeToString([]byte("GET / HTTP/1.1\r\n\r\n"))},
		{"a frame of 4 GiB", header(0xffffffff, 6, 1)},
		{"the answer to another request", header(0, 6, 7)},
		{"a request", header(0, 3, 1)},
		{"a second hello", header(0, 2, 1)},
		{"no message", header(0, 6, 1)},
		{"a list of 4 billion entries", reply("9affffffff")},
		{"nothing of use", reply("a0")},
		{"an unknown field", reply("a1" + text("Other") + "00")},
		{"an answer that does not fit", reply("a1" + text("Vectors") + "80")},
		{"half a number", reply(oneFace + "46000000000000")},
		{"not a number", reply(oneFace + "440000c07f")},
		{"nesting without end", reply(strings.Repeat("81", 64))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, replaced := startWorker(t, options("liar:"+c.data))
			_, err := e.Look(t.Context(), []byte("pid"), engine.Ask)
			if faces.ReasonOf(err) != faces.CorruptImage || !strings.Contains(err.Error(), "malformed frame") {
				t.Errorf("error %v", err)
			}
			wait.Until(t, "two new children", func() bool { return replaced.String() == "[crash crash]" })
		})
	}
}

// An idle child that dies is replaced before the next picture comes.
func TestIdleDeath(t *testing.T) {
	t.Parallel()
	e, replaced := startWorker(t, options("child"))
	before := pid(t, e)
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the replacement", func() bool { return replaced.String() == "[crash]" })
	if after := pid(t, e); after == before {
		t.Error("the child is still the same")
	}
}

// Signals that stop programs are the parent's business.
func TestChildIgnoresStops(t *testing.T) {
	t.Parallel()
	e, _ := startWorker(t, options("child"))
	before := pid(t, e)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := syscall.Kill(before, s); err != nil {
			t.Fatal(err)
		}
	}
	if after := pid(t, e); after != before {
		t.Errorf("process %d, then %d", before, after)
	}
}

// While no child can be started, pictures wait for nothing: the caller learns
// why.
func TestRestartFails(t *testing.T) {
	t.Parallel()
	e, _ := startWorker(t, options("once:"+filepath.Join(t.TempDir(), "started")))
	_, err := e.Look(t.Context(), []byte("exit"), engine.Ask)
	if err == nil || !strings.Contains(err.Error(), "the model is damaged") || faces.ReasonOf(err) != faces.Internal {
		t.Errorf("error %v", err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	e, replaced := startWorker(t, options("child"))
	process := pid(t, e)
	e.Close()
	e.Close()
	if processLives(process) {
		t.Error("the child lives on")
	}
	if _, err := e.Look(t.Context(), []byte("pid"), engine.Ask); err == nil || faces.ReasonOf(err) != faces.Internal {
		t.Errorf("a closed worker answers: %v", err)
	}
	if replaced.String() != "[]" {
		t.Errorf("replaced for %v", replaced)
	}
}

func TestMemoryAtRest(t *testing.T) {
	t.Parallel()
	t.Run("given back", func(t *testing.T) {
		t.Parallel()
		opts := options("child")
		opts.RestMemory, opts.RestPictures = 150<<20, 3
		e, replaced := startWorker(t, opts)
		process := pid(t, e)
		for range 10 {
			if _, err := e.Look(t.Context(), []byte("litter 160"), engine.Ask); err != nil {
				t.Fatal(err)
			}
		}
		if after := pid(t, e); after != process || replaced.String() != "[]" {
			t.Errorf("process %d, then %d, replaced for %v", process, after, replaced)
		}
	})
	t.Run("kept under load", func(t *testing.T) {
		t.Parallel()
		opts := options("child")
		opts.RestMemory, opts.RestPictures = 150<<20, 3
		e, replaced := startWorker(t, opts)
		seen := map[int]int{}
		for range 9 {
			got, err := e.Look(t.Context(), []byte("keep 160"), engine.Ask)
			if err != nil {
				t.Fatal(err)
			}
			seen[got.Width]++
		}
		wait.Until(t, "three new children", func() bool { return replaced.String() == "[recycle recycle recycle]" })
		if len(seen) != 3 {
			t.Errorf("pictures by process: %v", seen)
		}
	})
	t.Run("kept at rest", func(t *testing.T) {
		t.Parallel()
		opts := options("child")
		opts.RestMemory, opts.RestAfter = 150<<20, 100*time.Millisecond
		e, replaced := startWorker(t, opts)
		if _, err := e.Look(t.Context(), []byte("keep 160"), engine.Ask); err != nil {
			t.Fatal(err)
		}
		wait.Until(t, "a new child", func() bool { return replaced.String() == "[recycle]" })
		pid(t, e)
	})
}

// A parent that is killed takes its child along, though the child hangs.
func TestParentKilled(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), roleVariable+"=parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if !processLives(child) {
		t.Fatal("the child does not live")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	wait.Until(t, "the end of the child", func() bool { return !processLives(child) })
}

// A child that somebody stopped is replaced, and the picture that met it is
// answered by the next child: it is not at fault.
func TestStoppedChild(t *testing.T) {
	t.Parallel()
	e, replaced := startWorker(t, options("child"))
	before := pid(t, e)
	if err := syscall.Kill(before, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the stop", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", before))
		return err == nil && strings.Contains(string(stat), ") T ")
	})
	seen, err := e.Look(t.Context(), []byte("pid"), engine.Ask)
	if err != nil || seen.Width == before {
		t.Errorf("answered by process %d, error %v; want another process than %d", seen.Width, err, before)
	}
	if got := replaced.String(); got != "[crash]" {
		t.Errorf("replaced for %s, want one crash", got)
	}
}
