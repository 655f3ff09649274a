package recognizer

import (
	"context"
	"log/slog"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/proto"
)

const (
	// notFound is the original's answer where nobody matches.
	notFound = "not_found"
)

// original is the contract of the program that Rollcall re-imagines.
type original struct {
	facerecog.UnimplementedIdentifyServer
	facerecog.UnimplementedHealthCheckServer
	recognizer *Recognizer
	log        *slog.Logger
}

// Identify answers the known picture nearest to any face of the picture, where
// it is near enough and the face's quality passes the floors. It knows no
// people, so that the runner-up says nothing here.
func (o original) Identify(ctx context.Context, req *facerecog.IdentifyRequest) (*facerecog.IdentifyResponse, error) {
	if req.GetImagePath() == "" {
		return nil, status.Error(codes.InvalidArgument, "the request has no image_path")
	}
	seen, _, err := recognize(ctx, o.recognizer, o.log, Source{Path: req.GetImagePath()}, nearest.Limit{Count: 1})
	if err != nil {
		return nil, err
	}
	name, best := notFound, seen.Model.Threshold
	for _, s := range seen.Sightings {
		if _, failed := seen.Model.Floors.Shortfall(s.Quality); failed {
			continue
		}
		if len(s.Neighbours) > 0 && s.Neighbours[0].Distance <= best {
			name, best = s.Neighbours[0].Image, s.Neighbours[0].Distance
		}
	}
	return &facerecog.IdentifyResponse{ImageName: name}, nil
}

// HealthCheck implements the RPC.
func (o original) HealthCheck(ctx context.Context, _ *facerecog.Empty) (*facerecog.HealthCheckResponse, error) {
	return &facerecog.HealthCheckResponse{Ready: o.recognizer.Ready(ctx) == nil}, nil
}
