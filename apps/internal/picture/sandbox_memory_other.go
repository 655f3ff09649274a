//go:build !unix

package picture

import "github.com/tetratelabs/wazero/experimental"

// linearMemory is a decoder's memory, managed by the garbage collector.
type linearMemory struct{ data []byte }

func newLinearMemory(capacity, _ uint64) experimental.LinearMemory {
	return &linearMemory{data: make([]byte, 0, capacity)}
}

// Reallocate implements experimental.LinearMemory.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if grown := int(size) - len(m.data); grown > 0 {
		m.data = append(m.data, make([]byte, grown)...)
	}
	return m.data[:size]
}

// Free implements experimental.LinearMemory.
func (m *linearMemory) Free() { m.data = nil }
