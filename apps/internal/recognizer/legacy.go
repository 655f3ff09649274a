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
	// notFound is the answer of the original program if nobody matches.
	notFound = "not_found"
)

// legacyService implements the gRPC services of the program that Rollcall
// re-implements.
type legacyService struct {
	facerecog.UnimplementedIdentifyServer
	facerecog.UnimplementedHealthCheckServer
	recognizer *Recognizer
	log        *slog.Logger
}

// Identify returns the known picture nearest to any face of the picture, if
// it is within the threshold and the face's quality passes the floors. A
// recognizer does not know people, so the distance of the second person
// cannot be considered.
func (o legacyService) Identify(ctx context.Context, req *facerecog.IdentifyRequest) (*facerecog.IdentifyResponse, error) {
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
func (o legacyService) HealthCheck(ctx context.Context, _ *facerecog.Empty) (*facerecog.HealthCheckResponse, error) {
	return &facerecog.HealthCheckResponse{Ready: o.recognizer.Ready(ctx) == nil}, nil
}
