package redeemer

import (
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// Config is the settings of the redeemer.
type Config struct {
	Log      config.Log
	Database config.Database
	Producer string   // TCP host:port of nsqd
	Lookupd  []string // HTTP host:port of each nsqlookupd
	Options  Options

	UnknownPeople string // where uploaded files are
	KnownPeople   string // for the search for erased people only
}

// ReadConfig reads the settings. r collects the problems.
func ReadConfig(r *config.Reader) Config {
	return Config{
		Log:      config.ReadLog(r),
		Database: config.ReadDatabase(r),
		Producer: r.Address("PRODUCER_ADDRESS", "127.0.0.1:4150", "host:port of nsqd (TCP)"),
		Lookupd:  r.Addresses("NSQ_LOOKUP_ADDRESS", "host:port list of nsqlookupd (HTTP)"),
		Options:  ReadOptions(r),

		UnknownPeople: config.ReadUnknownPeople(r),
		KnownPeople:   r.String("KNOWN_PEOPLE", "", "with -verify-erased: folder of the known pictures, which can be read-only"),
	}
}

// ReadSearch reads the settings of the search for erased people, which needs no queue.
func ReadSearch(r *config.Reader) Config {
	return Config{
		Log:           config.ReadLog(r),
		Database:      config.ReadDatabase(r),
		KnownPeople:   r.String("KNOWN_PEOPLE", "", "folder of the known pictures, which can be read-only"),
		UnknownPeople: r.String("UNKNOWN_PEOPLE", "", "folder of the images, which can be read-only"),
	}
}

// ReadOptions reads the settings that standalone offers too.
func ReadOptions(r *config.Reader) Options {
	return Options{
		Settle:    r.Duration("ROLLCALL_REDEEM_AFTER", 30*time.Second, 0, 24*time.Hour, "minimum age at which an image that the queue has lost is queued again"),
		Stale:     r.Duration("ROLLCALL_REDEEM_STALE", 6*time.Hour, time.Minute, 30*24*time.Hour, "age at which a queued image is queued again even if the queue is not empty"),
		Retention: ReadRetention(r),
	}
}

// Options tunes a pass.
type Options struct {
	// Settle is the minimum age of an image that counts as lost when the queue is
	// empty. Stale is that age when the queue is not empty or not reachable.
	Settle, Stale time.Duration
	// Retention are the declared rules; nil if the stored ones count.
	Retention faces.Retention
}

// ReadRetention reads the rules that say how long images are kept.
func ReadRetention(r *config.Reader) faces.Retention {
	rules, err := faces.ParseRetention(config.ReadRetention(r))
	if err != nil {
		r.Fail(config.RetentionName, "%s", faces.ErrorMessage(err))
	}
	return rules
}
