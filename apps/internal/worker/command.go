package worker

import (
	"os"
	"os/exec"
	"syscall"
)

// Command is how a child process is started.
type Command struct {
	Path string   // of the executable
	Args []string // with the name of the program first
	Env  []string // added to the parent's environment, and stronger; NAME=value
}

// Self returns the Command that runs the present program with a sub-command.
// The child runs the very file that the parent runs, also where an upgrade has
// replaced it on the disk since: the two speak one protocol.
func Self(subcommand string, env ...string) Command {
	return Command{Path: "/proc/self/exe", Args: []string{os.Args[0], subcommand}, Env: env}
}

// childSocket is the child's end of the socket pair: the first file after the
// three standard ones.
const childSocket = 3

// build returns the process to start. Its log goes where the parent's goes.
func (c Command) build(socket *os.File) *exec.Cmd {
	return &exec.Cmd{
		Path: c.Path, Args: c.Args, Env: append(os.Environ(), c.Env...),
		Stderr: os.Stderr, ExtraFiles: []*os.File{socket},
		// A process group of its own: Ctrl-C at a terminal is for the parent,
		// which stops its parts in order.
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
}
