package frontend

import (
	"net"
	"regexp"
	"strconv"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// Config is the settings of the frontend.
type Config struct {
	Log           config.Log
	Server        config.Server
	Linger        time.Duration // how long the dashboard keeps answering after SIGTERM
	Database      config.Database
	Host          string // to listen on; "" means all addresses
	Port          int
	AllowedHosts  []string // more values of the header Host to answer
	BasePath      string   // of the proxy in front, such as /rollcall; "" for none
	Connections   int      // maximum, at the same time
	UnknownPeople string   // folder of the images; paths are shown relative to it
	API           APIConfig
	SignIn        SignInConfig
}

// ReadConfig reads the settings. r collects the problems.
func ReadConfig(r *config.Reader) Config {
	log, server := config.ReadLog(r), config.ReadServer(r, ":9003")
	return Config{
		Log:           log,
		Server:        server,
		Linger:        config.ReadLinger(r, server),
		Database:      config.ReadDatabase(r),
		Host:          readHost(r),
		Port:          r.Int("FRONTEND_PORT", 8081, 0, 65535, "port of the dashboard; 0 picks a free one"),
		AllowedHosts:  config.ReadAllowedHosts(r),
		BasePath:      config.ReadBasePath(r),
		Connections:   config.ReadMaxConnections(r, 1024),
		UnknownPeople: config.ReadUnknownPeople(r),
		API:           readAPI(r),
		SignIn:        ReadSignIn(r),
	}
}

// Address returns the host:port that the dashboard listens on.
func (c Config) Address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// readHost reads the address to listen on. A port in it is an error.
func readHost(r *config.Reader) string {
	const name = "ROLLCALL_FRONTEND_HOST"
	host := r.String(name, "", "address that the dashboard listens on; empty: all; 127.0.0.1: this machine only")
	hostname := regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
	if host != "" && net.ParseIP(host) == nil && !hostname.MatchString(host) {
		r.Fail(name, "%q is neither an IP address nor a host name; set the port with FRONTEND_PORT", host)
	}
	return host
}
