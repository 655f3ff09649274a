package recognizerclient_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// The known file is sent, and the file that was read comes back, even with an
// error about the picture.
func TestFile(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("0a", 32)
	known := faces.File{Size: 7, Modified: 1_700_000_000_123_456_789, SHA256: sum}
	s := start(t, &server{}, "")
	var asked atomic.Pointer[recognizerv1.RecognizeRequest]
	s.recognize = func(_ context.Context, req *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
		asked.Store(req)
		file := &recognizerv1.File{Size: known.Size, Modified: known.Modified, Sha256: []byte(strings.Repeat("\n", 32))}
		switch req.GetPath() {
		case "unchanged.jpg":
			return &recognizerv1.RecognizeResponse{Unchanged: true, File: file, Model: &recognizerv1.Model{Id: "new"}}, nil
		case "corrupt.jpg":
			st, err := status.New(codes.InvalidArgument, "half a picture").WithDetails(
				&errdetails.ErrorInfo{Domain: recognizerclient.ErrorDomain, Reason: string(faces.CorruptImage)}, file)
			if err != nil {
				t.Error(err)
			}
			return nil, st.Err()
		default: // of an older release
			return &recognizerv1.RecognizeResponse{Width: 1}, nil
		}
	}
	c := dial(t, s.address)
	got, err := c.Recognize(t.Context(), "unchanged.jpg", known)
	if err != nil || !got.Unchanged || got.File != known || got.Model.ID != "new" {
		t.Errorf("unchanged: %+v, %v", got, err)
	}
	if f := asked.Load().GetUnlessUnchanged(); f.GetSize() != known.Size || f.GetModified() != known.Modified || len(f.GetSha256()) != 32 {
		t.Errorf("asked with %v", f)
	}
	got, err = c.Recognize(t.Context(), "corrupt.jpg", known)
	if faces.ReasonOf(err) != faces.CorruptImage || got.File != known {
		t.Errorf("corrupt: %+v, %v", got, err)
	}
	got, err = c.Recognize(t.Context(), "old.jpg", faces.File{})
	if err != nil || got.Unchanged || !got.File.IsZero() || asked.Load().GetUnlessUnchanged() != nil {
		t.Errorf("an older release: %+v, %v; asked with %v", got, err, asked.Load())
	}
}

func TestModelsInUse(t *testing.T) {
	t.Parallel()
	s := start(t, &server{info: &recognizerv1.GetInfoResponse{Model: &recognizerv1.Model{Id: "new"}}}, "")
	for _, address := range []string{s.address, strings.Replace(s.address, "127.0.0.1", "localhost", 1)} {
		models, err := dial(t, address).ModelsInUse(t.Context())
		if address != s.address && err != nil {
			continue // localhost has an address, too, on which nobody listens: that one does not answer
		}
		if err != nil || len(models) == 0 {
			t.Errorf("%s: %v, %v", address, models, err)
		}
		for _, m := range models {
			if m.ID != "new" {
				t.Errorf("%s: %v", address, models)
			}
		}
	}
	starting := start(t, &server{}, "")
	if models, err := dial(t, starting.address).ModelsInUse(t.Context()); faces.ReasonOf(err) != faces.RecognizerUnavailable {
		t.Errorf("one that does not answer: %v, %v", models, err)
	}
	if models, err := dial(t, "no-such-host.invalid:1").ModelsInUse(t.Context()); faces.ReasonOf(err) != faces.RecognizerUnavailable {
		t.Errorf("a name that means nobody: %v, %v", models, err)
	}
}
