package recognizerclient

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

const (
	// dialsPerAddress is how many connections are made if the name resolves
	// to one address: there may be a load balancer behind it.
	dialsPerAddress = 3
	// maxConcurrent bounds how many recognizers are asked concurrently.
	maxConcurrent = 8
)

// ModelsInUse returns the model set of every recognizer. It asks each address
// that the name resolves to over a connection of its own. It fails if one of
// them does not answer.
func (c *Client) ModelsInUse(ctx context.Context) ([]faces.Model, error) {
	targets, err := c.allTargets(ctx)
	if err != nil {
		return nil, err
	}
	models := make([]faces.Model, len(targets))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxConcurrent)
	for i, t := range targets {
		group.Go(func() error {
			var err error
			models[i], err = c.modelOf(ctx, t)
			return err
		})
	}
	return models, group.Wait()
}

// allTargets returns a gRPC target for each recognizer.
func (c *Client) allTargets(ctx context.Context) ([]string, error) {
	name := c.conn.Target()
	host, port, err := net.SplitHostPort(strings.TrimPrefix(name, "dns:///"))
	if err != nil || !strings.HasPrefix(name, "dns:///") {
		return repeat(name), nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, faces.Fault(faces.RecognizerUnavailable, "the recognizers' name cannot be resolved").WithCause(err)
	}
	if len(addresses) == 1 {
		return repeat("passthrough:///" + net.JoinHostPort(addresses[0], port)), nil
	}
	targets := make([]string, len(addresses))
	for i, a := range addresses {
		targets[i] = "passthrough:///" + net.JoinHostPort(a, port)
	}
	return targets, nil
}

func repeat(target string) []string { return slices.Repeat([]string{target}, dialsPerAddress) }

func (c *Client) modelOf(ctx context.Context, target string) (faces.Model, error) {
	conn, err := grpc.NewClient(target, transport(c.opts.Token)...)
	if err != nil {
		return faces.Model{}, fmt.Errorf("dial the recognizer at %s: %w", target, err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	res, err := recognizerv1.NewRecognizerClient(conn).GetInfo(ctx, &recognizerv1.GetInfoRequest{})
	if err != nil {
		return faces.Model{}, domainError(err)
	}
	return model(res.GetModel()), nil
}
