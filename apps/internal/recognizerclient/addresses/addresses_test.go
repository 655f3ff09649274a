package addresses_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"

	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient/addresses"
)

// conn notes what gRPC is told.
type conn struct {
	mu        sync.Mutex
	addresses []string // the last ones
	errors    int      // reported
	refuse    error    // answer to new addresses
}

func (c *conn) told() (addresses []string, errors int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addresses, c.errors
}

func (c *conn) refuses(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = err
}

func (c *conn) UpdateState(s resolver.State) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addresses = nil
	for _, e := range s.Endpoints {
		c.addresses = append(c.addresses, e.Addresses[0].Addr)
	}
	return c.refuse
}

func (c *conn) ReportError(error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errors++
}

func (c *conn) NewAddress([]resolver.Address)                            {}
func (c *conn) ParseServiceConfig(string) (r *serviceconfig.ParseResult) { return r }

// names is a name server for one host.
type names struct {
	mu    sync.Mutex
	hosts []string
	err   error
	asked int
}

func (n *names) set(hosts []string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts, n.err = hosts, err
}

func (n *names) lookups() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

func (n *names) lookup(_ context.Context, host string) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	if host != "recognizer" {
		return nil, errors.New("asked for " + host)
	}
	return n.hosts, n.err
}

// watch builds a resolver of dns:///recognizer:50051.
func watch(t *testing.T, n *names, c *conn) resolver.Resolver {
	t.Helper()
	r, err := build("dns:///recognizer:50051", n, c)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return r
}

func build(target string, n *names, c *conn) (resolver.Resolver, error) {
	parsed, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	return addresses.Builder{Lookup: n.lookup}.Build(resolver.Target{URL: *parsed}, c, resolver.BuildOptions{})
}

// soon is how long a new address may stay unknown.
const soon = 5 * time.Second

func TestFindsAddressesAgainSoon(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		hosts  []string // while there is no recognizer
		err    error
		refuse error // gRPC's answer meanwhile
	}{
		{name: "the name server fails", err: errors.New("server misbehaving")},
		{name: "the name has no addresses"},
		{name: "gRPC cannot use the addresses", hosts: []string{"10.0.0.9"}, refuse: errors.New("bad resolver state")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n, c := &names{hosts: tt.hosts, err: tt.err}, &conn{refuse: tt.refuse}
				r := watch(t, n, c)
				defer r.Close()
				time.Sleep(time.Hour)
				if asked := n.lookups(); asked > 1300 {
					t.Errorf("asked %d times in an hour", asked)
				}
				n.set([]string{"10.0.0.1", "fd00::1"}, nil)
				c.refuses(nil)
				time.Sleep(soon)
				synctest.Wait()
				got, _ := c.told()
				if want := []string{"10.0.0.1:50051", "[fd00::1]:50051"}; !slices.Equal(got, want) {
					t.Errorf("%s later: got %q, want %q", soon, got, want)
				}
			})
		})
	}
}

func TestLooksAgainWhenAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, c := &names{hosts: []string{"10.0.0.1"}}, &conn{}
		r := watch(t, n, c)
		defer r.Close()
		time.Sleep(time.Hour)
		if asked := n.lookups(); asked != 1 {
			t.Errorf("asked %d times although the address works", asked)
		}
		n.set([]string{"10.0.0.2"}, nil)
		for range 1000 { // each failed connection
			r.ResolveNow(resolver.ResolveNowOptions{})
		}
		time.Sleep(soon)
		synctest.Wait()
		if got, _ := c.told(); !slices.Equal(got, []string{"10.0.0.2:50051"}) || n.lookups() > 3 {
			t.Errorf("got %q after asking %d times", got, n.lookups())
		}
	})
}

func TestErrorLeavesTheAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, c := &names{hosts: []string{"10.0.0.1"}}, &conn{}
		r := watch(t, n, c)
		n.set(nil, errors.New("server misbehaving"))
		r.ResolveNow(resolver.ResolveNowOptions{})
		time.Sleep(soon)
		synctest.Wait()
		r.Close()
		asked := n.lookups()
		if got, errs := c.told(); !slices.Equal(got, []string{"10.0.0.1:50051"}) || errs == 0 {
			t.Errorf("got %q and %d errors", got, errs)
		}
		time.Sleep(time.Hour)
		if again := n.lookups(); again != asked {
			t.Errorf("asked %d times after the end", again-asked)
		}
	})
}

func TestBadTargets(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"dns:///recognizer", "dns:///", "dns://10.0.0.53/recognizer:50051"} {
		if _, err := build(target, &names{}, &conn{}); err == nil {
			t.Errorf("%s was taken", target)
		}
	}
}
