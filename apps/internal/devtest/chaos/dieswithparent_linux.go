package chaos

import "syscall"

// dieWithParent makes the kernel kill a child when this process ends, however
// it ends.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
