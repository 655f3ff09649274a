package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"127.0.0.1:8000": true, "127.9.9.9:0": true, "[::1]:8000": true, "localhost:8000": true, "LocalHost:1": true,
		":8000": false, "0.0.0.0:8000": false, "[::]:8000": false, "10.0.0.1:8000": false, "receiver:8000": false,
		"localhost.example:8000": false, "127.0.0.1": false, "": false,
	} {
		if got := config.IsLoopback(address); got != want {
			t.Errorf("%q: got %v", address, got)
		}
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	const one, two = "0123456789abcdef", "fedcba9876543210"
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, tt := range []struct {
		name string
		set  map[string]string
		want []string
		err  string
	}{
		{"none", map[string]string{}, nil, ""},
		{"direct", map[string]string{"ROLLCALL_GRPC_TOKEN": one}, []string{one}, ""},
		{"short", map[string]string{"ROLLCALL_GRPC_TOKEN": "secret"}, nil, "shorter than 16"},
		{"both", map[string]string{"ROLLCALL_GRPC_TOKEN": one, "ROLLCALL_GRPC_TOKEN_FILE": file(one)}, nil, "only one"},
		{"a file", map[string]string{"ROLLCALL_GRPC_TOKEN_FILE": file(one + "\n")}, []string{one}, ""},
		{"two lines", map[string]string{"ROLLCALL_GRPC_TOKEN_FILE": file(two + "\r\n" + one)}, []string{two, one}, ""},
		{"an empty file", map[string]string{"ROLLCALL_GRPC_TOKEN_FILE": file("\n")}, nil, "empty"},
		{"a short line", map[string]string{"ROLLCALL_GRPC_TOKEN_FILE": file(one + "\nx")}, nil, "shorter than 16"},
		{"no file", map[string]string{"ROLLCALL_GRPC_TOKEN_FILE": "/does/not/exist"}, nil, "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := config.NewReader(config.Map(tt.set))
			token := config.ReadToken(r)
			if err := r.Err(); (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("got %v, want %q", err, tt.err)
			}
			if tt.err != "" {
				return
			}
			if got, err := token.All(); err != nil || !slices.Equal(got, tt.want) || token.IsSet() != (tt.want != nil) {
				t.Errorf("got %d tokens, %v", len(got), err)
			}
		})
	}
}

// A token changes without a restart, and a file that is away for a moment does not
// end the old one.
func TestTokenChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "token")
		expect := func(want string) {
			t.Helper()
			time.Sleep(10 * time.Second)
			if want != "" {
				if err := os.WriteFile(name, []byte(want), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		expect("0123456789abcdef")
		r := config.NewReader(config.Map(map[string]string{"ROLLCALL_GRPC_TOKEN_FILE": name}))
		token := config.ReadToken(r)
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		expect("fedcba9876543210 0123456789abcdef")
		if got, err := token.All(); err != nil || len(got) != 2 || got[0] != "fedcba9876543210" {
			t.Errorf("got %q, %v", got, err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if got, err := token.All(); err != nil || len(got) != 2 {
			t.Errorf("while the file is away: %q, %v", got, err)
		}
	})
}
