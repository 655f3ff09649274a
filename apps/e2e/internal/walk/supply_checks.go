package walk

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// push puts the receiver of this walk into the registry with a layer of its own, so that
// no two images are alike. It returns the image's digest.
func (s *supply) push(ctx context.Context, tag string) (digest string, err error) {
	archive := s.file("receiver.tar")
	if _, err := os.Stat(archive); err != nil {
		cmd := exec.CommandContext(ctx, "docker", "save", "--output", archive, "rollcall-receiver:"+s.walk.first())
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("save the receiver's image: %w: %s", err, bytes.TrimSpace(out))
		}
	}
	image := s.image(tag)
	if _, err := s.tool(ctx, "crane", "push", archive, image); err != nil {
		return "", err
	}
	layer, err := tarOf("which", []byte(rand.Text()))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(s.file("layer.tar"), layer, 0o600); err != nil {
		return "", err
	}
	if _, err := s.tool(ctx, "crane", "append", "--base="+image, "--new_layer="+s.file("layer.tar"), "--new_tag="+image); err != nil {
		return "", err
	}
	return s.tool(ctx, "crane", "digest", image)
}

func (s *supply) image(tag string) string { return s.registry + "/rollcall-receiver:" + tag }

// sign signs an image with a key.
func (s *supply) sign(ctx context.Context, key, image string) error {
	_, err := s.tool(ctx, "cosign", "sign", "--yes", "--tlog-upload=false", "--key="+s.file(key+".key"), image)
	return err
}

// checkImages asks for pods of images with and without a good signature.
func (s *supply) checkImages(ctx context.Context) error {
	signed, err := s.push(ctx, "v1")
	if err != nil {
		return err
	}
	pinned := s.image("v1") + "@" + signed
	if err := s.refused(ctx, "unsigned", pinned, "no signatures found"); err != nil {
		return err
	}
	if err := s.sign(ctx, "theirs", pinned); err != nil {
		return err
	}
	if err := s.refused(ctx, "signed by somebody else", pinned, "no matching signatures"); err != nil {
		return err
	}
	if err := s.sign(ctx, "ours", pinned); err != nil {
		return err
	}
	if err := s.runs(ctx, "signed", pinned); err != nil {
		return err
	}
	if _, err := s.push(ctx, "v1"); err != nil {
		return err
	}
	if err := s.refused(ctx, "other content behind the signed tag", s.image("v1"), "no signatures found"); err != nil {
		return err
	}
	return s.runs(ctx, "signed, by tag and digest, after the tag was moved", pinned)
}

// refused checks that the cluster does not take a pod, and that its message says why.
func (s *supply) refused(ctx context.Context, what, image, why string) error {
	_, err := s.kube.input(ctx, strings.NewReader(fmt.Sprintf(versionPodYAML, "refused", image)), "apply", "--filename=-")
	if err == nil {
		return fmt.Errorf("%s: the cluster took the image", what)
	}
	_, reason, admission := strings.Cut(err.Error(), "denied the request: ")
	if !admission || !strings.Contains(reason, why) {
		return fmt.Errorf("%s: refused, but without %q: %w", what, why, err)
	}
	s.walk.say("%s: refused: %s", what, strings.ReplaceAll(reason, "\n", " "))
	return nil
}

// runs checks that a pod of the image runs to its end.
func (s *supply) runs(ctx context.Context, what, image string) error {
	repository, digest, _ := strings.Cut(image, "@")
	repository = repository[:strings.LastIndex(repository, ":")]
	if err := s.pullTo(ctx, repository+"@"+digest); err != nil {
		return err
	}
	const name = "signed"
	if _, err := s.kube.input(ctx, strings.NewReader(fmt.Sprintf(versionPodYAML, name, image)), "apply", "--filename=-"); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err := s.kube.unlessNotPulled(ctx, func(ctx context.Context) error {
		_, err := s.kube.run(ctx, "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/"+name, "--timeout=2m")
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	log, err := s.kube.run(ctx, "logs", name)
	if err != nil {
		return err
	}
	s.walk.say("%s: runs, and says %q", what, log)
	_, err = s.kube.run(ctx, "delete", "pod", name, "--wait")
	return err
}

// pullTo lets a node pull an image.
func (s *supply) pullTo(ctx context.Context, image string) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", s.pull, "pull", image)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("a node pulls %s by %q: %w: %s", image, s.pull, err, lastLine(out))
	}
	return nil
}

func lastLine(text []byte) []byte {
	text = bytes.TrimSpace(text)
	return text[bytes.LastIndexByte(text, '\n')+1:]
}

// checkLayers changes a layer in the registry's store below a signed manifest. The
// signature stays good, so it is the node that has to notice.
func (s *supply) checkLayers(ctx context.Context) error {
	digest, err := s.push(ctx, "v2")
	if err != nil {
		return err
	}
	image := s.registry + "/rollcall-receiver@" + digest
	if err := s.sign(ctx, "ours", image); err != nil {
		return err
	}
	layer, err := s.lastLayer(ctx, image)
	if err != nil {
		return err
	}
	blob := filepath.Join(s.dir, "registry/docker/registry/v2/blobs/sha256", layer[:2], layer, "data")
	content, err := os.ReadFile(blob)
	if err != nil {
		return err
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(blob, content, 0o600); err != nil {
		return err
	}
	err = s.pullTo(ctx, image)
	if err == nil {
		return errors.New("a changed layer under a signed manifest: the node took it")
	}
	if !strings.Contains(err.Error(), layer) {
		return fmt.Errorf("a changed layer under a signed manifest: refused, but without the layer's digest: %w", err)
	}
	s.walk.say("a changed layer under a signed manifest: refused when %s", err)
	return nil
}

// lastLayer returns the digest of an image's last layer, in hexadecimal.
func (s *supply) lastLayer(ctx context.Context, image string) (string, error) {
	manifest, err := s.tool(ctx, "crane", "manifest", image)
	if err != nil {
		return "", err
	}
	var m struct {
		Layers []struct {
			Digest string `json:"digest"`
		} `json:"layers"`
	}
	if err := json.Unmarshal([]byte(manifest), &m); err != nil {
		return "", fmt.Errorf("read the manifest of %s: %w", image, err)
	}
	if len(m.Layers) == 0 {
		return "", fmt.Errorf("%s has no layers", image)
	}
	_, digest, _ := strings.Cut(m.Layers[len(m.Layers)-1].Digest, ":")
	return digest, nil
}
