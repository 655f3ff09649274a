package store_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// certificate writes a certificate for 127.0.0.1 that signs itself, and its key.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a database"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, text := range map[string][]byte{
		certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return certFile, keyFile, pool
}

func TestMariaDBTLS(t *testing.T) {
	t.Parallel()
	plain := settings(t, mariadbtest.Database(t)) // says why where there is no MariaDB
	cert, key, trusted := certificate(t)
	server, err := mariadbtest.Start(t.Context(), t.TempDir(), io.Discard, "--ssl-cert="+cert, "--ssl-key="+key)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, server.Close)
	if err := server.CreateDatabase(t.Context(), "kube"); err != nil {
		t.Fatal(err)
	}
	encrypted := settings(t, mariadbtest.DB{Host: "127.0.0.1", Port: server.Port(), Name: "kube", User: server.User(), Password: server.Password()})
	_, _, stranger := certificate(t)
	for _, c := range []struct {
		name string
		db   config.Database
		pool *x509.CertPool
		why  string // why it does not work; empty where it does
	}{
		{"trusted", encrypted, trusted, ""},
		{"not trusted", encrypted, stranger, "unknown authority"},
		{"a server without TLS", plain, trusted, "TLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.db.TLS = &tls.Config{ServerName: c.db.Host, RootCAs: c.pool, MinVersion: tls.VersionTLS12}
			s, err := store.OpenMySQL(c.db)
			if err != nil {
				t.Fatal(err)
			}
			closeAfter(t, s.Close)
			_, err = s.Migrate(t.Context(), "/unknown_people")
			switch {
			case c.why == "" && err != nil:
				t.Errorf("got %v", err)
			case c.why != "" && (err == nil || !strings.Contains(cause(err), c.why)):
				t.Errorf("got %v, want that it tells %q", cause(err), c.why)
			}
			checkExpiry(t, s, c.why == "")
		})
	}
}

// checkExpiry checks that the metrics say when the certificate of certificate expires, if
// there was a connection.
func checkExpiry(t *testing.T, s *store.Store, want bool) {
	t.Helper()
	const name = "rollcall_certificate_expiry_timestamp_seconds"
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(store.Collector(s))
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	there := false
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		there = true
		left := time.Until(time.Unix(int64(f.GetMetric()[0].GetGauge().GetValue()), 0))
		if left < 0 || left > time.Hour { // it was made at the start of the tests
			t.Errorf("the certificate expires in %s, want at most an hour", left)
		}
	}
	if there != want {
		t.Errorf("the metric is there: %v, want %v", there, want)
	}
}

// cause is the text of everything that an error wraps.
func cause(err error) string {
	var b strings.Builder
	for err != nil {
		b.WriteString(err.Error() + "\n")
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			break
		}
		err = u.Unwrap()
	}
	return b.String()
}
