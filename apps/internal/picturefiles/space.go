package picturefiles

// Volume is the state of a volume.
type Volume struct {
	Free     uint64 // bytes that this program may still write
	Size     uint64 // bytes altogether
	ReadOnly bool   // nobody may write
}
