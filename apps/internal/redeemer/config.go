package redeemer

// This file owns the settings of the redeemer.

import (
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// Config is everything that the program redeemer reads.
type Config struct {
	Log      config.Log
	Database config.Database
	Producer string   // host:port of nsqd
	Lookupd  []string // host:port list of nsqlookupd
	Options  Options
}

// ReadConfig reads the settings; r knows the problems.
func ReadConfig(r *config.Reader) Config {
	return Config{
		Log:      config.ReadLog(r),
		Database: config.ReadDatabase(r),
		Producer: r.Address("PRODUCER_ADDRESS", "127.0.0.1:4150", "host:port of nsqd (TCP)"),
		Lookupd:  r.Addresses("NSQ_LOOKUP_ADDRESS", "host:port list of nsqlookupd (HTTP)"),
		Options:  ReadOptions(r),
	}
}

// ReadOptions reads what standalone, too, lets its user set.
func ReadOptions(r *config.Reader) Options {
	return Options{
		Settle: r.Duration("ROLLCALL_REDEEM_AFTER", 30*time.Second, 0, 24*time.Hour, "age from which a queued image that the empty queue has lost is queued again"),
		Stale:  r.Duration("ROLLCALL_REDEEM_STALE", 6*time.Hour, time.Minute, 30*24*time.Hour, "age from which a queued image is queued again whatever the queue holds"),
	}
}

// Options tune a pass.
type Options struct {
	Settle, Stale time.Duration
}
