package recognizer

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/gallery"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

const (
	// maxMatches bounds the descriptors of one call: 20 MiB at 320 numbers
	// each.
	maxMatches = 16384
	// matchBatch is how many descriptors one core searches for at a time:
	// enough to be efficient, few enough that concurrent calls take turns.
	matchBatch = 4 * nearest.BatchSize
	// knownPage is how many known pictures a page lists.
	knownPage = 5000
)

// Match implements the RPC. It matches descriptors without decoding a
// picture.
func (s service) Match(ctx context.Context, req *recognizerv1.MatchRequest) (*recognizerv1.MatchResponse, error) {
	if err := ready(ctx, s.recognizer); err != nil {
		return nil, err
	}
	if err := s.checkDescriptorSize(ctx, req.GetMaxDescriptorSize()); err != nil {
		return nil, err
	}
	if req.GetModelId() != s.recognizer.model.ID {
		return nil, status.Errorf(codes.FailedPrecondition,
			"the descriptors are of model set %q, but model set %q is in use; they cannot be compared", req.GetModelId(), s.recognizer.model.ID)
	}
	l, err := limitOf(req.GetNeighbours())
	if err != nil {
		return nil, err
	}
	asked, err := descriptorsFrom(req.GetDescriptors(), s.recognizer.model.Size)
	if err != nil {
		return nil, err
	}
	g := s.recognizer.known.Current()
	if err := checkVersion(req.GetGalleryVersion(), g); err != nil {
		return nil, err
	}
	index := g.Index()
	if len(req.GetImageNames()) > 0 {
		index = index.Only(g.Spelled(req.GetImageNames()))
	}
	matches, err := s.recognizer.matchAll(ctx, index, asked, l)
	if status.Code(err) == codes.ResourceExhausted {
		return nil, err
	}
	if err != nil {
		return nil, statusOf(err, faces.File{})
	}
	return &recognizerv1.MatchResponse{Matches: matches, Model: modelMessage(s.recognizer.model), GalleryVersion: g.Version()}, nil
}

// checkVersion returns an error if the caller wants another version of the
// gallery.
func checkVersion(want string, g *gallery.Gallery) error {
	if want != "" && want != g.Version() {
		return status.Errorf(codes.FailedPrecondition, "the known pictures have version %s, but the request is for %s", g.Version(), want)
	}
	return nil
}

// descriptorsFrom decodes the descriptors of a request.
func descriptorsFrom(raw [][]byte, size int) ([]faces.Descriptor, error) {
	if len(raw) > maxMatches {
		return nil, status.Errorf(codes.InvalidArgument, "%d descriptors are too many for one call; the limit is %d", len(raw), maxMatches)
	}
	list := make([]faces.Descriptor, len(raw))
	for i := range raw {
		d, err := nearest.DescriptorFromBytes(raw[i], size)
		if err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "descriptor %d: %v", i, err)
		}
		list[i] = d
	}
	return list, nil
}

// matchAll finds the neighbours of descriptors. All calls together use as
// many cores as there are engines. They do not wait for engines: a call would
// have to queue behind pictures that take a hundred times as long.
func (r *Recognizer) matchAll(ctx context.Context, index *nearest.Index, asked []faces.Descriptor, l nearest.Limit) ([]*recognizerv1.Matches, error) {
	matches := make([]*recognizerv1.Matches, len(asked))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cap(r.matching))
	at := 0
	for share := range slices.Chunk(asked, matchBatch) {
		first := at
		at += len(share)
		group.Go(func() (err error) {
			defer recoverPanic(r.log, recognizerv1.Recognizer_Match_FullMethodName, &err) // no interceptor sees this goroutine
			select {
			case r.matching <- struct{}{}:
				defer func() { <-r.matching }()
			case <-ctx.Done():
				return ctx.Err()
			}
			near, err := index.Nearest(ctx, share, l)
			if err := chargeAnswer(ctx, answerMemory(near)); err != nil {
				return err
			}
			for i, list := range near {
				matches[first+i] = &recognizerv1.Matches{Neighbours: neighbourMessages(list)}
			}
			return err
		})
	}
	return matches, group.Wait()
}

// answerMemory is about what the messages of an answer take, in bytes.
func answerMemory(near [][]faces.Neighbour) int64 {
	n := int64(0)
	for _, list := range near {
		n += neighbourMemory * int64(1+len(list))
	}
	return n
}

// ListKnownImages implements the RPC.
func (s service) ListKnownImages(ctx context.Context, req *recognizerv1.ListKnownImagesRequest) (*recognizerv1.ListKnownImagesResponse, error) {
	if err := ready(ctx, s.recognizer); err != nil {
		return nil, err
	}
	g := s.recognizer.known.Current()
	if err := checkVersion(req.GetGalleryVersion(), g); err != nil {
		return nil, err
	}
	res := &recognizerv1.ListKnownImagesResponse{GalleryVersion: g.Version(), Model: modelMessage(s.recognizer.model)}
	for _, p := range g.Page(req.GetAfter(), knownPage) {
		res.Images = append(res.Images, &recognizerv1.KnownImage{ImageName: p.Name, ContentId: p.Content.String()})
	}
	return res, nil
}
