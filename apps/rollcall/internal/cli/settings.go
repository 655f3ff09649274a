package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/rollcall-faces/rollcall/apps/api/client"
)

const defaultServer = "http://127.0.0.1:8000"

// Setting is one that the environment or the configuration file has, too.
type Setting struct{ Name, Default, About string }

// Settings lists the settings of the environment.
func Settings() []Setting {
	return []Setting{
		{"ROLLCALL_SERVER", defaultServer, "address of the receiver"},
		{"ROLLCALL_KEY_FILE", "", "file that contains the API key"},
	}
}

func settingsHelp() string {
	var b strings.Builder
	b.WriteString("Settings (a flag wins over the environment, and that over the file\n" +
		"~/.config/rollcall/config.yaml with the fields server and key_file):\n")
	for _, s := range Settings() {
		fmt.Fprintf(&b, "  %-18s %s", s.Name, s.About)
		if s.Default != "" {
			fmt.Fprintf(&b, " (default %s)", s.Default)
		}
		b.WriteString("\n")
	}
	b.WriteString("A key is only ever read from its file.")
	return b.String()
}

type globalFlags struct {
	server, keyFile string
	output          string
	patience        time.Duration
}

func (a *app) addGlobalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&a.flags.server, "server", "", "address of the receiver (default "+defaultServer+")")
	f.StringVar(&a.flags.keyFile, "key-file", "", "`file` that contains the API key")
	f.StringVarP(&a.flags.output, "output", "o", "text", "format of the output: text or json")
	f.DurationVar(&a.flags.patience, "retry-for", time.Minute, "how long to repeat a request while a service is away")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = root.MarkPersistentFlagFilename("key-file")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if a.flags.output != "text" && a.flags.output != "json" {
			return usageError{fmt.Errorf("--output is %q; it must be text or json", a.flags.output)}
		}
		return nil
	}
}

// fileSettings are the fields of the configuration file.
type fileSettings struct {
	Server  string `yaml:"server"`
	KeyFile string `yaml:"key_file"`
}

// readFile reads the configuration file. Without one, everything is empty.
func (a *app) readFile() (s fileSettings, err error) {
	folder, ok := a.env("XDG_CONFIG_HOME")
	if !ok || !filepath.IsAbs(folder) { // XDG: a relative one is to be ignored
		home, _ := a.env("HOME")
		if home == "" {
			return s, nil
		}
		folder = filepath.Join(home, ".config")
	}
	name := filepath.Join(folder, "rollcall", "config.yaml")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read the settings: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return s, fmt.Errorf("read the settings in %s (the fields are server and key_file): %w", name, err)
	}
	if rest, ok := strings.CutPrefix(s.KeyFile, "~/"); ok {
		home, _ := a.env("HOME")
		s.KeyFile = filepath.Join(home, rest)
	} else if s.KeyFile != "" && !filepath.IsAbs(s.KeyFile) {
		s.KeyFile = filepath.Join(filepath.Dir(name), s.KeyFile)
	}
	return s, nil
}

// client returns a client of the receiver that the settings name.
func (a *app) client() (*client.Client, error) {
	file, err := a.readFile()
	if err != nil {
		return nil, err
	}
	fromEnv := func(name string) string { v, _ := a.env(name); return v }
	server := cmp.Or(a.flags.server, fromEnv("ROLLCALL_SERVER"), file.Server, defaultServer)
	key := cmp.Or(a.flags.keyFile, fromEnv("ROLLCALL_KEY_FILE"), file.KeyFile)
	address, err := url.Parse(server)
	switch {
	case err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Hostname() == "":
		return nil, fmt.Errorf("the server is %q; it must be an address such as %s", server, defaultServer)
	case address.User != nil:
		return nil, errors.New("the server's address has a name or password in it; put the API key into a file and name that by --key-file")
	}
	if key != "" {
		if _, err := readKey(key); err != nil {
			return nil, err
		}
	}
	return client.New(server, client.WithRetry(a.flags.patience), client.WithHTTPClient(a.httpClient(address, key))), nil
}

// answerTime bounds how long the server thinks after it has got a request.
const answerTime = 5 * time.Minute

func (a *app) httpClient(server *url.URL, keyFile string) *http.Client {
	var transport http.RoundTripper = &http.Transport{
		Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: answerTime,
		MaxIdleConnsPerHost: maxJobs, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
	}
	if keyFile != "" {
		transport = &keySender{next: transport, server: server, file: keyFile}
	}
	if a.flags.patience > 0 {
		transport = &patient{next: transport, told: sync.OnceFunc(a.tellPatience)}
	}
	return &http.Client{Transport: transport}
}

// tellPatience says why nothing seems to happen.
func (a *app) tellPatience() {
	if a.Draws {
		fmt.Fprint(a.Err, "\r\x1b[K")
	}
	fmt.Fprintf(a.Err, "rollcall: the server, or a service behind it, is away; trying again for %s (--retry-for)\n", a.flags.patience)
}

// patient calls told when a request fails that will be repeated.
type patient struct {
	next http.RoundTripper
	told func()
}

func (p *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := p.next.RoundTrip(req)
	if err != nil && req.Context().Err() == nil || err == nil && res.StatusCode == http.StatusServiceUnavailable {
		p.told()
	}
	return res, err
}

// keySender adds the API key to requests. It reads the file for each, so that a key can
// be replaced while the program runs, and sends it to nobody but the server, also if
// that redirects to another one.
type keySender struct {
	next   http.RoundTripper
	server *url.URL
	file   string
}

func (k *keySender) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != k.server.Scheme || req.URL.Host != k.server.Host {
		return k.next.RoundTrip(req)
	}
	key, err := readKey(k.file)
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+key)
	return k.next.RoundTrip(req)
}

// readKey reads an API key. Its errors never contain it.
func readKey(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the API key: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("the key file %s does not contain one API key and nothing else", file)
	}
	return key, nil
}
