package faces

// File identifies the content of a picture file, so that a changed file can be
// told from one that was looked at before. The zero value is that of a file of
// which nothing is known.
type File struct {
	Size     int64  // in bytes
	Modified int64  // modification time, in nanoseconds since 1970 (UTC)
	SHA256   string // of the content, in lower-case hexadecimal
}

// IsZero reports whether nothing is known of the file.
func (f File) IsZero() bool { return f == File{} }

// LooksLike reports whether size and modification time are those of other:
// such files are taken for the same without reading them.
func (f File) LooksLike(other File) bool {
	return !f.IsZero() && f.Size == other.Size && f.Modified == other.Modified
}
