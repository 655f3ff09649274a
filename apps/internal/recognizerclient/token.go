package recognizerclient

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// transport returns the options of every connection. There is no TLS: the token
// proves the caller, and network policies keep others from listening.
func transport(token *config.Token) []grpc.DialOption {
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if token.IsSet() {
		options = append(options, grpc.WithPerRPCCredentials(bearer{token}))
	}
	return options
}

// bearer sends the token with each call.
type bearer struct{ token *config.Token }

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	tokens, err := b.token.All()
	if err != nil {
		return nil, fmt.Errorf("read the token of the recognizer: %w", err)
	}
	if len(tokens) == 0 {
		return nil, nil
	}
	return map[string]string{"authorization": "Bearer " + tokens[0]}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (bearer) RequireTransportSecurity() bool { return false }
