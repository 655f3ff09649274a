package recognizerclient

import (
	"encoding/hex"

	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// FileMessage converts f for the wire. It returns nil if nothing is known of the
// file or its hash is invalid; the receiver then treats the picture as unknown.
func FileMessage(f faces.File) *recognizerv1.File {
	sum, err := hex.DecodeString(f.SHA256)
	if f.IsZero() || err != nil {
		return nil
	}
	return &recognizerv1.File{Size: f.Size, Modified: f.Modified, Sha256: sum}
}

// FileFrom converts a message back. It returns the zero File for nil.
func FileFrom(f *recognizerv1.File) faces.File {
	if f == nil {
		return faces.File{}
	}
	return faces.File{Size: f.GetSize(), Modified: f.GetModified(), SHA256: hex.EncodeToString(f.GetSha256())}
}

// fileOfError returns the file that a gRPC error about a picture refers to.
func fileOfError(err error) faces.File {
	for _, detail := range status.Convert(err).Details() {
		if f, ok := detail.(*recognizerv1.File); ok {
			return FileFrom(f)
		}
	}
	return faces.File{}
}
