package worker_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/worker"
)

// roleVariable makes the test binary a child or a parent in place of the tests.
const roleVariable = "ROLLCALL_WORKER_TEST_ROLE"

func TestMain(m *testing.M) {
	role, argument, _ := strings.Cut(os.Getenv(roleVariable), ":")
	if role == "" {
		os.Exit(m.Run())
	}
	if err := play(role, argument); err != nil {
		fmt.Fprintln(os.Stderr, "test role", role+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// play is the main function of a child with a role.
func play(role, argument string) error {
	open := func() (engine.Engine, error) { return &scripted{}, nil }
	switch role {
	case "child":
		return worker.Run(open)
	case "slow": // to start
		time.Sleep(300 * time.Millisecond)
		return worker.Run(open)
	case "damaged": // cannot open its engine
		return worker.Run(func() (engine.Engine, error) { return nil, errors.New("libonnxruntime.so is missing; run make setup") })
	case "panics": // while it opens its engine
		return worker.Run(func() (engine.Engine, error) { panic("no memory for the model") })
	case "exits":
		os.Exit(7)
	case "mute": // never says hello
		time.Sleep(time.Hour)
	case "garbage": // in place of a hello
		return talk(func(conn net.Conn) { fmt.Fprint(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	case "old": // another version of the protocol
		return talk(func(conn net.Conn) {
			conn.Write(append([]byte{0, 0, 0, 20, 2, 0, 0, 0, 0}, "\xa2gVersion\x18\x63gProblem\x60"...))
		})
	case "liar": // says hello, then garbage
		return talk(func(conn net.Conn) {
			conn.Write(append([]byte{0, 0, 0, 19, 2, 0, 0, 0, 0}, "\xa2gVersion\x03gProblem\x60"...))
			io.CopyN(io.Discard, conn, 18+9) // the greeting, and a header
			data, _ := hex.DecodeString(argument)
			conn.Write(data)
			io.Copy(io.Discard, conn)
		})
	case "once": // works once; later children cannot open their engine
		if os.Mkdir(argument, 0o700) != nil {
			return worker.Run(func() (engine.Engine, error) { return nil, errors.New("the model is damaged") })
		}
		return worker.Run(open)
	case "parent":
		return beParent()
	}
	return errors.New("unknown role")
}

// talk speaks to the parent without the package.
func talk(f func(net.Conn)) error {
	conn, err := net.FileConn(os.NewFile(3, "parent"))
	if err != nil {
		return err
	}
	f(conn)
	time.Sleep(time.Hour)
	return nil
}

// beParent starts a worker, prints its process id and waits for a picture that
// has no end.
func beParent() error {
	e, err := worker.Start(context.Background(), options("child"))
	if err != nil {
		return err
	}
	seen, err := e.Look(context.Background(), []byte("pid"), engine.Ask)
	if err != nil {
		return err
	}
	fmt.Println(seen.Width)
	_, err = e.Look(context.Background(), []byte("hang"), engine.Ask)
	return err
}

// options starts the test binary in a role.
func options(role string) worker.Options {
	return worker.Options{Command: worker.Self("", roleVariable+"="+role, "GOTRACEBACK=none"), StartTimeout: 20 * time.Second}
}

// scripted is an engine that does what the picture says: a word, and after a
// space its argument.
type scripted struct {
	last   string
	litter [][]byte
}

func (e *scripted) Look(ctx context.Context, file []byte, purpose engine.Purpose) (engine.Seen, error) {
	word, argument, _ := strings.Cut(string(file[:min(len(file), 200)]), " ")
	e.last = word
	switch word {
	case "faces":
		return severalFaces(purpose), nil
	case "pid":
		return engine.Seen{Width: os.Getpid()}, nil
	case "length":
		return engine.Seen{Width: len(file), Height: int(file[len(file)-1])}, nil
	case "fault":
		return engine.Seen{}, faces.Fault(faces.UnsupportedFormat, "it is a %s", argument).WithCause(errors.New("magic bytes"))
	case "error":
		return engine.Seen{}, errors.New("the engine is out of order")
	case "panic":
		panic("index out of range")
	case "hang": // whatever happens
		time.Sleep(time.Hour)
	case "wait": // until cancelled
		os.WriteFile(argument, nil, 0o600)
		<-ctx.Done()
		return engine.Seen{}, fmt.Errorf("look: %w", ctx.Err())
	case "hang-signalled":
		os.WriteFile(argument, nil, 0o600)
		time.Sleep(time.Hour)
	case "swallow": // memory, without end
		for {
			resident(1 << 20)
			time.Sleep(time.Millisecond / 2)
		}
	case "keep": // memory, for good
		n, _ := strconv.Atoi(argument)
		resident(n << 20)
		return engine.Seen{Width: os.Getpid()}, nil
	case "litter": // memory that Trim gives back
		n, _ := strconv.Atoi(argument)
		e.litter = append(e.litter, resident(n<<20))
		return engine.Seen{Width: os.Getpid()}, nil
	case "exit":
		os.Exit(3)
	case "segfault":
		syscall.Kill(os.Getpid(), syscall.SIGSEGV)
		time.Sleep(time.Hour)
	case "killed": // as if by somebody else
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Hour)
	case "crash-once":
		if os.Mkdir(argument, 0o700) == nil {
			syscall.Kill(os.Getpid(), syscall.SIGABRT)
			time.Sleep(time.Hour)
		}
		return engine.Seen{Width: os.Getpid()}, nil
	case "huge": // an answer beyond all bounds
		return engine.Seen{Faces: make([]engine.Face, 5000)}, nil
	case "wordy":
		return engine.Seen{Warning: strings.Repeat("ä", 20000)}, nil
	}
	return engine.Seen{Width: 1}, nil
}

func (e *scripted) Reexamine(_ context.Context, numbers []int) ([]faces.Descriptor, error) {
	if e.last != "faces" {
		return nil, errors.New("another picture was looked at last")
	}
	var list []faces.Descriptor
	for _, n := range numbers {
		switch n {
		case 9:
			return nil, errors.New("no such face")
		case 10:
			return []faces.Descriptor{}, nil
		case 8:
			list = append(list, nil)
			continue
		case 11:
			syscall.Kill(os.Getpid(), syscall.SIGSEGV)
			time.Sleep(time.Hour)
		}
		list = append(list, descriptor(float32(n)))
	}
	return list, nil
}

// Render implements engine.Renderer: it does what the picture says, as Look.
func (e *scripted) Render(ctx context.Context, file []byte, r faces.Rendering) (faces.Rendered, error) {
	word, argument, _ := strings.Cut(string(file), " ")
	switch word {
	case "show":
		return faces.Rendered{JPEG: fmt.Appendf([]byte("\xff\xd8\xff"), "%+v", r), Width: r.Size, Height: 3}, nil
	case "no-jpeg":
		return faces.Rendered{JPEG: []byte("<script>"), Width: 1, Height: 1}, nil
	case "no-size":
		return faces.Rendered{JPEG: []byte("\xff\xd8\xff")}, nil
	case "large":
		return faces.Rendered{JPEG: append([]byte("\xff\xd8\xff"), make([]byte, faces.MaxRenderingFile-3)...), Width: 1, Height: 1}, nil
	case "invalid":
		return faces.Rendered{}, faces.Errorf(faces.CodeInvalid, "%s", argument)
	}
	_, err := e.Look(ctx, file, engine.Ask)
	return faces.Rendered{}, err
}

// DescribeBox implements engine.BoxDescriber: it does what the picture says, as Look.
func (e *scripted) DescribeBox(ctx context.Context, file []byte, box faces.Box) (engine.Seen, error) {
	word, argument, _ := strings.Cut(string(file), " ")
	one := engine.Face{Box: box, Descriptor: descriptor(float32(box.X))}
	switch word {
	case "box":
		e.last = "faces"
		return engine.Seen{Width: os.Getpid(), Height: 7, Faces: []engine.Face{one}}, nil
	case "another":
		one.Box.X++
		return engine.Seen{Faces: []engine.Face{one}}, nil
	case "none":
		return engine.Seen{}, nil
	case "undescribed":
		return engine.Seen{Faces: []engine.Face{{Box: box}}}, nil
	case "invalid":
		return engine.Seen{}, faces.Errorf(faces.CodeInvalid, "%s", argument)
	}
	return e.Look(ctx, file, engine.Ask)
}

func (e *scripted) Close() {}

// Trim implements engine.Trimmer.
func (e *scripted) Trim() {
	for _, b := range e.litter {
		if err := syscall.Munmap(b); err != nil {
			panic(err)
		}
	}
	e.litter = nil
}

// resident returns n bytes of memory that is really there.
func resident(n int) []byte {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_POPULATE)
	if err != nil {
		panic(err)
	}
	return b
}

func descriptor(first float32) faces.Descriptor {
	d := make(faces.Descriptor, 320)
	for i := range d {
		d[i] = first + float32(i)/3
	}
	return d
}

// severalFaces returns an answer in which every field says something.
func severalFaces(purpose engine.Purpose) engine.Seen {
	s := engine.Seen{
		Width: 4000, Height: 3000 + int(purpose), Omitted: 2, Warning: "the file ends early",
		Decode: 3 * time.Millisecond, Detect: time.Microsecond, Describe: time.Hour,
	}
	for i := range 3 {
		s.Faces = append(s.Faces, engine.Face{
			Box: faces.Box{X: -5, Y: i, Width: 100, Height: 120}, Landmarks: []faces.Point{{X: 1, Y: 2}, {X: -3, Y: 4}},
			Descriptor: descriptor(float32(i)),
			Quality:    faces.Quality{Score: 0.1, Size: 100, Sharpness: 1.0 / 3, Yaw: -12.5, Roll: 180, Detection: 0.99, CutOff: 0.25},
		})
	}
	return s
}

// picture returns a file of n bytes that the scripted engine measures.
func picture(n int) []byte {
	return append(append([]byte("length "), bytes.Repeat([]byte{7}, n-8)...), 42)
}
