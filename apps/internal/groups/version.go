package groups

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// VersionOf identifies the faces of a group, whose ids are in ascending order. A face
// that comes or goes makes another version. So somebody who decides about a group is
// told if it is not what they have seen.
func VersionOf(ids []int64) string {
	h := sha256.New()
	var b [8]byte
	for _, id := range ids {
		binary.LittleEndian.PutUint64(b[:], uint64(id))
		h.Write(b[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
