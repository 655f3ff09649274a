package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/schedule"
	"github.com/rollcall-faces/rollcall/apps/load/internal/report"
	"github.com/rollcall-faces/rollcall/apps/load/internal/traffic"
)

// The modes.
const (
	modePaths  = "paths"
	modeUpload = "upload"
	modeMix    = "mix"
)

// options are the command line flags and the settings.
type options struct {
	server, keyFile               string
	serverSetting, keyFileSetting string

	mode, mix        string
	pattern, list    string
	files            string
	batch            int
	rate             float64
	ramp, steps      string
	duration, warmUp time.Duration
	arrivals         string
	seed             uint64
	inFlight         int
	timeout          time.Duration
	outcomes         bool
	settle           time.Duration
	json             bool
	report           string
	maxP99           time.Duration
	maxErrors        string
	maxErrorShare    *float64
	profile          schedule.Profile // without the warm-up
	weights          traffic.Mix
}

func (o *options) flags(f *flag.FlagSet) {
	f.StringVar(&o.server, "server", "", "`address` of the receiver (default: the setting ROLLCALL_SERVER)")
	f.StringVar(&o.keyFile, "key-file", "", "`file` that contains the API key; it needs the scope ingest, and read for outcomes and reads")
	f.StringVar(&o.mode, "mode", modePaths, "what to send: paths, upload or mix")
	f.StringVar(&o.mix, "mix", "post=6,list=2,get=3,thumbnail=1", "`weights` of the requests of -mode mix")
	f.StringVar(&o.pattern, "pattern", "load/{run}/{n}.jpg", "paths to post, below UNKNOWN_PEOPLE; {n} is a number, {run} names the run")
	f.StringVar(&o.list, "list", "", "`file` with paths to post, one a line, in place of -pattern; from the start again at its end")
	f.StringVar(&o.files, "files", "", "`folder` of JPEG and PNG files to upload; they are read into memory (up to 512 MiB)")
	f.IntVar(&o.batch, "batch", 1, "paths or files of each post")
	f.Float64Var(&o.rate, "rate", 5, "requests a second")
	f.StringVar(&o.ramp, "ramp", "", "`FROM:TO:OVER`, such as 10:200:1m: a rate that changes evenly and then stays until -duration is over")
	f.StringVar(&o.steps, "steps", "", "`RATE:TIME,…`, such as 50:30s,100:30s: one rate after the other")
	f.DurationVar(&o.duration, "duration", 0, "how long to measure (default 30s, or that of -ramp or -steps)")
	f.DurationVar(&o.warmUp, "warmup", 5*time.Second, "how long to send at the first rate before anything is counted")
	f.StringVar(&o.arrivals, "arrivals", "poisson", "poisson: requests come independently of each other, as from many clients; even: at equal distances")
	f.Uint64Var(&o.seed, "seed", 0, "seed `number` of the arrivals and the mix (default: from the time)")
	f.IntVar(&o.inFlight, "in-flight", 512, "how many requests may be without an answer; one more is not sent and counts as an error")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "time limit of a request")
	f.BoolVar(&o.outcomes, "outcomes", true, "follow the events, to measure the time from post to outcome")
	f.DurationVar(&o.settle, "settle", 30*time.Second, "how long to wait for outcomes at the end")
	f.BoolVar(&o.json, "json", false, "print the summary as JSON")
	f.StringVar(&o.report, "report", "", "write report.md, report.json and plots (SVG) into this `folder`")
	f.DurationVar(&o.maxP99, "max-p99", 0, "exit code 1 if the p99 of the latency is longer, or if requests were over -in-flight")
	f.StringVar(&o.maxErrors, "max-errors", "", "exit code 1 if a larger `share` of the requests fails, such as 0.1%")
}

