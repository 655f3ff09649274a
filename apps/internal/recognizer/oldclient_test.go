package recognizer_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// A client of release 0.1.0 does not send the size it can take. A recognizer
// with longer descriptors refuses it with UNAVAILABLE. That is a service's
// fault: it opens the client's breaker, and no picture fails permanently.
func TestClientOfRelease010(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.model.Size = 320
	f.opts.Refusal = 100 * time.Millisecond
	f.unknown("other.png", fakeengine.Portrait(red)) // in an empty folder, pictures wait
	f.start()
	const words = "this client is of release 0.1.0 and cannot take descriptors of 320 numbers; update the processor"
	f.eventually("it looks for the picture of a client that takes as many", func() bool {
		_, err := f.client.Recognize(t.Context(), request("a.png", 320))
		return status.Code(err) == codes.NotFound
	})
	refused := func(what string, err error, words string) {
		t.Helper()
		if status.Code(err) != codes.Unavailable || status.Convert(err).Message() != words {
			t.Errorf("%s: got %v, want %q", what, err, words)
		}
	}
	asked := time.Now()
	_, err := f.client.Recognize(t.Context(), request("a.png", 0))
	refused("Recognize", err, words)
	if took := time.Since(asked); took < f.opts.Refusal {
		t.Errorf("refused within %s: a picture's attempts are used up before a rollout ends", took)
	}
	_, err = f.client.Recognize(t.Context(), request("a.png", 319))
	refused("a client of another release", err, strings.Replace(words, "is of release 0.1.0 and ", "", 1))
	_, err = f.client.Match(t.Context(), &recognizerv1.MatchRequest{ModelId: f.model.ID})
	refused("Match", err, words)

	stream, err := f.client.RecognizeBatch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for tag, size := range []uint32{0, 320} {
		if err := stream.Send(&recognizerv1.RecognizeBatchRequest{Tag: uint64(tag), Request: request("a.png", size)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		res, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		switch e := res.GetError(); {
		case res.GetTag() == 0 && (codes.Code(e.GetCode()) != codes.Unavailable || e.GetMessage() != words || e.GetReason() != ""):
			t.Errorf("RecognizeBatch: got %v", res)
		case res.GetTag() == 1 && codes.Code(e.GetCode()) != codes.NotFound:
			t.Errorf("RecognizeBatch for a client that takes 320 numbers: %v", e)
		}
	}
}

// With a set of 128 numbers, such as go-face's, it is served as before.
func TestClientOfRelease010AndAShortSet(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.model.Floors = faces.Floors{Size: 24}
	f.unknown("a.png", fakeengine.Portrait(red))
	f.start()
	f.eventually("it is served", func() bool {
		res, err := f.client.Recognize(t.Context(), request("a.png", 0))
		return err == nil && res.GetModel().GetOfficial() && res.GetModel().GetFloors().GetSize() == 24
	})
}

func request(path string, most uint32) *recognizerv1.RecognizeRequest {
	return &recognizerv1.RecognizeRequest{Picture: &recognizerv1.RecognizeRequest_Path{Path: path}, MaxDescriptorSize: most}
}
