package childproc

import "syscall"

// DieWithParent makes the kernel kill a child when this process ends, however
// it ends.
func DieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
