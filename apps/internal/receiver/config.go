package receiver

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/eraser"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
	"github.com/rollcall-faces/rollcall/apps/internal/uploads"
	"github.com/rollcall-faces/rollcall/apps/internal/webhooks"
)

// Config is the settings of the receiver.
type Config struct {
	Log      config.Log
	Server   config.Server
	Linger   time.Duration // how long the API keeps answering after SIGTERM
	Migrate  time.Duration // longest wait for a database to migrate
	Database config.Database
	Producer string // host:port of the nsqd beside it
	// Recognizer is the address of the recognizers; empty if there is none.
	Recognizer string
	Token      *config.Token // of calls to the recognizer
	Timeout    time.Duration // limit of one call to a recognizer
	Options    Options
	Tracing    config.Tracing
	Sampling   config.Sampling

	ConsentRequired bool // for a person to be recognized
}

// ReadConfig reads the settings. r collects the problems.
func ReadConfig(r *config.Reader) Config {
	log, server := config.ReadLog(r), config.ReadServer(r, ":9000")
	cfg := Config{
		Log:        log,
		Server:     server,
		Linger:     config.ReadLinger(r, server),
		Migrate:    r.Duration("ROLLCALL_MIGRATE_WAIT", 0, 0, time.Hour, "with -migrate: how long to wait for a database that cannot be reached yet"),
		Database:   config.ReadDatabase(r),
		Producer:   r.Address("PRODUCER_ADDRESS", "127.0.0.1:4150", "host:port of nsqd (TCP)"),
		Recognizer: r.String("GRPC_ADDRESS", "", "host:port of the recognizers, or a gRPC target such as dns:///recognizer:50051; if unset, the routes that need one answer 503"),
		Token:      config.ReadToken(r),
		Timeout:    r.Duration("ROLLCALL_RECOGNIZER_TIMEOUT", 30*time.Second, 100*time.Millisecond, 10*time.Minute, "time limit of one call to a recognizer"),
		Options:    ReadOptions(r, ":8000"),
		Tracing:    config.ReadTracing(r),
	}
	cfg.Sampling = config.ReadSampling(r, cfg.Tracing)
	cfg.ConsentRequired = config.ReadConsent(r)
	return cfg
}

// ReadOptions reads the settings that standalone offers too. address is the
// default address of the REST API.
func ReadOptions(r *config.Reader, address string) Options {
	opts := Options{
		Address:       r.Address("ROLLCALL_LISTEN_ADDRESS", address, "address of the REST API"),
		UnknownPeople: config.ReadUnknownPeople(r),
		KnownPeople:   r.String("KNOWN_PEOPLE", "", "folder of the known pictures, to which those of the API are added; if unset, they are refused"),
		AllowedHosts:  config.ReadAllowedHosts(r),
		BasePath:      config.ReadBasePath(r),
		Connections:   config.ReadMaxConnections(r, 1024),
		MaxBody:       int64(r.Int("ROLLCALL_MAX_BODY", 16<<20, 1<<10, 1<<30, "maximum size of a request body, in bytes, after unpacking")),
		MinBodyRate:   int64(r.Int("ROLLCALL_MIN_BODY_RATE", 16<<10, 0, 1<<30, "least rate of a request body, in bytes per second, after 10 s; 0: any")),
		BodyMemory:    int64(r.Int("ROLLCALL_BODY_MEMORY", 128<<20, 1<<20, 1<<40, "memory for all requests with a body at once, in bytes; more of them wait, then get 503")),
		OpenAPI:       r.OneOf("ROLLCALL_OPEN_API", "auto", "answer requests without an API key: true, false, or auto: only if this machine alone can reach the REST API and no file declares keys", "true", "false", "auto"),
		OpenIngest:    r.OneOf("ROLLCALL_OPEN_INGEST", "auto", "take pictures at /image/post and /images/post without an API key: true, false, or auto: only if the database is older than API keys", "true", "false", "auto"),
		KeysFile:      readKeysFile(r),
		KeyRate:       r.Float("ROLLCALL_KEY_RATE", "0", 0, 1e6, "requests per second of an API key without limits of its own; 0: any number"),
		KeyBurst:      r.Int("ROLLCALL_KEY_BURST", 0, 0, 1_000_000, "requests at once of an API key without limits of its own; 0: as many as in a second"),
		MaxPaths:      r.Int("ROLLCALL_MAX_PATHS", 10_000, 1, 1_000_000, "maximum number of paths in one bulk post"),
		Upload: UploadOptions{
			MaxFile:  int64(r.Int("ROLLCALL_MAX_UPLOAD", picturefiles.MaxSize, 1<<10, picturefiles.MaxSize, "maximum size of an uploaded file, in bytes")),
			MaxFiles: r.Int("ROLLCALL_MAX_UPLOAD_FILES", 10_000, 1, 100_000, "maximum number of files in one upload"),
			AtOnce:   r.Int("ROLLCALL_UPLOADS", 8, 1, 1000, "maximum number of uploads at once; more of them wait, then get 503"),
			MinFree:  readRoom(r, "ROLLCALL_MIN_FREE", "2%", "what must stay free on the volume of `UNKNOWN_PEOPLE`, in bytes or as a share such as 5%; below it, uploads get 507"),
		},
		Idempotency: IdempotencyOptions{
			Keep: r.Duration("ROLLCALL_IDEMPOTENCY_TIME", defaultKeep, time.Minute, 30*24*time.Hour, "how long the answer to a request with an `Idempotency-Key` is kept"),
			Most: r.Int("ROLLCALL_IDEMPOTENCY_ANSWERS", defaultMost, 1, 100_000_000, "maximum number of such answers in the database; the oldest are forgotten first"),
		},
		MaxIdentify:  int64(r.Int(maxIdentify, 10<<20, 1<<10, 1<<30, "maximum size of a picture that is identified or compared at once, in bytes; at most ROLLCALL_MAX_BODY, and less than ROLLCALL_MAX_MESSAGE of the recognizers")),
		KeyInAddress: r.OneOf("ROLLCALL_COMPREFACE_STATIC", "false", "answer CompreFace's /api/v1/static/KEY/images/ID, whose address has an API key in it: logs and browsers keep addresses", "true", "false") == "true",
		Retention:    readRetention(r),
		Events:       readEvents(r),
		Webhooks:     readWebhooks(r),
		RenderCache:  int64(r.Int("ROLLCALL_RENDER_CACHE", 32<<20, 0, 1<<40, "memory for pictures, thumbnails and crops that are kept for the next request, in bytes; 0: none")),
	}
	if opts.MaxIdentify > opts.MaxBody {
		r.Fail(maxIdentify, "%d is more than ROLLCALL_MAX_BODY, %d", opts.MaxIdentify, opts.MaxBody)
	}
	return opts
}

