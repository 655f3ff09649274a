//go:build unix

package picture

import (
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// linearMemory is a decoder's memory, mapped at its maximum size. Untouched
// pages take no memory, growing does not copy, and Free returns the memory to
// the system at once instead of waiting for the garbage collector.
type linearMemory struct{ mapped []byte }

func newLinearMemory(_, most uint64) experimental.LinearMemory {
	mapped, err := syscall.Mmap(-1, 0, int(most), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return &linearMemory{} // Reallocate returns nil, which means out of memory
	}
	return &linearMemory{mapped: mapped}
}

// Reallocate implements experimental.LinearMemory.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.mapped)) {
		return nil
	}
	return m.mapped[:size:len(m.mapped)]
}

// Free implements experimental.LinearMemory.
func (m *linearMemory) Free() {
	if m.mapped != nil {
		_ = syscall.Munmap(m.mapped) // fails only for an address that was not mapped
		m.mapped = nil
	}
}
