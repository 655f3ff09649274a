package processor

import (
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-faces/rollcall/apps/internal/grouping"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/rematch"
	"github.com/rollcall-faces/rollcall/apps/internal/rescan"
)

// Config is the settings of the processor.
type Config struct {
	Log        config.Log
	Server     config.Server
	Database   config.Database
	Lookupd    []string
	Recognizer string
	Token      *config.Token // of calls to the recognizer
	Timeout    time.Duration // limit of one call to a recognizer
	Options    Options
	Rematch    rematch.Options
	Rescan     rescan.Options
	Groups     grouping.Options
	Tracing    config.Tracing

	ConsentRequired bool // for a person to be recognized
}

// ReadConfig reads the settings. r collects the problems.
func ReadConfig(r *config.Reader) Config {
	options := ReadOptions(r)
	return Config{
		Log:        config.ReadLog(r),
		Server:     config.ReadServer(r, ":9001"),
		Database:   config.ReadDatabase(r),
		Lookupd:    r.Addresses("NSQ_LOOKUP_ADDRESS", "host:port list of nsqlookupd (HTTP)"),
		Recognizer: r.Required("GRPC_ADDRESS", "host:port of the recognizers, or a gRPC target such as dns:///recognizer:50051"),
		Token:      config.ReadToken(r),
		Timeout:    r.Duration("ROLLCALL_RECOGNIZER_TIMEOUT", 30*time.Second, 100*time.Millisecond, 10*time.Minute, "time limit of one call to a recognizer"),
		Options:    options,
		Rematch:    RematchOptions(rematch.ReadOptions(r), options),
		Rescan:     rescan.ReadOptions(r),
		Groups:     GroupOptions(grouping.ReadOptions(r), options),
		Tracing:    config.ReadTracing(r),

		ConsentRequired: config.ReadConsent(r),
	}
}

// ReadOptions reads the settings that standalone offers too.
func ReadOptions(r *config.Reader) Options {
	d := Defaults()
	rule := config.ReadRule(r)
	return Options{
		Calls:     r.Int("ROLLCALL_CALLS", d.Calls, 1, 1000, "concurrent calls to the recognizers; twice the number of their engines keeps them busy"),
		Batch:     r.Int("ROLLCALL_BATCH", d.Batch, 1, 1000, "maximum number of images that one statement claims or records"),
		InFlight:  r.Int("ROLLCALL_IN_FLIGHT", d.InFlight, 1, 2500, "maximum number of messages taken from the queue and not yet finished"),
		Attempts:  r.Int("ROLLCALL_ATTEMPTS", d.Attempts, 1, 100, "attempts before an image fails"),
		Lease:     r.Duration("ROLLCALL_LEASE", d.Lease, time.Second, time.Hour, "time after which another processor may take over an image; renewed during the work"),
		Threshold: rule.Threshold,
		Margin:    rule.Margin,
		Breaker: BreakerOptions{
			Failures: r.Int("ROLLCALL_BREAKER_FAILURES", d.Breaker.Failures, 1, 1000, "failed calls in a row that open the circuit"),
			Pause:    r.Duration("ROLLCALL_BREAKER_PAUSE", d.Breaker.Pause, 10*time.Millisecond, time.Hour, "time from opening to the first ping; doubles with every ping that fails"),
			MaxPause: r.Duration("ROLLCALL_BREAKER_PAUSE_MAX", d.Breaker.MaxPause, 10*time.Millisecond, 24*time.Hour, "maximum time between pings"),
		},
	}
}

// Options configures a Processor.
type Options struct {
	Calls             int           // calls to the recognizers at the same time
	Batch             int           // images per statement
	InFlight          int           // messages taken from the queue and not answered
	Attempts          int           // per round, before an image fails
	Lease             time.Duration // renewed while an image is processed
	Threshold, Margin float64       // 0 means the model set's own
	Breaker           BreakerOptions
	// Traces goes on with the traces of posts; nil: there are none.
	Traces trace.TracerProvider
}

// BreakerOptions configures the circuit breaker around the recognizers. See
// package breaker.
type BreakerOptions struct {
	Failures        int
	Pause, MaxPause time.Duration
}

// Defaults returns the options that suit most deployments.
func Defaults() Options {
	return Options{
		Calls: 8, Batch: 64, InFlight: 256, Attempts: 5, Lease: time.Minute,
		Breaker: BreakerOptions{Failures: 5, Pause: 10 * time.Second, MaxPause: 5 * time.Minute},
	}
}