const maxIdentify = "ROLLCALL_MAX_IDENTIFY"

// readKeysFile reads the name of the file of declared keys. The file may come later,
// but what is in it must be right.
func readKeysFile(r *config.Reader) string {
	const name = "ROLLCALL_KEYS_FILE"
	file := r.String(name, "", "JSON file that declares API keys, such as a mounted Secret; read again when it changes")
	if file == "" {
		return ""
	}
	if _, err := access.ReadFile(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.Fail(name, "%v", err)
	}
	return file
}

// readRoom reads an amount of space: a number of bytes, or a share in percent.
func readRoom(r *config.Reader, name, def, help string) uploads.Room {
	text := r.String(name, def, help)
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		if share, err := strconv.ParseFloat(strings.TrimSpace(percent), 64); err == nil && share >= 0 && share <= 100 {
			return uploads.Room{Share: share / 100}
		}
	} else if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		return uploads.Room{Bytes: n}
	}
	r.Fail(name, "%q is neither a number of bytes nor a share such as 5%%", text)
	return uploads.Room{}
}

// readRetention reads the declared rules of retention.
func readRetention(r *config.Reader) faces.Retention {
	rules, err := faces.ParseRetention(config.ReadRetention(r))
	if err != nil {
		r.Fail(config.RetentionName, "%s", faces.ErrorMessage(err))
	}
	return rules
}

// Options configures a Server.
type Options struct {
	Address       string   // host:port of the REST API
	UnknownPeople string   // the only folder that paths may point into
	KnownPeople   string   // the folder of known pictures; empty: none
	AllowedHosts  []string // more values of the header Host to answer
	BasePath      string   // of the proxy in front, such as /rollcall; "" for none
	Connections   int      // maximum, at the same time
	MaxBody       int64    // bytes, after unpacking
	MinBodyRate   int64    // bytes per second; 0 is any
	BodyMemory    int64    // bytes, for all bodies together
	MaxPaths      int      // per bulk post
	MaxIdentify   int64    // bytes of a picture that is answered at once
	RenderCache   int64    // bytes of rendered pictures that are kept; 0 for none

	OpenAPI    string  // "true", "false", or auto: see IsOpen
	OpenIngest string  // "true", "false", or auto: see ingestIsOpen
	KeysFile   string  // declares API keys; "" for none
	KeyRate    float64 // requests per second of a key without limits of its own; 0 is any number
	KeyBurst   int     // requests at once of such a key; 0 is a second's

	// KeyInAddress answers CompreFace's call with the API key in its address.
	KeyInAddress bool

	Retention faces.Retention // declared rules; nil if the stored ones count

	Upload      UploadOptions
	Idempotency IdempotencyOptions
	Events      EventOptions

	Webhooks webhooks.Options
	Erasures eraser.Options // without KnownPeople

	Traces *tracing.Entry // begins a trace for each request; nil: there are none
}

// UploadOptions configures the upload of files.
type UploadOptions struct {
	MaxFile  int64        // bytes of a file
	MaxFiles int          // per request
	AtOnce   int          // requests
	MinFree  uploads.Room // what must stay free on the volume
}
