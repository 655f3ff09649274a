//go:build !linux

package childproc

import "syscall"

// DieWithParent does nothing where the kernel has no such service: a child of a
// process that is killed stays behind.
func DieWithParent() *syscall.SysProcAttr { return nil }
