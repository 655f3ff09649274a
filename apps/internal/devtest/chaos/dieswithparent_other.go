//go:build !linux

package chaos

import "syscall"

// dieWithParent does nothing: this kernel cannot kill a child with its parent.
// If this process is killed, the child keeps running.
func dieWithParent() *syscall.SysProcAttr { return nil }
