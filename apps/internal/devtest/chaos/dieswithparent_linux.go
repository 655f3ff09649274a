package chaos

import "syscall"

// dieWithParent makes the kernel kill a child when this process ends for any
// reason.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
