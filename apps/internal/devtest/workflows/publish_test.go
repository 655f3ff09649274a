package workflows

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// publish is a registry of files, with a docker and a cosign that know what the script
// asks them.
type publish struct {
	t   *testing.T
	dir string
}

const (
	index       = "sha256:1111"
	amd64       = "sha256:aaaa"
	amd64About  = "sha256:abab"
	arm64       = "sha256:bbbb"
	arm64About  = "sha256:baba"
	sbom        = "https://spdx.dev/Document"
	provenance  = "https://slsa.dev/provenance/v1"
	publishedAs = "ghcr.io/us/rollcall-receiver"
)

func newPublish(t *testing.T) *publish {
	t.Helper()
	if _, err := exec.LookPath("jq"); err != nil {
		if os.Getenv("ROLLCALL_TEST_REQUIRE") != "" {
			t.Fatal("there is no jq on this machine")
		}
		t.Skip("there is no jq on this machine, which the script reads manifests with")
	}
	p := &publish{t: t, dir: t.TempDir()}
	p.write("docker", `#!/bin/sh
echo "docker $*" >>"$0.log"
case "$*" in
*" create "*) ;;
*" --raw "*) cat "${0%/*}/${5##*@}" ;;
*) echo `+index+` ;;
esac
`)
	p.write("cosign", `#!/bin/sh
for image; do :; done
case $1 in
sign) echo "$image" >>"$0.signed" ;;
verify) echo "$*" >>"$0.verified"; ! grep -qF "${image##*@}" "$0.unsigned" 2>/dev/null ;;
esac
`)
	p.write("digests/receiver-amd64", amd64+"\n")
	p.write("digests/receiver-arm64", arm64+"\n")
	p.write(index, indexOf(amd64, amd64About, arm64, arm64About))
	p.attest(amd64About, sbom, provenance)
	p.attest(arm64About, sbom, provenance)
	return p
}

func (p *publish) write(name, text string) {
	p.t.Helper()
	name = filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

func (p *publish) read(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// indexOf returns an index of images, each followed by the manifest with its attestations,
// or by "".
func indexOf(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fmt.Sprintf(`{"digest":%q,"platform":{"os":"linux"}}`, pairs[i]))
		if pairs[i+1] != "" {
			list = append(list, fmt.Sprintf(`{"digest":%q,"annotations":{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":%q}}`, pairs[i+1], pairs[i]))
		}
	}
	return `{"manifests":[` + strings.Join(list, ",") + `]}`
}

// attest stores the manifest of an image's attestations.
func (p *publish) attest(digest string, predicates ...string) {
	var layers []string
	for _, predicate := range predicates {
		layers = append(layers, fmt.Sprintf(`{"annotations":{"in-toto.io/predicate-type":%q}}`, predicate))
	}
	p.write(digest, `{"layers":[`+strings.Join(layers, ",")+`]}`)
}

func (p *publish) run() (string, error) {
	script, err := filepath.Abs(filepath.Join(root, ".github/scripts/publish.sh"))
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), "bash", script, "ghcr.io/us", "v1", filepath.Join(p.dir, "digests"))
	cmd.Env = append(os.Environ(), "PATH="+p.dir+":"+os.Getenv("PATH"), "APPS=receiver", "GITHUB_REPOSITORY=us/rollcall")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestPublish(t *testing.T) {
	t.Parallel()
	p := newPublish(t)
	out, err := p.run()
	if err != nil || out != "receiver "+index+"\n" { // what bump.sh reads
		t.Fatalf("%v: %q", err, out)
	}
	if want := "docker buildx imagetools create --tag " + publishedAs + ":v1 " + publishedAs + "@" + amd64 + " " + publishedAs + "@" + arm64 + "\n"; !strings.HasPrefix(p.read("docker.log"), want) {
		t.Errorf("docker was asked\n%s, want first\n%s", p.read("docker.log"), want)
	}
	if got, want := p.read("cosign.signed"), publishedAs+"@"+index+"\n"; got != want {
		t.Errorf("signed: %q, want the index: %q", got, want)
	}
	verified := p.read("cosign.verified")
	for _, digest := range []string{index, amd64, amd64About, arm64, arm64About} {
		if !strings.Contains(verified, publishedAs+"@"+digest) {
			t.Errorf("nobody verified %s:\n%s", digest, verified)
		}
	}
	if !strings.Contains(verified, `^https://github\.com/us/rollcall/\.github/workflows/images\.yaml@refs/(heads/main|tags/v.*)$`) {
		t.Errorf("verified for another identity:\n%s", verified)
	}
}

func TestPublishRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		prepare    func(*publish)
	}{
		{"an architecture got lost", "does not hold the images of 2 architectures", func(p *publish) { p.write(index, indexOf(amd64, amd64About)) }},
		{"an image without attestations", arm64 + " has no attestation of " + sbom, func(p *publish) { p.write(index, indexOf(amd64, amd64About, arm64, "")) }},
		{"no provenance", amd64 + " has no attestation of https://slsa.dev/provenance/", func(p *publish) { p.attest(amd64About, sbom) }},
		{"a part without a signature", arm64 + " has no signature", func(p *publish) { p.write("cosign.unsigned", arm64+"\n") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPublish(t)
			tt.prepare(p)
			out, err := p.run()
			if err == nil || !strings.Contains(out, tt.want) {
				t.Errorf("%v: got %q, want %q", err, out, tt.want)
			}
			if strings.Contains(out, "receiver "+index) {
				t.Error("it was handed on to be rolled out")
			}
		})
	}
}
