package recognizer

import (
	"runtime"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/worker"
)

// Config has all settings of the program recognizer.
type Config struct {
	Log     config.Log
	Server  config.Server
	Address string // host:port of the gRPC server
	// Token is what callers must know. Only a server on loopback, or one that is
	// open on purpose, has none.
	Token   *config.Token
	Open    bool // serve everybody, beyond loopback too
	Models  modelset.Settings
	Worker  worker.Options
	Options Options
	Tracing config.Tracing
}

// ReadConfig reads the settings. It reports invalid ones to r.
func ReadConfig(r *config.Reader) Config {
	c := Config{
		Log:     config.ReadLog(r),
		Server:  config.ReadServer(r, ":9002"),
		Address: r.Address("ROLLCALL_LISTEN_ADDRESS", ":50051", "address of the gRPC server"),
		Models:  modelset.ReadSettings(r),
		Worker:  worker.ReadOptions(r),
		Options: ReadOptions(r),
		Token:   config.ReadToken(r),
		Tracing: config.ReadTracing(r),
		Open:    r.OneOf("ROLLCALL_OPEN_GRPC", "false", "true: serve callers without a token, beyond this machine too", "true", "false") == "true",
	}
	c.Options.MaxConnections = config.ReadMaxConnections(r, defaultConnections)
	if !c.Token.IsSet() && !c.Open && !config.IsLoopback(c.Address) {
		r.Fail("ROLLCALL_GRPC_TOKEN", "is not set, and ROLLCALL_LISTEN_ADDRESS %s is open to other machines; set ROLLCALL_GRPC_TOKEN_FILE here, on "+
			"the processor and on the receiver, or listen on 127.0.0.1:50051, or let everybody call with ROLLCALL_OPEN_GRPC=true", c.Address)
	}
	return c
}

// ReadOptions reads the settings that standalone has as well.
func ReadOptions(r *config.Reader) Options {
	opts := ReadKnownOptions(r)
	opts.UnknownPeople = config.ReadUnknownPeople(r)
	opts.Refresh = r.Duration("ROLLCALL_GALLERY_REFRESH", 10*time.Second, 100*time.Millisecond, 24*time.Hour, "how often KNOWN_PEOPLE is checked for changes")
	opts.MaxMessage = int64(r.Int("ROLLCALL_MAX_MESSAGE", defaultMessage>>20, 1, 256, "maximum size of a message to the recognizer, in MiB; it bounds pictures that are sent as bytes, not those that are read from UNKNOWN_PEOPLE")) << 20
	opts.CallMemory = int64(r.Int("ROLLCALL_CALL_MEMORY", defaultCalls>>20, 16, 65536, "memory of all calls in flight, in MiB; further calls wait; at least nine times ROLLCALL_MAX_MESSAGE")) << 20
	opts.FileMemory = int64(r.Int("ROLLCALL_FILE_MEMORY", picturefiles.MaxSize>>20, picturefiles.MaxSize>>20, 65536, "memory of all files of UNKNOWN_PEOPLE that are being recognized, in MiB; further ones wait")) << 20
	opts.FaceIndexMemory = int64(r.Int("ROLLCALL_FACE_INDEX_MEMORY", defaultFaceIndexMemory>>20, 0, 1<<20, "memory of the index of stored faces, by which faces are searched for, in MiB; a face of the default model set takes 1,540 bytes; 0: no index")) << 20
	if opts.FaceIndexMemory == 0 {
		opts.FaceIndexMemory = -1
	}
	return opts
}

// ReadKnownOptions reads the settings needed to describe the known pictures.
func ReadKnownOptions(r *config.Reader) Options {
	return Options{
		KnownPeople: config.ReadKnownPeople(r),
		Engines:     r.IntShown("ROLLCALL_ENGINES", runtime.NumCPU(), "one a core", 1, 256, "pictures processed at the same time; each keeps one core busy"),
		MaxPixels:   int64(r.Int("ROLLCALL_MAX_PIXELS", int(picture.Defaults().MaxPixels), 1000, 500_000_000, "maximum size of a picture, in pixels")),
		Cache:       r.String("ROLLCALL_GALLERY_CACHE", "", "cache folder for the descriptors of known pictures, used if KNOWN_PEOPLE is read-only"),
	}
}

// Options configure a Recognizer.
type Options struct {
	KnownPeople   string // folder of the known pictures
	UnknownPeople string // folder that image paths may point into
	Engines       int
	MaxPixels     int64
	Refresh       time.Duration
	// MaxMessage is the largest message of a call, in bytes; 0 means 16 MiB.
	MaxMessage int64
	// CallMemory bounds the memory of all calls in flight, in bytes; 0 means 160
	// MiB. It is at least nine times MaxMessage.
	CallMemory int64
	// MaxConnections bounds the open connections of clients; 0 means 256.
	MaxConnections int
	// FileMemory bounds the files that are held while they are recognized, in
	// bytes; 0 means 200 MiB. It is at least picturefiles.MaxSize.
	FileMemory int64
	// FaceIndexMemory bounds the index of stored faces, in bytes; 0 means 256 MiB, and
	// a negative number no index.
	FaceIndexMemory int64
	// Stuck is how long all engines may be busy, without one becoming free,
	// before the recognizer is not ready. 0 means one minute.
	Stuck time.Duration
	// NearListed is the largest number of near faces in one answer of ListNearFaces; 0
	// means the default, which suits all clients.
	NearListed int
	// Refusal is how long a client that cannot take our descriptors waits for the
	// error. 0 means 10 seconds.
	Refusal time.Duration
	// Networks are the parts of a descriptor. They are needed to report the
	// distance by each network. nil if a descriptor has one part.
	Networks []Network
	// Traces goes on with the traces of callers; nil: there are none.
	Traces trace.TracerProvider
	// Cache is the folder of the gallery's cache if KnownPeople is read-only.
	// Empty means none.
	Cache string
}
