package chaos

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

const (
	modelID = "chaos"
	gallery = "chaos" // the version of the known pictures, which never change

	descriptorSize = 128
)

// likeness is what a face looks like: the known people that are near it follow from it. Its
// descriptor says it, so that a re-match finds what the first answer found.
type likeness struct {
	reason faces.Reason // of the image, if the face decides it
	person int
}

// likenessReasons are the reasons by their place in a descriptor. A stranger comes first.
func likenessReasons() []faces.Reason {
	return []faces.Reason{faces.NoReason, faces.Identified, faces.Uncertain}
}

func (l likeness) descriptor() faces.Descriptor {
	d := make(faces.Descriptor, descriptorSize)
	d[0], d[1] = float32(max(0, slices.Index(likenessReasons(), l.reason))), float32(l.person)
	return d
}

// likenessOf reads a descriptor.
func likenessOf(stored []byte) (likeness, error) {
	d, err := faces.DescriptorFromBytes(stored)
	if err != nil {
		return likeness{}, err
	}
	if len(d) != descriptorSize || d[0] < 0 || int(d[0]) >= len(likenessReasons()) {
		return likeness{}, fmt.Errorf("a descriptor of %d numbers is none of this recognizer's", len(d))
	}
	return likeness{reason: likenessReasons()[int(d[0])], person: int(d[1])}, nil
}

// neighbours returns the known pictures that are near the face.
func (l likeness) neighbours() []*recognizerv1.Neighbour {
	first, second := float32(0.8), float32(0.9)
	switch l.reason {
	case faces.Identified:
		first, second = 0.3, 0.7
	case faces.Uncertain:
		first, second = 0.4, 0.42
	}
	return []*recognizerv1.Neighbour{
		{ImageName: knownImage(l.person), Distance: first},
		{ImageName: knownImage(l.person + 1), Distance: second},
	}
}

// GetInfo implements the RPC of the same name.
func (quickRecognizer) GetInfo(context.Context, *recognizerv1.GetInfoRequest) (*recognizerv1.GetInfoResponse, error) {
	return &recognizerv1.GetInfoResponse{Model: model(), GalleryVersion: gallery, KnownImages: people, Engines: 1}, nil
}

// ListKnownImages implements the RPC of the same name.
func (quickRecognizer) ListKnownImages(_ context.Context, req *recognizerv1.ListKnownImagesRequest) (*recognizerv1.ListKnownImagesResponse, error) {
	res := &recognizerv1.ListKnownImagesResponse{GalleryVersion: gallery, Model: model()}
	for n := range people {
		if name := knownImage(n); name > req.GetAfter() {
			res.Images = append(res.Images, &recognizerv1.KnownImage{ImageName: name, ContentId: name})
		}
	}
	return res, nil
}

// Match implements the RPC of the same name.
func (quickRecognizer) Match(_ context.Context, req *recognizerv1.MatchRequest) (*recognizerv1.MatchResponse, error) {
	res := &recognizerv1.MatchResponse{Model: model(), GalleryVersion: gallery}
	for _, stored := range req.GetDescriptors() {
		like, err := likenessOf(stored)
		if err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		near := like.neighbours()
		if only := req.GetImageNames(); len(only) > 0 {
			near = slices.DeleteFunc(near, func(n *recognizerv1.Neighbour) bool { return !slices.Contains(only, n.GetImageName()) })
		}
		res.Matches = append(res.Matches, &recognizerv1.Matches{Neighbours: near})
	}
	return res, nil
}
