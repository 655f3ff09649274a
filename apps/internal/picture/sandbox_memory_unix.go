//go:build unix

package picture

import (
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// linearMemory is a decoder's memory, mapped at its greatest length. Pages that
// the decoder does not touch take no memory, growing copies nothing, and what
// it took goes back to the system at once, without waiting for the garbage
// collector.
type linearMemory struct{ mapped []byte }

func newLinearMemory(_, most uint64) experimental.LinearMemory {
	mapped, err := syscall.Mmap(-1, 0, int(most), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return &linearMemory{} // Reallocate then refuses, as it must
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
		_ = syscall.Munmap(m.mapped) // fails only for what was not mapped
		m.mapped = nil
	}
}
