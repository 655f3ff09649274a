//go:build !linux

package mariadbtest

import "syscall"

// dieWithParent does nothing where the kernel has no such service: a child of a
// process that is killed stays behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