// complete checks the options and derives the others from them.
func (o *options) complete(now time.Time) error {
	o.server = cmp.Or(o.server, o.serverSetting)
	o.keyFile = cmp.Or(o.keyFile, o.keyFileSetting)
	if o.seed == 0 {
		o.seed = uint64(now.UnixNano())
	}
	if err := o.readProfile(); err != nil {
		return err
	}
	if err := o.readMode(); err != nil {
		return err
	}
	if o.maxErrors != "" {
		share, err := parseShare(o.maxErrors)
		if err != nil {
			return err
		}
		o.maxErrorShare = &share
	}
	switch {
	case o.arrivals != "poisson" && o.arrivals != "even":
		return fmt.Errorf("-arrivals is %q; it must be poisson or even", o.arrivals)
	case o.batch < 1 || o.batch > 10_000:
		return fmt.Errorf("-batch is %d; it must be 1 to 10,000", o.batch)
	case o.inFlight < 1 || o.inFlight > 100_000:
		return fmt.Errorf("-in-flight is %d; it must be 1 to 100,000", o.inFlight)
	case o.timeout <= 0:
		return fmt.Errorf("-timeout is %s; it must be more than 0", o.timeout)
	case o.warmUp < 0 || o.settle < 0 || o.maxP99 < 0:
		return errors.New("-warmup, -settle and -max-p99 must not be less than 0")
	}
	return nil
}

// readProfile reads -rate, -ramp and -steps.
func (o *options) readProfile() (err error) {
	const usual = 30 * time.Second
	switch {
	case o.ramp != "" && o.steps != "":
		return errors.New("choose -ramp or -steps")
	case o.duration < 0:
		return fmt.Errorf("-duration is %s; it must be more than 0", o.duration)
	case o.steps != "" && o.duration != 0:
		return errors.New("-steps says how long each step takes; leave -duration out")
	case o.steps != "":
		if o.profile, err = schedule.ParseSteps(o.steps); err != nil {
			return fmt.Errorf("-steps: %w", err)
		}
	case o.ramp != "":
		if o.profile, err = schedule.ParseRamp(o.ramp, o.duration); err != nil {
			return fmt.Errorf("-ramp: %w", err)
		}
	default:
		o.profile = schedule.Constant(o.rate, cmp.Or(o.duration, usual))
		if err := o.profile.Check(); err != nil {
			return fmt.Errorf("-rate: %w", err)
		}
	}
	return nil
}

// readMode reads -mode and what it needs.
func (o *options) readMode() (err error) {
	switch o.mode {
	case modePaths:
		if o.files != "" {
			return errors.New("-files is for -mode upload and -mode mix; -mode paths posts paths of files that the system has")
		}
		o.weights = traffic.Mix{{Kind: traffic.Post, Weight: 1}}
	case modeUpload:
		if o.files == "" {
			return errors.New("-mode upload needs -files, a folder of JPEG and PNG files")
		}
		o.weights = traffic.Mix{{Kind: traffic.Post, Weight: 1}}
	case modeMix:
		if o.weights, err = traffic.ParseMix(o.mix); err != nil {
			return fmt.Errorf("-mix: %w", err)
		}
	default:
		return fmt.Errorf("-mode is %q; it must be paths, upload or mix", o.mode)
	}
	return nil
}

// scopes returns what the API key must be allowed to do.
func (o *options) scopes() []api.KeyScope {
	var list []api.KeyScope
	if o.weights.Wants(traffic.Post) {
		list = append(list, api.ScopeIngest)
	}
	if o.weights.Wants(traffic.List, traffic.Get, traffic.Thumbnail) {
		list = append(list, api.ScopeRead)
	}
	return list
}

func (o *options) limits() report.Limits {
	return report.Limits{P99: o.maxP99, Errors: o.maxErrorShare}
}

// requests describes what is sent.
func (o *options) requests() string {
	post := "one path a post"
	switch {
	case o.files != "" && o.batch == 1:
		post = "one file an upload"
	case o.files != "":
		post = fmt.Sprintf("%d files an upload", o.batch)
	case o.batch > 1:
		post = fmt.Sprintf("%d paths a post", o.batch)
	}
	if o.mode == modeMix {
		return o.mix + "; " + post
	}
	return post
}

// parseShare reads a share: 0.1% or 0.001.
func parseShare(text string) (float64, error) {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	share, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if isPercent {
		share /= 100
	}
	if err != nil || !(share >= 0 && share <= 1) {
		return 0, fmt.Errorf("-max-errors is %q; it must be a share such as 0.1%%", text)
	}
	return share, nil
}
