package recognizerclient

import (
	"encoding/hex"

	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// fileMessage is nil for a file of which nothing is known.
func fileMessage(f faces.File) *recognizerv1.File {
	if f.IsZero() {
		return nil
	}
	sum, err := hex.DecodeString(f.SHA256)
	if err != nil {
		return nil // not a hash: have the picture decoded
	}
	return &recognizerv1.File{Size: f.Size, Modified: f.Modified, Sha256: sum}
}

func file(f *recognizerv1.File) faces.File {
	return faces.File{Size: f.GetSize(), Modified: f.GetModified(), SHA256: hex.EncodeToString(f.GetSha256())}
}

// fileOfError returns the file that a gRPC error about a picture refers to.
func fileOfError(err error) faces.File {
	for _, detail := range status.Convert(err).Details() {
		if f, ok := detail.(*recognizerv1.File); ok {
			return file(f)
		}
	}
	return faces.File{}
}
