package recognizer

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	facerecog "github.com/rollcall-faces/rollcall/proto"
)

// authenticator demands the token of every call but the health checks: probes have
// none.
type authenticator struct {
	token *config.Token
	log   *slog.Logger
}

// stream is for unary methods too: all are registered as streams, see calls.go.
func (a authenticator) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) error {
	if err := a.check(stream.Context(), info.FullMethod); err != nil {
		return err
	}
	return h(srv, stream)
}

func (a authenticator) check(ctx context.Context, method string) error {
	switch method {
	case healthpb.Health_Check_FullMethodName, healthpb.Health_Watch_FullMethodName, healthpb.Health_List_FullMethodName,
		facerecog.HealthCheck_HealthCheck_FullMethodName:
		return nil
	}
	ok, err := a.hasToken(ctx)
	switch {
	case err != nil:
		a.log.Error("cannot read the token; calls are refused", "error", err)
		return status.Error(codes.Unavailable, "the recognizer cannot read its token")
	case !ok:
		return status.Error(codes.Unauthenticated, "this recognizer wants a token; set ROLLCALL_GRPC_TOKEN_FILE to the one it has")
	}
	return nil
}

// knows reports whether a call may do more than ask for the health, whatever it asks for.
func (a authenticator) knows(ctx context.Context) bool {
	ok, err := a.hasToken(ctx)
	return ok && err == nil
}

// hasToken reports whether a call has the token, or needs none.
func (a authenticator) hasToken(ctx context.Context) (bool, error) {
	if !a.token.IsSet() {
		return true, nil
	}
	accepted, err := a.token.All()
	if err != nil {
		return false, err
	}
	md, _ := metadata.FromIncomingContext(ctx)
	for _, header := range md.Get("authorization") {
		sent, ok := strings.CutPrefix(header, "Bearer ")
		if ok && isAccepted(sent, accepted) {
			return true, nil
		}
	}
	return false, nil
}

// isAccepted compares in constant time. Hashes have the same length, so the time
// does not tell the token's length either.
func isAccepted(sent string, accepted []string) bool {
	got, ok := sha256.Sum256([]byte(sent)), 0
	for _, token := range accepted {
		want := sha256.Sum256([]byte(token))
		ok |= subtle.ConstantTimeCompare(got[:], want[:])
	}
	return ok == 1
}
