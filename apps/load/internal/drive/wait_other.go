//go:build !linux

package drive

import (
	"context"
	"time"
)

func waitPrecisely(ctx context.Context, until time.Time) { WaitByTimer(ctx, until) }
